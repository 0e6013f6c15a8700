import { Context } from '@temporalio/activity';
import { ProviderError } from '../domain/error.ts';
import { attemptReference } from '../domain/id.ts';
import { isOutcome, type LookupResult } from '../domain/outcome.ts';
import { scheduleAt } from '../domain/policy.ts';
import type { ReceiptAnswer } from '../domain/receipt.ts';
import { isRefundOutcome, type RefundResult } from '../domain/refund.ts';
import { callWithCredentials } from './credentials.ts';
import type { ActivityDeps } from './deps.ts';
import { notYet } from './failure.ts';
import { countPoll } from './metrics.ts';

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
export function createLookup(
  deps: Pick<ActivityDeps, 'clientFor' | 'pool' | 'refundCallbackUrls'>,
) {
  return {
    async lookup(input: LookupInput): Promise<LookupResult> {
      const { providerPaymentId, timeoutMs, workflowId, attemptOrdinal } = input;
      const attemptRef = attemptReference(workflowId, attemptOrdinal);
      return await ask(input, isOutcome, (signal) =>
        callWithCredentials(deps, input, (client) =>
          client.lookup({ providerPaymentId, attemptRef, timeoutMs }, signal),
        ),
      );
    },

    async lookupRefund(input: RefundLookupInput): Promise<RefundResult> {
      return await ask(input, isRefundOutcome, (signal) =>
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
