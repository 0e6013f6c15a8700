import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createLookup } from '../../activities/lookup.ts';
import { ProviderError, type ProviderErrorKind } from '../../domain/error.ts';
import type { ProviderClient } from '../../domain/provider.ts';
import type { ReceiptAnswer } from '../../domain/receipt.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

/** What an activity makes of the ways in which a receipt is asked for. */
const INPUT = {
  workflowId: 'refund-1',
  provider: 'mpesa',
  credentialsRef: 'env:mpesa',
  providerPaymentId: 'ws_CO_1',
  timeoutMs: 1_000,
  pollIntervalMs: [15_000, 60_000],
};

function learnFrom(learnReceipt: ProviderClient['learnReceipt']): Promise<ReceiptAnswer> {
  const refuse = () => Promise.reject(new Error('not asked here'));
  const client: ProviderClient = {
    charge: refuse,
    lookup: refuse,
    close: () => Promise.resolve(),
    ...(learnReceipt && { learnReceipt }),
  };
  const activities = createLookup({
    pool: database.pool,
    clientFor: () => Promise.resolve(client),
    refundCallbackUrls: () => ({ rcp: 'http://127.0.0.1:1/rcp' }),
  });
  return new MockActivityEnvironment().run(() => activities.learnReceipt(INPUT));
}
const throws = (kind: ProviderErrorKind) => () => Promise.reject(new ProviderError(kind, kind));

it('passes on what the provider says, asked with the refund’s own addresses', async () => {
  const said: ReceiptAnswer = { kind: 'unknown', providerCode: '1', message: 'none' };
  const answer = await learnFrom((request) => {
    expect(request).toMatchObject({
      providerPaymentId: 'ws_CO_1',
      callbackUrls: { rcp: 'http://127.0.0.1:1/rcp' },
    });
    return Promise.resolve(said);
  });
  expect(answer).toEqual(said);
});

it('answers for a provider that cannot be asked', async () => {
  expect(await learnFrom(undefined)).toMatchObject({ kind: 'unknown' });
});

it('does not ask again what only a person can mend', async () => {
  expect(await learnFrom(throws('misconfigured'))).toMatchObject({ kind: 'misconfigured' });
});

it.each(['unsent', 'rate_limited', 'ambiguous'] as const)(
  'asks again, by the policy, after a question that was %s',
  async (kind) => {
    const error = await learnFrom(throws(kind)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ApplicationFailure);
    expect(error).toMatchObject({ nonRetryable: false, nextRetryDelay: 15_000 });
  },
);
