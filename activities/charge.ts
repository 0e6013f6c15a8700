import { openCharge } from '../db/attempts.ts';
import { type DispatchClaim, findStop, recordDispatch } from '../db/dispatch.ts';
import { attemptReference } from '../domain/id.ts';
import { type Currency, money } from '../domain/money.ts';
import type { ChargeResult } from '../domain/outcome.ts';
import { type ChargeContext, ringsPhones } from '../domain/provider.ts';
import { findProvider } from '../providers/index.ts';
import { providerEventSignal } from '../workflows/messages.ts';
import { LATE_DEADLINE_MS, makeSend } from './claim.ts';
import type { ActivityDeps } from './deps.ts';
import { busyPayer, lostSend, stoppedSend } from './failure.ts';

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
      const capabilities = findProvider(input.provider)?.capabilities;
      const rings = capabilities !== undefined && ringsPhones(capabilities);
      return await makeSend<ChargeResult>({
        find: () => findStop(deps.pool, { paymentId, attemptId, send }),
        claim: (nonce) => recordDispatch(deps.pool, { paymentId, attemptId, send, nonce, rings }),
        dedupeWindowMs: capabilities?.dedupe_window_ms ?? null,
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
 * written down; else nobody knows, and nothing is sent again. Or our own row stops the send.
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
  if (claim.kind === 'too_late') throw stoppedSend('unsent', TOO_LATE, 'too_late');
  if (claim.kind === 'payer_busy') throw busyPayer('another payment of ours rings this phone');
  if (claim.kind === 'switched_off') throw stoppedSend('misconfigured', SWITCHED_OFF[claim.what]);
  if (claim.kind === 'refused') {
    throw stoppedSend('ambiguous', 'the payment ended before it was sent', 'not_to_be_sent');
  }
  throw lostSend('an earlier run may have sent it, and its answer is lost');
}

const TOO_LATE =
  'Nobody handed it over to the provider in time, and it is too late for it now. Nothing was sent.';
const SWITCHED_OFF = {
  merchant: 'The merchant was switched off before the payment was sent. Nothing was sent.',
  provider: 'The provider was switched off before the payment was sent. Nothing was sent.',
} as const;
