import type { ApiDeps } from '../../api/deps.ts';
import { createTurns } from '../../api/payments/turns.ts';
import type { Policies } from '../../config/policies.ts';
import { dispatch, MERCHANT, storePayment } from '../factories.ts';
import { openTestApi, type TestApi } from './server.ts';

/**
 * All merchants share a provider's queue and its rate. Where Temporal lets them take turns a
 * merchant fills only its own part; where it does not, one would make all others wait.
 */
let api: TestApi;
let deps: ApiDeps;
const open = async (limits: Policies['api']['waiting_charges']) => {
  const policies = { waiting_charges: limits };
  api = await openTestApi({
    policies,
    adapt: (given) => {
      deps = given;
      return given;
    },
  });
};
beforeEach(() => open(LIMITS));
afterEach(() => api.close());

const PHONE = '+254712345678';
const MPESA = { provider: 'mpesa', amount: 15_000, currency: 'KES', customer: { phone: PHONE } };
const CARD = {
  provider: 'stripe',
  amount: 5_000,
  currency: 'USD',
  payment_method: 'pm_card_visa',
  return_url: null,
};
/** Of M-Pesa's ten calls a second. */
const MAX_UNFAIR = 50;
const MAX_FAIR = 80;
/** Also where a provider would take more: Stripe 25 a second. */
const MAX_OF_ALL = 100;
const LIMITS = {
  fairness: 'ask',
  fair_ms: 8_000,
  unfair_ms: 5_000,
  charges_max: MAX_OF_ALL,
} as const;

const pay = (body: object = MPESA, key?: string) =>
  api.send('POST', '/api/v1/payments', {
    body,
    ...(key === undefined ? {} : { headers: { 'idempotency-key': key } }),
  });
/** The watch asks Temporal anew. */
const setFairness = async (fairness: TestApi['engine']['fairness']) => {
  api.engine.fairness = fairness;
  await api.send('GET', '/api/v1/health');
};
/** So many more payments of the merchant wait for their turn, all alike. */
const fill = async (count: number, waitingFor: string | null = null) => {
  const { id } = await storePayment(api.pool);
  await api.database.queryAsOwner(
    `INSERT INTO payments SELECT (jsonb_populate_record(p, jsonb_build_object(
       'id', p.id || n, 'idempotency_key', 'copy-' || p.id || n, 'workflow_id', p.workflow_id || n,
       'waiting_for', $3::text))).*
     FROM payments p, generate_series(2, $2) n WHERE p.id = $1`,
    [id, count, waitingFor],
  );
  const first = 'UPDATE payments SET waiting_for = $2 WHERE id = $1';
  await api.database.queryAsOwner(first, [id, waitingFor]);
};
const countPayments = async () =>
  (await api.database.queryAsOwner('SELECT id FROM payments')).length;

test('without turns a merchant’s charges beyond five seconds of it are refused', async () => {
  await setFairness('off');
  const first = await pay(MPESA, 'first');
  expect(first.status).toBe(202);
  await fill(MAX_UNFAIR - 1);
  const stored = await countPayments();
  const startedBefore = api.engine.started.length;
  const refused = await pay();
  expect(refused).toMatchObject({ status: 429, body: { code: 'rate_limited', retryable: true } });
  expect(refused.body.detail).toContain('mpesa');
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect([await countPayments(), api.engine.started.length]).toEqual([stored, startedBefore]);
  // What is there already is answered as ever, and goes on.
  const again = await pay(MPESA, 'first');
  expect([again.status, again.body.id]).toEqual([202, first.body.id]);
  expect(again.headers.get('idempotency-replayed')).toBe('true');
  expect((await pay({ ...MPESA, amount: 20_000 }, 'first')).body.code).toBe(
    'idempotency_key_reused',
  );
});

test('neither other merchants nor other providers are refused for it', async () => {
  await setFairness('off');
  await fill(MAX_UNFAIR);
  expect((await pay()).status).toBe(429);
  expect((await pay(CARD)).status).toBe(202);
  const other = await api.openMerchant();
  expect((await other.send('POST', '/api/v1/payments', { body: MPESA })).status).toBe(202);
});

test('what was sent, or an operator holds, waits for no turn', async () => {
  await setFairness('off');
  const mine = await storePayment(api.pool);
  await fill(MAX_UNFAIR - 2);
  await fill(20, 'resume');
  expect((await pay()).status).toBe(202);
  expect((await pay()).status).toBe(429);
  await dispatch(api.pool, mine);
  expect((await pay()).status).toBe(202);
});

test.each([
  // table
  [
    'by turns a merchant may have more waiting, and yet no more than can be sent in time',
    'on',
    MAX_UNFAIR,
    MAX_FAIR,
  ],
  [
    'while Temporal is away nothing waits in its queues: payments are stored for later',
    'away',
    MAX_UNFAIR,
    MAX_FAIR,
  ],
  [
    'who does not say whether there are turns is taken to have none',
    'unknown',
    MAX_UNFAIR - 1,
    MAX_UNFAIR,
  ],
] as const)('%s', async (_what, fairness, taken, refused) => {
  await setFairness(fairness);
  await fill(taken);
  expect((await pay()).status).toBe(202);
  await fill(refused - taken - 1);
  expect((await pay()).status).toBe(429);
});

const QUEUED = { type: 'charge', attempt: 1, attemptsMax: null, lastError: null, nextTryAt: null };
const TURN = 'waits for its turn at mpesa, which takes 10 calls a second of all merchants together';
test.each([
  // table
  ['queued', `The charge ${TURN}; 2 payments of yours came before it.`],
  ['running', 'The payment is stored; its workflow is about to take it up.'],
] as const)('a charge that is %s says what it waits for', async (state, explanation) => {
  const { id: earlier } = await storePayment(api.pool);
  await storePayment(api.pool);
  const { id } = await storePayment(api.pool);
  const held = await storePayment(api.pool);
  await dispatch(api.pool, await storePayment(api.pool));
  api.engine.execution = {
    status: 'running',
    historyLength: 5,
    activities: [{ ...QUEUED, state }],
  };
  const { body } = await api.send('GET', `/api/v1/payments/${id}/execution`);
  expect(body).toMatchObject({ explanation, activities: [{ type: 'charge', state }] });
  if (state === 'running') return;
  const first = await api.send('GET', `/api/v1/payments/${earlier}/execution`);
  expect(first.body.explanation).toBe(`The charge ${TURN}; none of yours came before it.`);
  const paused = "UPDATE payments SET waiting_for = 'resume' WHERE id = $1";
  await api.database.queryAsOwner(paused, [held.id]);
  const { explanation: told } = (await api.send('GET', `/api/v1/payments/${held.id}/execution`))
    .body;
  expect(told).toContain('An operator paused it');
});

test('so does a question about what was sent', async () => {
  const payment = await storePayment(api.pool);
  await dispatch(api.pool, payment);
  const activities = [{ ...QUEUED, type: 'lookup', state: 'queued' as const }];
  api.engine.execution = { status: 'running', historyLength: 12, activities };
  const { body } = await api.send('GET', `/api/v1/payments/${payment.id}/execution`);
  expect(body.explanation).toBe(
    `The charge is on its way to the provider; its answer is awaited. The question ${TURN}.`,
  );
});

test('no merchant has more waiting than charges_max', async () => {
  await api.close();
  await open({ ...LIMITS, charges_max: 20 });
  await setFairness('on');
  await fill(19);
  expect((await pay()).status).toBe(202);
  expect((await pay()).status).toBe(429);
});

test('who comes while there is no room waits for a look, and as many as there is room for are let in', async () => {
  await setFairness('off');
  const sent = await Promise.all(Array.from({ length: 3 }, () => storePayment(api.pool)));
  await fill(MAX_UNFAIR - sent.length);
  const pause = Promise.withResolvers<void>();
  const asleep = Promise.withResolvers<void>();
  let pauses = 0;
  const turns = createTurns(deps, () => {
    pauses += 1;
    asleep.resolve();
    return pause.promise;
  });
  const ask = () =>
    turns.within({ merchantId: MERCHANT.id, provider: 'mpesa' }, async () => 'stored');
  const first = ask();
  await asleep.promise;
  const asked = [first, ...Array.from({ length: 9 }, ask)];
  for (const payment of sent) await dispatch(api.pool, payment);
  pause.resolve();
  const outcomes = (await Promise.allSettled(asked)).map(({ status }) => status);
  expect(outcomes).toEqual([...Array(3).fill('fulfilled'), ...Array(7).fill('rejected')]);
  expect(pauses).toBe(1);
});

test('many at once do not pass the limit together', async () => {
  await setFairness('off');
  await fill(MAX_UNFAIR - 5);
  const answers = await Promise.all(Array.from({ length: 40 }, () => pay()));
  const taken = answers.filter(({ status }) => status === 202).length;
  expect(answers.filter(({ status }) => status === 429)).toHaveLength(40 - taken);
  // What is being stored may count twice, on a slow machine; never the other way round.
  expect(taken).toBeGreaterThan(0);
  expect(taken).toBeLessThanOrEqual(5);
  expect(await countPayments()).toBe(MAX_UNFAIR - 5 + taken);
});
