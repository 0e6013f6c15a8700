import { Context } from '@temporalio/activity';
import { ProviderError } from '../domain/error.ts';
import { type Currency, money } from '../domain/money.ts';
import type { LookupResult, ProviderClient } from '../domain/provider.ts';
import type { ActivityDeps } from './deps.ts';
import { sendFailure } from './failure.ts';

/** Capture and cancel of what the provider holds. */
export type SettlementInput = {
  readonly paymentId: string;
  readonly attemptId: string;
  readonly provider: string;
  readonly credentialsRef: string;
  readonly providerPaymentId: string;
  readonly amountMinor: number;
  readonly currency: Currency;
  readonly timeoutMs: number;
};

/**
 * Both are safe to run again: each has one key of its own, and a provider that has done it already
 * answers with what is. Throws by `failure.ts`.
 */
export function createSettlement(deps: ActivityDeps) {
  const settle = async (
    input: SettlementInput,
    step: 'capture' | 'cancel',
    call: (client: ProviderClient, key: string, signal: AbortSignal) => Promise<LookupResult>,
  ): Promise<LookupResult> => {
    const key = `${input.paymentId}/${input.attemptId}/${step}`;
    try {
      const client = await deps.clientFor(input.provider, input.credentialsRef);
      return await call(client, key, Context.current().cancellationSignal);
    } catch (error) {
      throw sendFailure(error, { dispatched: true, mayRepeat: true });
    }
  };
  return {
    capture: (input: SettlementInput): Promise<LookupResult> =>
      settle(input, 'capture', async (client, idempotencyKey, signal) => {
        const { providerPaymentId, timeoutMs } = input;
        const amount = money(input.amountMinor, input.currency);
        if (client.capture === undefined) throw unsupported(input.provider, 'captures');
        return await client.capture(
          { providerPaymentId, idempotencyKey, amount, timeoutMs },
          signal,
        );
      }),

    cancel: (input: SettlementInput): Promise<LookupResult> =>
      settle(input, 'cancel', async (client, idempotencyKey, signal) => {
        const { providerPaymentId, timeoutMs } = input;
        if (client.cancel === undefined) throw unsupported(input.provider, 'cancels');
        return await client.cancel({ providerPaymentId, idempotencyKey, timeoutMs }, signal);
      }),
  };
}

function unsupported(provider: string, what: string): ProviderError {
  return new ProviderError('misconfigured', `${provider} ${what} nothing`);
}
