import { openCharge } from '../db/attempts.ts';
import { type DispatchClaim, findDispatch, recordDispatch } from '../db/dispatch.ts';
import { attemptReference } from '../domain/id.ts';
import { type Currency, money } from '../domain/money.ts';
import type { ChargeResult } from '../domain/outcome.ts';
import type { ChargeContext } from '../domain/provider.ts';
import { findProvider } from '../providers/index.ts';
import { providerEventSignal } from '../workflows/messages.ts';
import { LATE_DEADLINE_MS, makeSend } from './claim.ts';
import type { ActivityDeps } from './deps.ts';
import { lostSend } from './failure.ts';

export type ChargeInput = {
  readonly paymentId: string;
  readonly attemptId: string;
  readonly workflowId: string;
  readonly provider: string;
  readonly credentialsRef: string;
  readonly amountMinor: number;
  readonly currency: Currency;
  /** The how-manieth send of this attempt, from 1. */
  readonly send: number;
  readonly timeoutMs: number;
};

/** Hands one charge to the provider. Throws by `failure.ts`. */
export function createCharge(deps: ActivityDeps) {
  return {
    async charge(input: ChargeInput): Promise<ChargeResult> {
      const { paymentId, attemptId, send } = input;
      return await makeSend<ChargeResult>({
        find: () => findDispatch(deps.pool, { attemptId, send }),
        claim: (nonce) => recordDispatch(deps.pool, { paymentId, attemptId, send, nonce }),
        dedupeWindowMs: findProvider(input.provider)?.capabilities.dedupe_window_ms ?? null,
        make: (context) => sendCharge(deps, input, context),
        leave: takeEarlierSend,
        idOf: ({ providerPaymentId }) => providerPaymentId,
        tellLate: (id) => tellLate(deps, input, id),
      });
    },
  };
}

async function sendCharge(
  deps: ActivityDeps,
  input: ChargeInput,
  context: ChargeContext,
): Promise<ChargeResult> {
  const charge = await openCharge(deps.pool, deps.vault, input.paymentId, input.attemptId);
  const client = await deps.clientFor(input.provider, input.credentialsRef);
  const attemptRef = attemptReference(input.workflowId, charge.attemptOrdinal);
  const request = {
    paymentId: input.paymentId,
    attemptRef,
    workflowId: input.workflowId,
    idempotencyKey: `${attemptRef}/charge`,
    amount: money(input.amountMinor, input.currency),
    captureMethod: charge.captureMethod,
    returnUrl: charge.returnUrl,
    reference: charge.reference,
    description: charge.description ?? '',
    customer: charge.customer,
    paymentMethod: charge.paymentMethod,
    callbackUrl: deps.callbackUrl(
      input.provider,
      input.credentialsRef,
      input.workflowId,
      charge.attemptOrdinal,
    ),
    timeoutMs: input.timeoutMs,
  };
  return await client.charge(request, context);
}

/** As the provider's own event: the workflow learns what to ask by, and nothing else. */
async function tellLate(
  { temporal }: ActivityDeps,
  { workflowId, attemptId, send }: ChargeInput,
  providerPaymentId: string,
): Promise<void> {
  const message = 'its answer came late';
  const event = { kind: 'pending', providerPaymentId, providerCode: null, message } as const;
  const delivered = { eventId: `answer/${attemptId}/${send}`, event, unstored: null };
  await temporal.withDeadline(Date.now() + LATE_DEADLINE_MS, () =>
    temporal.workflow.getHandle(workflowId).signal(providerEventSignal, delivered),
  );
}

/**
 * An earlier run of this send got to the provider, or may have. Its answer is taken when it was
 * written down; else nobody knows, and nothing is sent again.
 */
function takeEarlierSend(claim: DispatchClaim): ChargeResult {
  if (claim.kind === 'already_dispatched' && claim.providerId !== null) {
    return {
      kind: 'pending',
      providerPaymentId: claim.providerId,
      providerCode: null,
      message: 'an earlier run handed it over',
    };
  }
  const message =
    claim.kind === 'refused'
      ? 'the payment ended before it was sent'
      : 'an earlier run may have sent it, and its answer is lost';
  throw lostSend(message);
}
