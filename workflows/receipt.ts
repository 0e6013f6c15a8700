import { ActivityFailure, proxyActivities } from '@temporalio/workflow';
import type { Activities, ReceiptInput } from '../activities/index.ts';
import {
  type ReceiptAnswer,
  type ReceiptEvent,
  type ReceiptQuestion,
  receiptMismatch,
} from '../domain/receipt.ts';
import {
  type RefundFailureCode,
  type RefundInput,
  type RefundRecordRequest,
  refundFailure,
} from '../domain/refund.ts';
import { callOf, storeWebhookEvent } from './activities.ts';
import { applyRefundEvent } from './refund-outcome.ts';
import type { RefundRun } from './refund-run.ts';

type ToLearn = NonNullable<RefundInput['receiptToLearn']>;
type Unknown = {
  readonly code: Extract<RefundFailureCode, 'receipt_unknown' | 'misconfigured'>;
  readonly providerCode: string | null;
  readonly why: string;
  /** The callback that reported so, if any. */
  readonly webhook: RefundRecordRequest['webhook'];
};
type Learned = { readonly receipt: string } | Unknown;

/**
 * Learns the receipt that the refund is made by. Without it the refund fails, and nothing was sent:
 * its money is free for another try or another way.
 * @returns whether the refund is to be sent; false when it has ended.
 */
export async function learnReceipt(run: RefundRun, toLearn: ToLearn): Promise<boolean> {
  const answer = await askForReceipt(run.input);
  if (answer.kind !== 'asked') {
    const code = answer.kind === 'misconfigured' ? 'misconfigured' : 'receipt_unknown';
    const { providerCode, message: why } = answer;
    await fail(run, { code, providerCode, why, webhook: null });
    return false;
  }
  const waitMs = run.input.policy.refund.result_wait_ms;
  await run.record({
    key: 'receipt-asked',
    action: 'refund.receipt_asked',
    cause: 'no callback told the payment’s receipt: the provider was asked for it',
    waitingFor: 'callback',
    waitMs,
  });
  run.isAnswerable = true;
  const learned = await awaitReceipt(run, { ...toLearn, ...answer.question, waitMs });
  if (run.status !== 'pending') return false;
  if (!('receipt' in learned)) {
    await fail(run, learned);
    return false;
  }
  run.input = { ...run.input, providerReceipt: learned.receipt };
  return true;
}

/** Harmless, so Temporal asks again as long as a send may take. */
async function askForReceipt(input: RefundInput): Promise<ReceiptAnswer> {
  const { timeout_ms, deadline_ms, resend_after_ms } = input.policy.refund;
  const activities = proxyActivities<Pick<Activities, 'learnReceipt'>>({
    ...callOf(input, 'question'),
    // A token and two questions.
    startToCloseTimeout: timeout_ms * 3 + 5_000,
    scheduleToCloseTimeout: deadline_ms,
    retry: { initialInterval: '5s', maximumInterval: '60s' },
    summary: `ask ${input.provider} for the payment’s receipt`,
  });
  const { workflowId, provider, credentialsRef, providerPaymentId } = input;
  const question: ReceiptInput = {
    workflowId,
    provider,
    credentialsRef,
    providerPaymentId,
    timeoutMs: timeout_ms,
    pollIntervalMs: resend_after_ms,
  };
  try {
    return await activities.learnReceipt(question);
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    const message = 'the provider could not be asked for it in time';
    return { kind: 'unknown', providerCode: null, message };
  }
}

type Asked = ToLearn & ReceiptQuestion & { readonly waitMs: number };

async function awaitReceipt(run: RefundRun, asked: Asked): Promise<Learned> {
  const { inbox } = run;
  const until = Date.now() + asked.waitMs;
  while (run.status === 'pending' && Date.now() < until) {
    await inbox.waitForMessage(until - Date.now(), 'wait for the receipt');
    for (let it = inbox.takeEvent(); it !== undefined; it = inbox.takeEvent()) {
      const { event, eventId, unstored } = it;
      if (event.kind !== 'receipt') {
        await applyRefundEvent(run, it);
        // The answer was perhaps this one: the question moves nothing, so it is asked again.
        if (run.unclear.takeAsk()) await askForReceipt(run.input);
        continue;
      }
      if (unstored !== null) await storeWebhookEvent(unstored);
      const doubt = receiptMismatch(event, asked, asked.capturedMinor);
      const { receipt, providerCode } = event;
      if (doubt === null && receipt !== null) {
        return await recordReceipt(run, receipt, event, eventId);
      }
      const code = event.isMisconfigured ? 'misconfigured' : 'receipt_unknown';
      const why = doubt ?? event.message;
      const status = receipt === null ? 'applied' : 'parked';
      return { code, providerCode, why, webhook: { eventId, status, note: doubt } };
    }
  }
  const why = 'the provider did not tell it in time';
  return { code: 'receipt_unknown', providerCode: null, why, webhook: null };
}

async function recordReceipt(
  run: RefundRun,
  receipt: string,
  { providerCode }: ReceiptEvent,
  eventId: string,
): Promise<Learned> {
  const { paymentReceipt, isReceiptTaken } = await run.record({
    key: `event/${eventId}`,
    action: 'refund.receipt_learned',
    actor: 'provider',
    cause: 'the provider told the payment’s receipt',
    paymentReceipt: receipt,
    webhook: { eventId, status: 'applied', note: null },
  });
  const why = 'the receipt that the provider told is of another payment';
  if (isReceiptTaken) return { code: 'receipt_unknown', providerCode, why, webhook: null };
  return { receipt: paymentReceipt ?? receipt };
}

async function fail(run: RefundRun, { code, providerCode, why, webhook }: Unknown): Promise<void> {
  const text =
    code === 'misconfigured'
      ? why
      : `It is refunded by the payment’s receipt, which no callback told; asked for it: ${why}. Nothing was sent. When its late callback comes, refund it anew; else do it in the provider’s portal.`;
  const failure = refundFailure(code, providerCode, text);
  await run.fail({ key: 'no-receipt', cause: why, failure, webhook });
}
