import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { type CaptureInput, createCaptureAndCancel } from '../../activities/capture-cancel.ts';
import { ProviderError, type ProviderErrorKind } from '../../domain/error.ts';
import type { CaptureRequest, ProviderClient } from '../../domain/provider.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { makeOutcome } from '../factories.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

const INPUT: CaptureInput = {
  paymentId: 'pay_1',
  workflowId: 'payment-1',
  attemptOrdinal: 2,
  provider: 'stripe',
  credentialsRef: 'env:stripe',
  providerPaymentId: 'pi_1',
  amountMinor: 4_000,
  currency: 'KES',
  timeoutMs: 1_000,
};

/** One run of a capture, of which Temporal says that it is the n-th. */
async function capture(attempt: number, fails: ProviderErrorKind | null, input = INPUT) {
  const asked: CaptureRequest[] = [];
  const client = {
    charge: () => Promise.reject(new ProviderError('unsent', 'not here')),
    lookup: () => Promise.reject(new ProviderError('unsent', 'not here')),
    async capture(request) {
      asked.push(request);
      await Promise.resolve();
      if (fails !== null) throw new ProviderError(fails, fails);
      return makeOutcome('succeeded');
    },
    close: () => Promise.resolve(),
  } satisfies ProviderClient;
  const { capture: run } = createCaptureAndCancel({
    pool: database.pool,
    clientFor: () => Promise.resolve(client),
  });
  const quiet = { logger: new DefaultLogger('ERROR') };
  const answer = await new MockActivityEnvironment({ attempt }, quiet)
    .run(run, input)
    .catch((error: unknown) => error);
  return { answer, key: asked[0]?.idempotencyKey };
}

test.each([
  ['the first', undefined, 'payment-1/2/capture'],
  ['another', 2, 'payment-1/2/capture/2'],
])('%s key is made of the attempt and its ordinal', async (_which, ordinal, key) => {
  const input = ordinal === undefined ? INPUT : { ...INPUT, ordinal };
  expect((await capture(1, null, input)).key).toBe(key);
});

test.each([
  // table
  [1, 'unsent', 'unsent'],
  [1, 'misconfigured', 'misconfigured'],
  [1, 'ambiguous', 'ambiguous'],
  [2, 'unsent', 'ambiguous'],
  [2, 'rate_limited', 'ambiguous'],
  [2, 'misconfigured', 'ambiguous'],
] as const)(
  'in run %i, %s is %s: a later run proves nothing of the ones before',
  async (...row) => {
    const [attempt, fails, kind] = row;
    const { answer } = await capture(attempt, fails);
    if (!(answer instanceof ApplicationFailure)) throw new Error('it did not fail');
    expect(answer.type).toBe(kind);
    expect(answer.nonRetryable).toBe(kind !== 'ambiguous');
  },
);
