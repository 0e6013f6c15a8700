import { makeApiKey } from '../../db/api-key.ts';
import { ensureApiKey } from '../../db/merchants.ts';
import { MERCHANT, storePaymentIn } from '../factories.ts';
import { makeStkCallback, stkPath } from './callbacks.ts';
import { openTestApi, type TestApi, type TestApiOptions } from './server.ts';

let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());
const reopen = async (options: TestApiOptions) => {
  await api.close();
  api = await openTestApi(options);
};

const LIST = '/api/v1/payments';

test('each answer tells where the caller stands', async () => {
  const first = await api.send('GET', LIST);
  expect(first.headers.get('ratelimit-policy')).toBe('"merchant";q=1000;w=10');
  expect(first.headers.get('ratelimit')).toMatch(/^"merchant";r=999;t=\d+$/);
  const second = await api.send('GET', LIST);
  expect(second.headers.get('ratelimit')).toMatch(/^"merchant";r=998;t=\d+$/);
});

test('a merchant has one limit whichever key is sent, and another merchant its own', async () => {
  await reopen({ rateLimits: { merchant: { requests: 3, per_ms: 60_000 } } });
  const other = await api.openMerchant();
  const apiKey = makeApiKey('test');
  await ensureApiKey(api.pool, { merchantId: MERCHANT.id, apiKey });
  const headers = { authorization: `Bearer ${apiKey}` };
  const withSecondKey = () => api.send('GET', LIST, { headers });
  await api.send('GET', LIST);
  expect((await withSecondKey()).headers.get('ratelimit')).toMatch(/^"merchant";r=1;t=\d+$/);
  await api.send('GET', LIST);
  const answer = await withSecondKey();
  expect(answer).toMatchObject({ status: 429, body: { code: 'rate_limited', retryable: true } });
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await other.send('GET', LIST)).status).toBe(200);
});

test('guessing keys is stopped by address; a good key from there still opens', async () => {
  const guess = (from: string) =>
    api.send('GET', LIST, {
      headers: { authorization: `Bearer ${makeApiKey('test')}`, 'x-forwarded-for': from },
    });
  const statuses: number[] = [];
  for (let tries = 0; tries < 102; tries += 1) statuses.push((await guess('203.0.113.7')).status);
  expect(statuses.filter((status) => status === 401)).toHaveLength(100);
  expect(statuses.at(-1)).toBe(429);
  expect((await guess('203.0.113.8')).status).toBe(401);
  const headers = { 'x-forwarded-for': '203.0.113.7' };
  expect((await api.send('GET', LIST, { headers })).status).toBe(200);
});

test.each([
  // table
  [0, ''],
  [1, ', 203.0.113.7'],
  [2, ', 203.0.113.7, 10.0.0.1'],
] as const)(
  'behind %i proxies of ours, what a caller writes before their word does not count',
  async (trustedProxies, added) => {
    await reopen({ trustedProxies, rateLimits: { refused: { requests: 5, per_ms: 60_000 } } });
    const guess = (forged: string) =>
      api.send('GET', LIST, {
        headers: {
          authorization: 'Bearer nothing-good',
          'x-forwarded-for': `${forged}${added}`,
          forwarded: `for=${forged}`,
          'x-real-ip': forged,
          'x-client-ip': forged,
          'true-client-ip': forged,
          'cf-connecting-ip': forged,
        },
      });
    const statuses: number[] = [];
    for (let tries = 0; tries < 6; tries += 1) {
      statuses.push((await guess(`10.0.1.${tries}, 10.0.2.${tries}`)).status);
    }
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429]);
  },
);

describe('all requests of one address', () => {
  const from = (address: string, path = '/problems/not_found') =>
    api.send('GET', path, { headers: { 'x-forwarded-for': address } });

  beforeEach(() =>
    reopen({
      rateLimits: {
        address: { requests: 4, per_ms: 60_000 },
        health: { requests: 2, per_ms: 60_000 },
      },
    }),
  );

  test.each([
    ['203.0.113.1', '203.0.113.1', 429],
    ['::ffff:203.0.113.1', '203.0.113.1', 429],
    ['2001:db8:0:1::1', '2001:db8:0:1:ffff::1', 429],
    ['203.0.113.1', '203.0.113.2', 200],
    ['2001:db8:0:1::1', '2001:db8:0:2::1', 200],
    ['::ffff:203.0.113.1', '::ffff:203.0.113.2', 200],
  ])(
    'are counted, with a key or without: after those of %s one of %s answers %i',
    async (first, second, status) => {
      for (let sent = 0; sent < 4; sent += 1) expect((await from(first)).status).toBe(200);
      const answer = await from(second);
      expect(answer.status).toBe(status);
      if (status === 429) {
        expect(answer.body).toMatchObject({ code: 'rate_limited', retryable: true });
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      }
    },
  );

  test('but for providers’ callbacks', async () => {
    const payment = await storePaymentIn(api.pool, 'processing');
    for (let sent = 0; sent < 5; sent += 1) await from('203.0.113.1');
    expect((await from('203.0.113.1', LIST)).status).toBe(429);
    const answer = await api.send('POST', stkPath(api, payment), {
      body: makeStkCallback(),
      headers: { 'x-forwarded-for': '203.0.113.1' },
    });
    expect(answer.status).toBe(200);
  });

  test('are fewer where each asks the database for nothing', async () => {
    const paths = ['/readyz', '/api/v1/health', '/readyz', '/livez'];
    const statuses: number[] = [];
    for (const path of paths) statuses.push((await from('203.0.113.1', path)).status);
    expect(statuses).toEqual([200, 200, 429, 200]);
  });

  test('are counted while the database is away', async () => {
    await api.cutDatabase();
    const statuses: number[] = [];
    for (let sent = 0; sent < 5; sent += 1) {
      statuses.push((await from('203.0.113.1', '/livez')).status);
    }
    expect(statuses).toEqual([200, 200, 200, 200, 429]);
  });
});

test('with the database away each process counts for itself', async () => {
  await api.cutDatabase();
  const answer = await api.send('GET', LIST, { headers: { authorization: 'Bearer nothing-good' } });
  expect(answer.status).toBe(401);
  expect(answer.headers.get('ratelimit')).toContain('r=99');
});

test('pages of listed origins may call from a browser, others get no leave', async () => {
  const from = (origin: string, method = 'GET') =>
    api.send(method, LIST, {
      headers: { origin, 'access-control-request-method': 'POST' },
    });
  const known = await from('https://shop.example.test');
  expect(known.headers.get('access-control-allow-origin')).toBe('https://shop.example.test');
  const exposed = known.headers.get('access-control-expose-headers')?.split(',') ?? [];
  expect(exposed).toContain('X-Request-Id');
  expect(exposed).toEqual(expect.arrayContaining(['RateLimit', 'RateLimit-Policy']));
  const preflight = await from('https://shop.example.test', 'OPTIONS');
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get('access-control-allow-headers')).toContain('Idempotency-Key');
  for (const origin of ['https://evil.example.test', 'null', 'https://shop.example.test.evil']) {
    expect((await from(origin)).headers.get('access-control-allow-origin')).toBeNull();
  }
});

test('every answer carries the headers that keep browsers careful', async () => {
  for (const path of ['/livez', LIST, '/nothing']) {
    const { headers } = await api.send('GET', path);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('strict-transport-security')).toContain('max-age');
    expect(headers.get('x-powered-by')).toBeNull();
  }
});
