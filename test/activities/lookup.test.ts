import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createLookup, type LookupInput } from '../../activities/lookup.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import type { LookupResult } from '../../domain/outcome.ts';
import type { ProviderClient } from '../../domain/provider.ts';
import { policy } from '../../providers/mpesa/policy.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { dispatch, MERCHANT, makeInconclusive, makeOutcome, storePayment } from '../factories.ts';

/** Which answers of a status query count, and how many questions are asked at once. */
let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
  await ensureMerchant(database.pool, MERCHANT);
});
afterAll(() => database.close());

const UNREACHABLE = makeOutcome('declined', {
  failure: { code: 'payer_unreachable', message: 'no answer', providerCode: '1037' },
  providerCode: '1037',
});
const quiet = { logger: new DefaultLogger('ERROR') };

function openLookup(lookup: ProviderClient['lookup']) {
  const refuse = () => Promise.reject(new Error('not asked here'));
  const client: ProviderClient = { charge: refuse, lookup, close: () => Promise.resolve() };
  const clientFor = () => Promise.resolve(client);
  return createLookup({ pool: database.pool, clientFor, refundCallbackUrls: () => ({}) });
}

/** A question about a prompt that was dispatched so long ago. */
async function askAfter(seconds: number, answer: LookupResult, changes: Partial<LookupInput> = {}) {
  const payment = await storePayment(database.pool);
  await dispatch(database.pool, payment);
  await database.queryAsOwner(
    `UPDATE attempts SET dispatched_at = now() - $2 * interval '1 second' WHERE id = $1`,
    [payment.attemptId, seconds],
  );
  const { soft_codes, prompt_life_ms, timeout_ms, poll_interval_ms } = policy.lookup;
  const input: LookupInput = {
    paymentId: payment.id,
    workflowId: payment.workflowId,
    attemptOrdinal: payment.attemptOrdinal,
    provider: 'mpesa',
    credentialsRef: 'env:mpesa',
    providerPaymentId: 'ws_CO_1',
    timeoutMs: timeout_ms,
    pollIntervalMs: poll_interval_ms,
    softCodes: soft_codes ?? [],
    promptLifeMs: prompt_life_ms ?? 0,
    ...changes,
  };
  const activities = openLookup(() => Promise.resolve(answer));
  return await new MockActivityEnvironment({}, quiet)
    .run(() => activities.lookup(input))
    .catch((error: unknown) => error);
}

const NOT_YET = { type: 'not_yet', nonRetryable: false };

// table
it.each([
  ['a soft code while the prompt may ring', 14, UNREACHABLE, {}, NOT_YET],
  ['a soft code after the prompt’s life', 121, UNREACHABLE, {}, UNREACHABLE],
  ['a soft code that the policy does not name', 14, UNREACHABLE, { softCodes: [] }, UNREACHABLE],
  ['another code', 14, makeOutcome('declined'), {}, makeOutcome('declined')],
  ['money', 14, makeOutcome('succeeded'), { softCodes: ['0'] }, makeOutcome('succeeded')],
  ['nothing definite', 121, makeInconclusive('pending'), {}, NOT_YET],
] as const)('%s, %i s after the dispatch', async (_what, seconds, answer, changes, expected) => {
  const said = await askAfter(seconds, answer, changes);
  expect(said instanceof ApplicationFailure).toBe(expected === NOT_YET);
  expect(said).toMatchObject(expected);
});

it('says why a soft code is not taken yet', async () => {
  const { message } = Object(await askAfter(14, UNREACHABLE));
  expect(message).toBe('pending: the status query says 1037, and the prompt may still ring');
});

it('leaves a place to charges while a provider is slow to answer questions', async () => {
  const answer = Promise.withResolvers<LookupResult>();
  let asked = 0;
  const activities = openLookup(() => {
    asked += 1;
    return answer.promise;
  });
  const input: LookupInput = {
    paymentId: 'pay_1',
    workflowId: 'payment-1',
    attemptOrdinal: 1,
    provider: 'mpesa',
    credentialsRef: 'env:mpesa',
    providerPaymentId: 'ws_CO_1',
    timeoutMs: 1_000,
    pollIntervalMs: [15_000],
  };
  const asking = Array.from({ length: 50 }, () =>
    new MockActivityEnvironment({}, quiet).run(() => activities.lookup(input)),
  );
  const refused = asking.slice(40).map((each) => expect(each).rejects.toMatchObject(NOT_YET));
  await Promise.all(refused);
  expect(asked).toBe(40);
  answer.resolve(makeOutcome('succeeded'));
  expect(await Promise.all(asking.slice(0, 40))).toHaveLength(40);
});
