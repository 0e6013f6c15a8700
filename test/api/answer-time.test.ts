import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { answerTimeOf } from '../../api/answer-time.ts';
import type { ApiDeps } from '../../api/deps.ts';
import { createLog } from '../../config/log.ts';
import { readPolicies } from '../../config/policies.ts';
import type { Pool } from '../../db/pool.ts';
import { paymentInput } from '../../domain/inputs.ts';
import { capabilitiesOf, POLICY_DEFAULTS } from '../../providers/index.ts';
import { pickPort } from '../../sandbox/ports.ts';
import { createEngine } from '../../temporal/engine.ts';
import { storePaymentIn } from '../factories.ts';
import { openTestApi, type TestApi } from './server.ts';

/** A POST is answered within the figure that the reference tells, whatever is away. */
let api: TestApi;
/** What the database does before it does what it is asked. */
let beforeQuery: (sql: string) => Promise<void>;
let start_wait_ms: number;
const hold = (pool: Pool): Pool => ({
  ...pool,
  maybeOne: async (query) => {
    await beforeQuery(query.sql);
    return await pool.maybeOne(query);
  },
});
beforeAll(async () => {
  api = await openTestApi({
    adapt: (deps) => ({
      ...deps,
      pool: hold(deps.pool),
      get policies() {
        return withWait(deps.policies, start_wait_ms);
      },
    }),
  });
});
beforeEach(() => {
  beforeQuery = () => Promise.resolve();
  start_wait_ms = 30_000;
  api.engine.reset();
});
afterAll(() => api?.close());

const withWait = (policies: ApiDeps['policies'], ms: number): ApiDeps['policies'] => ({
  ...policies,
  api: { ...policies.api, start_wait_ms: ms },
});
const BODY = {
  provider: 'mpesa',
  amount: 10_000,
  currency: 'KES',
  customer: { phone: '0712345678' },
};
const pay = (headers: Record<string, string> = {}) =>
  api.send('POST', '/api/v1/payments', { body: BODY, headers });
const refund = async (headers: Record<string, string> = {}) => {
  const ofCPay = { provider: 'cpay', credentialsRef: 'env:cpay' };
  const { id } = await storePaymentIn(api.pool, 'succeeded', ofCPay);
  return await api.send('POST', `/api/v1/payments/${id}/refunds`, { body: {}, headers });
};
const WAYS = { pay, refund };

describe.each(['pay', 'refund'] as const)('%s', (way) => {
  test('leaves the rest of the figure to the workflow, less what the answer takes', async () => {
    const answer = await WAYS[way]();
    expect([answer.status, answer.headers.get('preference-applied')]).toEqual([202, null]);
    expect(api.engine.waits).toHaveLength(1);
    expect(api.engine.waits[0]).toBeLessThanOrEqual(29_500);
    expect(api.engine.waits[0]).toBeGreaterThan(0);
  });

  test('waits no longer than is preferred, and says so', async () => {
    const answer = await WAYS[way]({ prefer: 'wait=20' });
    expect([answer.status, answer.headers.get('preference-applied')]).toEqual([202, 'wait=20']);
    expect(api.engine.waits[0]).toBeLessThanOrEqual(19_500);
    expect(api.engine.waits[0]).toBeGreaterThan(0);
  });

  test('starts the workflow and does not wait when asked to respond at once', async () => {
    const answer = await WAYS[way]({ prefer: 'respond-async' });
    expect(answer.status).toBe(202);
    expect(answer.headers.get('preference-applied')).toBe('respond-async');
    expect(api.engine.waits).toEqual([0]);
  });

  test('counts what the database took', async () => {
    beforeQuery = async () => {
      await sleep(100);
    };
    await WAYS[way]();
    expect(api.engine.waits[0]).toBeLessThan(29_500 - 99);
  });

  test('is told to come again when the database takes longer than the figure', async () => {
    start_wait_ms = 250;
    const held = Promise.withResolvers<void>();
    beforeQuery = (sql) => (/FROM api_keys/.test(sql) ? Promise.resolve() : held.promise);
    const answer = await WAYS[way]();
    held.resolve();
    expect(answer).toMatchObject({ status: 503, body: { code: 'temporarily_unavailable' } });
    expect(answer.body.detail).toContain('same Idempotency-Key');
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
  });
});

test('a payment is answered as it was stored when it cannot be read again in time', async () => {
  start_wait_ms = 1_000;
  const held = Promise.withResolvers<void>();
  api.engine.takePayment = () => {
    beforeQuery = () => held.promise;
    return Promise.resolve(true);
  };
  const answer = await pay();
  held.resolve();
  expect(answer).toMatchObject({ status: 202, body: { status: 'created' } });
});

// biome-ignore format: table, one header per line
const HEADERS = [
  [undefined, 7_500, undefined],
  ['wait=1', 900, 'wait=1'],
  ['wait=2', 1_800, 'wait=2'],
  ['wait=6', 5_500, 'wait=6'],
  ['wait=0', 0, 'wait=0'],
  ['wait=60', 7_500, 'wait=60'],
  ['wait="1"', 900, 'wait=1'],
  ['WAIT=1', 900, 'wait=1'],
  ['wait = 1', 900, 'wait=1'],
  ['return=minimal, wait=1; x=y', 900, 'wait=1'],
  ['handling=lenient; wait=3, wait=1', 900, 'wait=1'],
  ['wait=1, wait=0', 900, 'wait=1'],
  ['respond-async', 0, 'respond-async'],
  ['Respond-Async, wait=1', 900, 'respond-async, wait=1'],
  ['wait=1, respond-async', 900, 'respond-async, wait=1'],
  // What is malformed is ignored.
  ['wait', 7_500, undefined],
  ['wait=', 7_500, undefined],
  ['wait=-1', 7_500, undefined],
  ['wait=1.5', 7_500, undefined],
  ['wait=1s', 7_500, undefined],
  ['wait=9999999999', 7_500, undefined],
  ['wait=1 0', 7_500, undefined],
  ['respond-async=yes', 7_500, undefined],
  [', ,', 7_500, undefined],
  ['return=minimal', 7_500, undefined],
] as const;
test.each(HEADERS)('Prefer: %s waits %d ms at most', (prefer, waitMs, applied) => {
  const policies = withWait(readPolicies(POLICY_DEFAULTS, null), 8_000);
  const headers = prefer === undefined ? {} : { prefer };
  let nowMs = 1_000;
  const time = answerTimeOf({ policies }, { arrivedMs: 1_000, headers }, () => nowMs);
  expect(time.waitMs()).toBe(waitMs);
  nowMs += 700;
  expect(time.waitMs()).toBe(Math.max(0, waitMs - 700));
  expect(time.headers['Preference-Applied']).toBe(applied);
});

test('a Temporal that is away costs no more than the wait, pauses included', async () => {
  const { port } = await pickPort(0);
  const connection = Connection.lazy({ address: `127.0.0.1:${port}` });
  const log = createLog('test', 'silent');
  const engine = createEngine(new Client({ connection }), connection, null, log, 2_000);
  const payment = await storePaymentIn(api.pool, 'created');
  // The client pauses longer each time, past the deadline too. Timers of one process fire in their
  // order, however slow it is.
  const starting = engine.startPayment(paymentInput(payment, capabilitiesOf), 2_000);
  const late = sleep(2_050, 'late');
  expect(await Promise.race([starting, late])).toBe(false);
  await engine.untilIdle();
  await connection.close();
});
