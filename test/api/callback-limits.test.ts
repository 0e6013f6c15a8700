import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '../../db/ids.ts';
import { storePaymentIn } from '../factories.ts';
import { until } from '../until.ts';
import { listStored, makeStkCallback, makeStripeEvent, sign, stkPath } from './callbacks.ts';
import { countWaiting } from './locks.ts';
import { openTestApi, SECRETS, type TestApi, type TestApiOptions } from './server.ts';

/** Callbacks come in whatever merchants do; forged ones cost little, and nobody else anything. */
let api: TestApi;
afterEach(() => api.close());
const start = async (options: TestApiOptions = {}) => {
  api = await openTestApi(options);
};

const [, SECRET] = SECRETS.stripe;
const call = (secret: string, from: string, under = '') => {
  const sending = sign('stripe', makeStripeEvent(newId('event'), 'order-of-another-shop'), secret);
  const headers = { ...sending.headers, 'x-forwarded-for': from };
  return api.send('POST', `/api/v1/webhooks/stripe${under}`, { ...sending, headers });
};
const configure = async (api_: Pick<TestApi, 'send'>, secret: string) => {
  const { body } = await api_.send('PUT', '/api/v1/provider-configs/stripe', {
    body: {
      environment: 'simulator',
      credentials: {
        base_url: 'http://127.0.0.1:1',
        webhook_secrets: secret,
        secret_key: 'sk_test_ofOneMerchant',
      },
    },
  });
  return `/${body.id}`;
};
const FORGER = '203.0.113.1';

test('who forges too often is not even checked, for a while', async () => {
  await start({ rateLimits: { forged: { requests: 3, per_ms: 60_000 } } });
  for (let tries = 0; tries < 4; tries += 1) {
    expect((await call('whsec_forged', FORGER)).status).toBe(401);
  }
  const refused = await call('whsec_forged', FORGER);
  expect(refused).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await call(SECRET, FORGER)).status).toBe(429);
  expect(await listStored(api)).toEqual([]);
  expect((await call(SECRET, '203.0.113.2')).status).toBe(200);
  expect(await listStored(api)).toHaveLength(1);
});

test('genuine ones are never limited', async () => {
  const one = { requests: 1, per_ms: 60_000 };
  await start({ rateLimits: { forged: one, forged_address: one, address: one, refused: one } });
  const payment = await storePaymentIn(api.pool, 'processing');
  for (let sent = 0; sent < 10; sent += 1) {
    expect((await call(SECRET, FORGER)).status).toBe(200);
    const body = makeStkCallback({ receipt: `UJ7A1B2C3${sent}` });
    expect((await api.send('POST', stkPath(api, payment), { body })).status).toBe(200);
  }
});

/** What nobody can have been told: 404, or 405 by another method. */
const UNKNOWN = [
  ['no channel', 'POST', '/api/v1/webhooks/nobody'],
  ['no token', 'POST', `/api/v1/webhooks/stk/${'0'.repeat(66)}`],
  ['no configuration', 'POST', '/api/v1/webhooks/stripe/pcf_none'],
  ['no route', 'POST', '/api/v1/webhooks/stk/a/b/c'],
  ['no method', 'GET', '/api/v1/webhooks/stk'],
] as const;

// table
test.each(UNKNOWN)('an address that finds %s too often waits', async (_what, method, path) => {
  await start({ rateLimits: { unknown_callback: { requests: 2, per_ms: 60_000 } } });
  const headers = { 'x-forwarded-for': FORGER };
  const statuses: number[] = [];
  const sending = method === 'GET' ? { headers } : { headers, body: '' };
  for (let sent = 0; sent < 3; sent += 1) {
    statuses.push((await api.send(method, path, sending)).status);
  }
  const unknown = method === 'GET' ? 405 : 404;
  expect(statuses).toEqual([unknown, unknown, 429]);
  const refused = await api.send(method, path, sending);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  // Whoever shares the address with the provider shuts out nothing genuine.
  expect((await call(SECRET, FORGER)).status).toBe(200);
  const payment = await storePaymentIn(api.pool, 'processing');
  const genuine = { body: makeStkCallback(), headers };
  expect((await api.send('POST', stkPath(api, payment), genuine)).status).toBe(200);
});

test('a merchant whose secret is wrong shuts out nobody else of that provider', async () => {
  await start({ rateLimits: { forged: { requests: 3, per_ms: 60_000 } } });
  const wrong = await configure(api, 'whsec_thatIsWrong');
  const right = await configure(await api.openMerchant(), 'whsec_thatIsRight');
  for (let sent = 0; sent < 10; sent += 1) await call('whsec_ofTheAccount', FORGER, wrong);
  expect((await call('whsec_ofTheAccount', FORGER, wrong)).status).toBe(429);
  expect((await call('whsec_thatIsRight', FORGER, right)).status).toBe(200);
  expect((await call(SECRET, FORGER)).status).toBe(200);
});

test('who forges for ever new configurations is stopped by its address', async () => {
  await start({ rateLimits: { forged_address: { requests: 5, per_ms: 60_000 } } });
  const statuses: number[] = [];
  for (let tries = 0; tries < 7; tries += 1) {
    statuses.push((await call('whsec_forged', FORGER, `/${newId('provider_config')}`)).status);
  }
  expect(statuses).toEqual([401, 401, 401, 401, 401, 401, 429]);
  expect((await call(SECRET, '203.0.113.2')).status).toBe(200);
});

test('with all of the merchants’ connections taken they are answered all the same', async () => {
  await start();
  const payment = await storePaymentIn(api.pool, 'processing');
  await api.database.queryAsOwner('BEGIN; LOCK TABLE api_keys');
  const asked = Array.from({ length: 40 }, () => api.send('GET', '/api/v1/payments'));
  // The pool of the test's API holds ten.
  await until(async () => (await countWaiting(api)) === 10);
  const answers = await Promise.race([
    Promise.all([
      api.send('POST', stkPath(api, payment), { body: makeStkCallback() }),
      call(SECRET, FORGER),
    ]),
    sleep(8_000, null, { ref: false }),
  ]);
  expect(answers?.map(({ status }) => status)).toEqual([200, 200]);
  expect(await countWaiting(api)).toBe(10);
  await api.database.queryAsOwner('ROLLBACK');
  expect((await Promise.all(asked)).every(({ status }) => status === 200)).toBe(true);
});
