import { ActivityCancellationType, ActivityFailure, proxyActivities } from '@temporalio/workflow';
import type { Activities, RefundLookupInput, RefundSendInput } from '../activities/index.ts';
import type { RefundInput, RefundResult } from '../domain/refund.ts';
import type { LookupOptions } from './lookup.ts';
import { callOf } from './provider-queue.ts';
import { endOf, type Sent, sendOptions } from './proxies.ts';
import type { RefundBook } from './refund-book.ts';

/** Asks for the refund once; see `charge`. */
export async function sendRefund(input: RefundInput, send: number): Promise<Sent<RefundResult>> {
  const summary = `refund by ${input.provider}${send === 1 ? '' : `, send ${send}`}`;
  const activities = proxyActivities<Pick<Activities, 'refund'>>(
    sendOptions(input, 'refund', input.policy.refund, summary),
  );
  const order: RefundSendInput = {
    refundId: input.refundId,
    paymentId: input.paymentId,
    workflowId: input.workflowId,
    provider: input.provider,
    credentialsRef: input.credentialsRef,
    amountMinor: input.amountMinor,
    currency: input.currency,
    providerPaymentId: input.providerPaymentId,
    providerReceipt: input.providerReceipt,
    send,
    timeoutMs: input.policy.refund.timeout_ms,
  };
  return await endOf(activities.refund(order));
}

/** Asks what became of a refund; see `lookup`. Null when the window ended without an answer. */
export async function lookupRefund(
  input: RefundInput,
  book: RefundBook,
  windowMs: number,
  how: Omit<LookupOptions, 'isPromptOver'> = {},
): Promise<RefundResult | null> {
  const { timeout_ms, lookup_every_ms } = input.policy.refund;
  const activities = proxyActivities<Pick<Activities, 'lookupRefund'>>({
    ...callOf(input, how.isLast === true ? 'last' : 'question'),
    startToCloseTimeout: timeout_ms + 5_000,
    scheduleToCloseTimeout: Math.max(windowMs, 1),
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    retry: { initialInterval: '5s', maximumInterval: '60s' },
    summary: `ask ${input.provider} about the refund`,
  });
  const question: RefundLookupInput = {
    workflowId: input.workflowId,
    provider: input.provider,
    credentialsRef: input.credentialsRef,
    providerPaymentId: input.providerPaymentId,
    providerRefundId: book.providerRefundId(),
    timeoutMs: timeout_ms,
    everyMs: how.everyMs ?? lookup_every_ms,
    ...(how.isOnce === true ? { isOnce: true } : {}),
  };
  try {
    return await activities.lookupRefund(question);
  } catch (error) {
    if (error instanceof ActivityFailure) return null;
    throw error;
  }
}
