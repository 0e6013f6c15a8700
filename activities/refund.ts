import { type RefundDispatchClaim, recordRefundDispatch } from '../db/record-refund.ts';
import { ProviderError } from '../domain/error.ts';
import { type Currency, money } from '../domain/money.ts';
import type { ChargeContext } from '../domain/provider.ts';
import type { RefundResult } from '../domain/refund.ts';
import { findProvider } from '../providers/index.ts';
import { ClaimRefused, withDispatch } from './claim.ts';
import type { ActivityDeps } from './deps.ts';
import { sendFailure } from './failure.ts';

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
      const mayRepeat = findProvider(input.provider)?.capabilities.dedupes_by_our_id ?? false;
      const claim = (nonce: string) =>
        recordRefundDispatch(deps.pool, { refundId, paymentId, send, nonce });
      return await withDispatch<RefundDispatchClaim, RefundResult>(
        claim,
        mayRepeat,
        async ({ context, isDispatched }) => {
          try {
            return await sendRefund(deps, input, context);
          } catch (error) {
            if (error instanceof ClaimRefused) return takeEarlierSend(error.claim);
            throw sendFailure(error, { dispatched: isDispatched(), mayRepeat });
          }
        },
      );
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
  const { refundId, paymentId, workflowId, providerPaymentId, providerReceipt, timeoutMs } = input;
  const request = {
    refundId,
    paymentId,
    workflowId,
    idempotencyKey: `${paymentId}/${refundId}`,
    amount: money(input.amountMinor, input.currency),
    providerPaymentId,
    providerReceipt,
    reason: `refund ${refundId.slice(-12)}`,
    callbackUrls: deps.refundCallbackUrls(input.provider, workflowId),
    timeoutMs,
  };
  return await client.refund(request, context);
}

/** An earlier run of this send got to the provider, or may have: nothing is sent again. */
function takeEarlierSend(claim: RefundDispatchClaim): RefundResult {
  if (claim.kind === 'already_dispatched' && claim.providerRefundId !== null) {
    const { providerRefundId } = claim;
    const message = 'an earlier run handed it over';
    return { kind: 'pending', providerRefundId, providerCode: null, message };
  }
  const message = 'an earlier run may have sent it, and its answer is lost';
  const lost = new ProviderError('ambiguous', message);
  throw sendFailure(lost, { dispatched: true, mayRepeat: false });
}
