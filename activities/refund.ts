import type { DispatchClaim } from '../db/dispatch.ts';
import { findRefundDispatch, recordRefundDispatch } from '../db/refund-dispatch.ts';
import { ProviderError } from '../domain/error.ts';
import { type Currency, money } from '../domain/money.ts';
import type { ChargeContext } from '../domain/provider.ts';
import type { RefundResult } from '../domain/refund.ts';
import { findProvider } from '../providers/index.ts';
import { refundEventSignal } from '../workflows/messages.ts';
import { LATE_DEADLINE_MS, makeSend } from './claim.ts';
import type { ActivityDeps } from './deps.ts';
import { lostSend, stoppedSend } from './failure.ts';
import { explainShortage, isShortage } from './refund-shortage.ts';

export type RefundSendInput = {
  readonly refundId: string;
  readonly paymentId: string;
  readonly workflowId: string;
  readonly provider: string;
  readonly credentialsRef: string;
  readonly amountMinor: number;
  readonly currency: Currency;
  readonly providerPaymentId: string | null;
  readonly providerReceipt: string | null;
  /** The how-manieth send of this refund, from 1. */
  readonly send: number;
  readonly timeoutMs: number;
};

/** Asks the provider to give money back. Throws by `failure.ts`. */
export function createRefund(deps: ActivityDeps) {
  return {
    async refund(input: RefundSendInput): Promise<RefundResult> {
      const { refundId, paymentId, send } = input;
      return await makeSend<RefundResult>({
        find: () => findRefundDispatch(deps.pool, { refundId, send }),
        claim: (nonce) => recordRefundDispatch(deps.pool, { refundId, paymentId, send, nonce }),
        dedupeWindowMs: findProvider(input.provider)?.capabilities.dedupe_window_ms ?? null,
        make: (context) => sendRefund(deps, input, context),
        isOfEarlier: isShortage,
        leave: takeEarlierSend,
        idOf: ({ providerRefundId }) => providerRefundId,
        tellLate: (id) => tellLate(deps, input, id),
      });
    },
  };
}

async function sendRefund(
  deps: ActivityDeps,
  input: RefundSendInput,
  context: ChargeContext,
): Promise<RefundResult> {
  const client = await deps.clientFor(input.provider, input.credentialsRef);
  if (client.refund === undefined) {
    throw new ProviderError('misconfigured', `${input.provider} refunds nothing`);
  }
  const { refundId, workflowId, providerPaymentId, providerReceipt, timeoutMs } = input;
  const request = {
    workflowId,
    idempotencyKey: `${workflowId}/refund`,
    amount: money(input.amountMinor, input.currency),
    providerPaymentId,
    providerReceipt,
    reason: `refund ${refundId.slice(-12)}`,
    callbackUrls: deps.refundCallbackUrls(input.provider, workflowId),
    timeoutMs,
  };
  const answer = await client.refund(request, context);
  if (!isShortage(answer)) return answer;
  return await explainShortage(deps, client, input, answer, context.signal);
}

/** See `charge.ts`. */
async function tellLate(
  { temporal }: ActivityDeps,
  { workflowId, refundId, send }: RefundSendInput,
  providerRefundId: string,
): Promise<void> {
  const message = 'its answer came late';
  const event = { kind: 'pending', providerRefundId, providerCode: null, message } as const;
  const delivered = { eventId: `answer/${refundId}/${send}`, event, unstored: null };
  await temporal.withDeadline(Date.now() + LATE_DEADLINE_MS, () =>
    temporal.workflow.getHandle(workflowId).signal(refundEventSignal, delivered),
  );
}

/** An earlier run of this send got to the provider, or may have: nothing is sent again. */
function takeEarlierSend(claim: DispatchClaim): RefundResult {
  if (claim.kind === 'already_dispatched' && claim.providerId !== null) {
    const { providerId: providerRefundId } = claim;
    const message = 'an earlier run handed it over';
    return { kind: 'pending', providerRefundId, providerCode: null, message };
  }
  if (claim.kind === 'too_late') throw stoppedSend('unsent', TOO_LATE, 'too_late');
  throw lostSend('an earlier run may have sent it, and its answer is lost');
}

const TOO_LATE =
  'Nobody handed the refund over to the provider in time, and it is too late for it now. Nothing was sent, and its money is free again: make a new refund where it is still wanted.';
