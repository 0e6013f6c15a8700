import { Context } from '@temporalio/activity';
import { ProviderError } from '../domain/error.ts';
import { attemptReference } from '../domain/id.ts';
import { type Currency, money } from '../domain/money.ts';
import type { LookupResult } from '../domain/outcome.ts';
import type { ProviderClient } from '../domain/provider.ts';
import { callWithCredentials } from './credentials.ts';
import type { ActivityDeps } from './deps.ts';
import { sendFailure } from './failure.ts';

/** Capture and cancel of what the provider holds. */
export type CaptureInput = {
  readonly paymentId: string;
  readonly workflowId: string;
  readonly attemptOrdinal: number;
  readonly provider: string;
  readonly credentialsRef: string;
  readonly providerPaymentId: string;
  readonly amountMinor: number;
  readonly currency: Currency;
  readonly timeoutMs: number;
  /** Which key it goes by, where the first proved to have done nothing; absent for the first. */
  readonly ordinal?: number;
};

/**
 * Both are safe to run again: each has a key of its own, and a provider that has done it already
 * answers with what is. What fails in a later run proves nothing about the ones before. Throws by
 * `failure.ts`.
 */
export function createCaptureAndCancel(deps: Pick<ActivityDeps, 'clientFor' | 'pool'>) {
  const run = async (
    input: CaptureInput,
    step: 'capture' | 'cancel',
    call: (client: ProviderClient, key: string, signal: AbortSignal) => Promise<LookupResult>,
  ): Promise<LookupResult> => {
    const { info, cancellationSignal } = Context.current();
    const nth = input.ordinal === undefined ? '' : `/${input.ordinal}`;
    const key = `${attemptReference(input.workflowId, input.attemptOrdinal)}/${step}${nth}`;
    try {
      return await callWithCredentials(deps, input, (client) =>
        call(client, key, cancellationSignal),
      );
    } catch (error) {
      throw sendFailure(error, { dispatched: true, mayRepeat: true, isRepeat: info.attempt > 1 });
    }
  };
  return {
    capture: (input: CaptureInput): Promise<LookupResult> =>
      run(input, 'capture', async (client, idempotencyKey, signal) => {
        const { providerPaymentId, timeoutMs } = input;
        const amount = money(input.amountMinor, input.currency);
        if (client.capture === undefined) throw unsupported(input.provider, 'captures');
        return await client.capture(
          { providerPaymentId, idempotencyKey, amount, timeoutMs },
          signal,
        );
      }),

    cancel: (input: CaptureInput): Promise<LookupResult> =>
      run(input, 'cancel', async (client, idempotencyKey, signal) => {
        const { providerPaymentId, timeoutMs } = input;
        if (client.cancel === undefined) throw unsupported(input.provider, 'cancels');
        return await client.cancel({ providerPaymentId, idempotencyKey, timeoutMs }, signal);
      }),
  };
}

function unsupported(provider: string, what: string): ProviderError {
  return new ProviderError('misconfigured', `${provider} ${what} nothing`);
}
