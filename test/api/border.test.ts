import { makeApiKey } from '../../db/api-key.ts';
import { ensureApiKey } from '../../db/merchants.ts';
import { MERCHANT } from '../factories.ts';
import { openTestApi, type TestApi } from './server.ts';

let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

const LIST = '/api/v1/payments';

test('each answer tells where the caller stands', async () => {
  const first = await api.send('GET', LIST);
  expect(first.headers.get('ratelimit-policy')).toBe('"key";q=1000;w=10');
  expect(first.headers.get('ratelimit')).toMatch(/^"key";r=999;t=10$/);
  expect((await api.send('GET', LIST)).headers.get('ratelimit')).toMatch(/^"key";r=998;t=\d+$/);
});

test('beyond its limit a key is told when to come again; other keys are not', async () => {
  await api.database.queryAsOwner(
    `INSERT INTO rate_limits SELECT 'key:' || id, 1000, extract(epoch FROM now()) * 1000 + 5000
     FROM api_keys`,
  );
  const apiKey = makeApiKey('test');
  await ensureApiKey(api.pool, { merchantId: MERCHANT.id, apiKey });
  const answer = await api.send('GET', LIST);
  expect(answer).toMatchObject({ status: 429, body: { code: 'rate_limited', retryable: true } });
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  const headers = { authorization: `Bearer ${apiKey}` };
  expect((await api.send('GET', LIST, { headers })).status).toBe(200);
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

test('what a caller writes before our proxy’s word does not count', async () => {
  const guess = (forged: string) =>
    api.send('GET', LIST, {
      headers: {
        authorization: 'Bearer nothing-good',
        'x-forwarded-for': `${forged}, 203.0.113.7`,
      },
    });
  const statuses: number[] = [];
  for (let tries = 0; tries < 101; tries += 1)
    statuses.push((await guess(`10.0.0.${tries}`)).status);
  expect(statuses.at(-1)).toBe(429);
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
  expect(known.headers.get('access-control-expose-headers')).toContain('X-Request-Id');
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
