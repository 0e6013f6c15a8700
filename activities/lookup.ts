import { Context } from '@temporalio/activity';
import { ProviderError } from '../domain/error.ts';
import { isOutcome, type LookupResult } from '../domain/outcome.ts';
import { scheduleAt } from '../domain/policy.ts';
import type { ReceiptAnswer } from '../domain/receipt.ts';
import { isRefundOutcome, type RefundResult } from '../domain/refund.ts';
import type { ActivityDeps } from './deps.ts';
import { notYet } from './failure.ts';
import { countPoll } from './metrics.ts';

export type LookupInput = {
  readonly paymentId: string;
  readonly attemptId?: string;
  readonly provider: string;
  readonly credentialsRef: string;
  /** Null where the provider looks up by our attempt's id. */
  readonly providerPaymentId: string | null;
  readonly timeoutMs: number;
  /** Pause before the second question, the third …; the last one repeats. */
  readonly everyMs: readonly number[];
};
export type RefundLookupInput = {
  readonly refundId: string;
  readonly workflowId: string;
  readonly provider: string;
  readonly credentialsRef: string;
  readonly providerPaymentId: string | null;
  readonly providerRefundId: string | null;
  readonly timeoutMs: number;
  readonly everyMs: readonly number[];
};
export type ReceiptInput = Omit<RefundLookupInput, 'providerRefundId'>;

/** Asks the provider for the outcome; "not yet" and "no answer" come back later, as retries. */
export function createLookup(deps: Pick<ActivityDeps, 'clientFor' | 'refundCallbackUrls'>) {
  return {
    async lookup(input: LookupInput): Promise<LookupResult> {
      const { providerPaymentId, timeoutMs, attemptId = '' } = input;
      const client = () => deps.clientFor(input.provider, input.credentialsRef);
      return await ask(input, isToldNow, async (signal) =>
        (await client()).lookup({ providerPaymentId, attemptId, timeoutMs }, signal),
      );
    },

    async lookupRefund(input: RefundLookupInput): Promise<RefundResult> {
      const client = () => deps.clientFor(input.provider, input.credentialsRef);
      return await ask(input, isRefundOutcome, async (signal) => {
        const provider = await client();
        if (provider.lookupRefund === undefined) {
          throw new ProviderError('unsent', `${input.provider} cannot be asked about refunds`);
        }
        const callbackUrls = deps.refundCallbackUrls(input.provider, input.workflowId);
        return await provider.lookupRefund({ ...input, callbackUrls }, signal);
      });
    },

    /** Asks for the receipt that a refund needs; what only a person can mend is an answer. */
    async learnReceipt(input: ReceiptInput): Promise<ReceiptAnswer> {
      const always = () => true;
      return await ask<ReceiptAnswer>(input, always, async (signal) => {
        try {
          const provider = await deps.clientFor(input.provider, input.credentialsRef);
          if (provider.learnReceipt === undefined) {
            return { kind: 'unknown', providerCode: null, message: 'it cannot be asked' };
          }
          const callbackUrls = deps.refundCallbackUrls(input.provider, input.workflowId);
          return await provider.learnReceipt({ ...input, callbackUrls }, signal);
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

async function ask<R extends { readonly kind: string }>(
  { provider, everyMs }: { readonly provider: string; readonly everyMs: readonly number[] },
  isDefinite: (answer: R) => boolean,
  question: (signal: AbortSignal) => Promise<R>,
): Promise<R> {
  const { info, cancellationSignal } = Context.current();
  const nextMs = scheduleAt(everyMs, info.attempt - 1);
  try {
    const answer = await question(cancellationSignal);
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
