import { Context } from '@temporalio/activity';
import { findSentAgoMs } from '../db/attempts.ts';
import { ProviderError } from '../domain/error.ts';
import { attemptReference } from '../domain/id.ts';
import { isMoney, isOutcome, type LookupResult } from '../domain/outcome.ts';
import { scheduleAt } from '../domain/policy.ts';
import type { ReceiptAnswer } from '../domain/receipt.ts';
import { isRefundOutcome, type RefundResult } from '../domain/refund.ts';
import { callWithCredentials } from './credentials.ts';
import type { ActivityDeps } from './deps.ts';
import { notYet } from './failure.ts';
import { countPoll } from './metrics.ts';
import { Turns } from './turns.ts';

export type LookupInput = {
  readonly paymentId: string;
  readonly workflowId: string;
  readonly attemptOrdinal: number;
  readonly provider: string;
  readonly credentialsRef: string;
  /** Null where the provider looks up by our reference of the attempt. */
  readonly providerPaymentId: string | null;
  readonly timeoutMs: number;
  /** Pause before the second question, the third …; the last one repeats. */
  readonly pollIntervalMs: readonly number[];
  /** Any answer ends it; only a question that was not answered is asked again. */
  readonly isOnce?: boolean;
  /** See the policy's `lookup.soft_codes`. */
  readonly softCodes?: readonly string[];
  readonly promptLifeMs?: number;
};
export type RefundLookupInput = {
  readonly workflowId: string;
  readonly provider: string;
  readonly credentialsRef: string;
  readonly providerPaymentId: string | null;
  readonly providerRefundId: string | null;
  readonly timeoutMs: number;
  readonly pollIntervalMs: readonly number[];
  /** As in `LookupInput`. */
  readonly isOnce?: boolean;
};
export type ReceiptInput = Omit<RefundLookupInput, 'isOnce' | 'providerRefundId'>;

/**
 * Of the calls to one provider that this process makes at once (worker/workers.ts), so many may be
 * questions: while a provider is slow to answer them, charges and captures find a place.
 */
const QUESTIONS_AT_ONCE = 40;
const NO_TURN_PAUSE_MS = 1_000;

/** Asks the provider for the outcome; "not yet" and "no answer" come back later, as retries. */
export function createLookup(
  deps: Pick<ActivityDeps, 'clientFor' | 'pool' | 'refundCallbackUrls'>,
) {
  const turns = new Turns(QUESTIONS_AT_ONCE);
  const ask = <R extends { readonly kind: string }>(
    input: Pick<LookupInput, 'provider' | 'pollIntervalMs'>,
    isDefinite: (answer: R) => boolean,
    question: (signal: AbortSignal) => Promise<R>,
  ) => askInTurn(turns, input, isDefinite, question);
  return {
    async lookup(input: LookupInput): Promise<LookupResult> {
      const { providerPaymentId, timeoutMs, workflowId, attemptOrdinal } = input;
      const attemptRef = attemptReference(workflowId, attemptOrdinal);
      const isEnough = input.isOnce === true ? () => true : isToldNow;
      return await ask(input, isEnough, async (signal) => {
        const answer = await callWithCredentials(deps, input, (client) =>
          client.lookup({ providerPaymentId, attemptRef, timeoutMs }, signal),
        );
        return (await isTooEarly(deps.pool, input, answer)) ? notYetSaid(answer) : answer;
      });
    },

    async lookupRefund(input: RefundLookupInput): Promise<RefundResult> {
      const isEnough = input.isOnce === true ? () => true : isRefundOutcome;
      return await ask(input, isEnough, (signal) =>
        callWithCredentials(deps, input, async (client) => {
          if (client.lookupRefund === undefined) {
            throw new ProviderError('unsent', `${input.provider} cannot be asked about refunds`);
          }
          const callbackUrls = deps.refundCallbackUrls(input.provider, input.workflowId);
          return await client.lookupRefund({ ...input, callbackUrls }, signal);
        }),
      );
    },

    /** Asks for the receipt that a refund needs; what only a person can mend is an answer. */
    async learnReceipt(input: ReceiptInput): Promise<ReceiptAnswer> {
      const always = () => true;
      return await ask<ReceiptAnswer>(input, always, async (signal) => {
        try {
          return await callWithCredentials<ReceiptAnswer>(deps, input, async (client) => {
            if (client.learnReceipt === undefined) {
              return { kind: 'unknown', providerCode: null, message: 'it cannot be asked' };
            }
            const callbackUrls = deps.refundCallbackUrls(input.provider, input.workflowId);
            return await client.learnReceipt({ ...input, callbackUrls }, signal);
          });
        } catch (error) {
          if (!(error instanceof ProviderError) || error.kind !== 'misconfigured') throw error;
          const { kind, providerCode, message } = error;
          return { kind, providerCode, message };
        }
      });
    },
  };
}

/** A result that nobody knows is no outcome, and asking on would hear the same: a person looks. */
function isToldNow(answer: LookupResult): boolean {
  return isOutcome(answer) || answer.unclear === 'unknown_result';
}

/** A status query may say that a prompt is over which still rings: the payer may pay after that. */
async function isTooEarly(
  pool: ActivityDeps['pool'],
  { workflowId, attemptOrdinal, softCodes = [], promptLifeMs = 0 }: LookupInput,
  answer: LookupResult,
): Promise<boolean> {
  const isSoft = answer.providerCode !== null && softCodes.includes(answer.providerCode);
  if (!isSoft || !isOutcome(answer) || isMoney(answer)) return false;
  const sentAgoMs = await findSentAgoMs(pool, { workflowId, attemptOrdinal });
  return sentAgoMs !== null && sentAgoMs < promptLifeMs;
}

function notYetSaid({ providerPaymentId, providerCode }: LookupResult): LookupResult {
  const message = `the status query says ${providerCode}, and the prompt may still ring`;
  return { kind: 'pending', providerPaymentId, providerCode, message };
}

async function askInTurn<R extends { readonly kind: string }>(
  turns: Turns,
  { provider, pollIntervalMs }: Pick<LookupInput, 'provider' | 'pollIntervalMs'>,
  isDefinite: (answer: R) => boolean,
  question: (signal: AbortSignal) => Promise<R>,
): Promise<R> {
  const { info, cancellationSignal } = Context.current();
  const nextMs = scheduleAt(pollIntervalMs, info.attempt - 1);
  try {
    const answer = await turns.take(provider, () => question(cancellationSignal));
    if (answer === null) throw notYet('many others are asked about first', NO_TURN_PAUSE_MS);
    countPoll(provider, answer.kind);
    if (isDefinite(answer)) return answer;
    const said = 'message' in answer ? String(answer.message) : '';
    throw notYet(`${answer.kind}: ${said}`, nextMs);
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    countPoll(provider, 'no_answer');
    throw notYet(error.message, Math.max(nextMs, error.retryAfterMs ?? 0));
  }
}
