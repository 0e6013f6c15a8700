import { Context } from '@temporalio/activity';
import { ProviderError } from '../domain/error.ts';
import { scheduleAt } from '../domain/policy.ts';
import { isOutcome, type LookupResult } from '../domain/provider.ts';
import { notYet } from './failure.ts';
import type { ActivityDeps } from './index.ts';

export type LookupInput = {
  readonly paymentId: string;
  readonly provider: string;
  readonly credentialsRef: string;
  readonly providerPaymentId: string;
  readonly timeoutMs: number;
  /** Pause before the second question, the third …; the last one repeats. */
  readonly everyMs: readonly number[];
};

/** Asks the provider for the outcome; "not yet" and "no answer" come back later, as retries. */
export function createLookup(deps: ActivityDeps) {
  return {
    async lookup(input: LookupInput): Promise<LookupResult> {
      const { info, cancellationSignal } = Context.current();
      const nextMs = scheduleAt(input.everyMs, info.attempt - 1);
      const client = deps.clientFor(input.provider, input.credentialsRef);
      const { providerPaymentId, timeoutMs } = input;
      try {
        const answer = await client.lookup({ providerPaymentId, timeoutMs }, cancellationSignal);
        if (isOutcome(answer)) return answer;
        throw notYet(`${answer.kind}: ${answer.message}`, nextMs);
      } catch (error) {
        if (!(error instanceof ProviderError)) throw error;
        throw notYet(error.message, Math.max(nextMs, error.retryAfterMs ?? 0));
      }
    },
  };
}
