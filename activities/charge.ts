import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { openCharge } from '../db/attempts.ts';
import { type DispatchClaim, recordDispatch } from '../db/record.ts';
import { ProviderError } from '../domain/error.ts';
import { type Currency, money } from '../domain/money.ts';
import type { ChargeResult } from '../domain/provider.ts';
import { chargeFailure } from './failure.ts';
import type { ActivityDeps } from './index.ts';

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

const HEARTBEAT_EVERY_MS = 1_500;
const CLAIM_TRIES = 4;
const CLAIM_PAUSE_MS = 500;

/** Hands one charge to the provider. Throws by `failure.ts`. */
export function createCharge(deps: ActivityDeps) {
  return {
    async charge(input: ChargeInput): Promise<ChargeResult> {
      const context = Context.current();
      const beat = setInterval(() => context.heartbeat(), HEARTBEAT_EVERY_MS);
      const nonce = randomUUID();
      let dispatched = false;
      const dispatch = async () => {
        const claim = await claimDispatch(deps, input, nonce);
        if (claim.kind !== 'dispatched') throw new ClaimRefused(claim);
        dispatched = true;
      };
      try {
        return await send(deps, input, dispatch, context.cancellationSignal);
      } catch (error) {
        if (error instanceof ClaimRefused) return takeEarlierSend(error.claim);
        throw chargeFailure(error, dispatched);
      } finally {
        clearInterval(beat);
      }
    },
  };
}

async function send(
  deps: ActivityDeps,
  input: ChargeInput,
  dispatch: () => Promise<void>,
  signal: AbortSignal,
): Promise<ChargeResult> {
  const charge = await openCharge(deps.pool, deps.vault, input.paymentId, input.attemptId);
  const client = deps.clientFor(input.provider, input.credentialsRef);
  const request = {
    paymentId: input.paymentId,
    attemptId: input.attemptId,
    idempotencyKey: `${input.paymentId}/${input.attemptId}/charge`,
    amount: money(input.amountMinor, input.currency),
    reference: charge.reference,
    description: charge.description ?? '',
    customer: charge.customer,
    paymentMethod: charge.paymentMethod,
    callbackUrl: deps.callbackUrl(input.provider, input.workflowId, charge.attemptOrdinal),
    timeoutMs: input.timeoutMs,
  };
  return await client.charge(request, { dispatch, signal });
}

/**
 * Claims the send. The same nonce may ask again: when the database went away at commit, only asking
 * tells whether the claim stands.
 */
async function claimDispatch(
  deps: ActivityDeps,
  { paymentId, attemptId, send }: ChargeInput,
  nonce: string,
): Promise<DispatchClaim> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await recordDispatch(deps.pool, { paymentId, attemptId, send, nonce });
    } catch (error) {
      if (tried >= CLAIM_TRIES) throw error;
      await sleep(CLAIM_PAUSE_MS * tried);
    }
  }
}

class ClaimRefused extends Error {
  readonly claim: DispatchClaim;

  constructor(claim: DispatchClaim) {
    super(`the dispatch was not claimed: ${claim.kind}`);
    this.claim = claim;
  }
}

/**
 * An earlier run of this send got to the provider, or may have. Its answer is taken when it was
 * written down; else nobody knows, and nothing is sent again.
 */
function takeEarlierSend(claim: DispatchClaim): ChargeResult {
  if (claim.kind === 'already_dispatched' && claim.providerPaymentId !== null) {
    return {
      kind: 'pending',
      providerPaymentId: claim.providerPaymentId,
      providerCode: null,
      message: 'an earlier run handed it over',
    };
  }
  const message =
    claim.kind === 'refused'
      ? 'the payment ended before it was sent'
      : 'an earlier run may have sent it, and its answer is lost';
  throw chargeFailure(new ProviderError('ambiguous', message), true);
}
