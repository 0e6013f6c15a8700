import { OPERATIONS } from '../../api/operations.ts';
import { makeApiKey } from '../../db/api-key.ts';
import { newId } from '../../db/ids.ts';
import { ensureApiKey } from '../../db/merchants.ts';
import { markSweepRound } from '../../db/sweep-rounds.ts';
import { MERCHANT } from '../factories.ts';
import { openOperator } from './operators.ts';
import { exchange, upgradeTo } from './raw.ts';
import { openTestApi, type TestApi } from './server.ts';

/** What every route has in common: who may, what there is, and how a no looks. */
let api: TestApi;
let operator: string;
beforeAll(async () => {
  api = await openTestApi();
  operator = (await openOperator(api, 'viewer')).token;
});
afterAll(() => api.close());
beforeEach(() => api.engine.reset());

// biome-ignore format: table, one case per line
test.each([
  ['GET', '/api/v1/nothing', 404, 'not_found'],
  ['GET', '/', 404, 'not_found'],
  ['GET', '/api/v1/payments/pay_1', 404, 'not_found'],
  ['GET', '/api/v1/payments/%00', 404, 'not_found'],
  ['GET', `/api/v1/payments/${newId('payment')}`, 404, 'not_found'],
  ['GET', `/api/v1/payments/${newId('payment')}/nothing`, 404, 'not_found'],
  ['GET', `/api/v1/refunds/${newId('payment')}`, 404, 'not_found'],
  ['POST', '/api/v1/webhooks/paypal', 404, 'not_found'],
  ['POST', '/api/v1/webhooks/stk', 404, 'not_found'],
  ['DELETE', '/api/v1/payments', 405, 'method_not_allowed'],
  ['PUT', `/api/v1/payments/${newId('payment')}`, 405, 'method_not_allowed'],
  ['GET', `/api/v1/payments/${newId('payment')}/cancel`, 405, 'method_not_allowed'],
  ['DELETE', '/api/v1/provider-configs/mpesa', 405, 'method_not_allowed'],
  ['GET', '/api/v1/webhooks/stripe', 405, 'method_not_allowed'],
  ['POST', '/livez', 405, 'method_not_allowed'],
  ['GET', '/api/v1/nothing', 404, 'not_found'],
])('%s %s answers %i %s', async (method, path, status, code) => {
  const answer = await api.send(method, path);
  expect(answer).toMatchObject({ status, body: { code, status, retryable: false } });
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  expect(answer.headers.get('x-request-id')).toBe(answer.body.request_id);
  expect(answer.headers.has('allow')).toBe(status === 405);
});

// Keys, tokens and payments go out there; what is stored of them on the way may be read later.
test('nothing of /api/v1 is to be stored on its way, whatever the answer', async () => {
  const PATHS = [
    ...OPERATIONS.map(({ method, path }) => [method.toUpperCase(), path] as const),
    ['GET', '/api/v1/nothing'],
    ['GET', '/api/v1'],
    ['DELETE', '/api/v1/payments'],
  ] as const;
  const stored: string[] = [];
  for (const [index, [method, template]] of PATHS.entries()) {
    if (!template.startsWith('/api/v1')) continue;
    const path = template.replaceAll(/\{\w+\}/g, 'x');
    for (const authorization of [`Bearer ${api.apiKey}`, `Bearer ${operator}`, '']) {
      const headers = { authorization, 'x-forwarded-for': `203.0.113.${index}` };
      const answer = await api.send(method, path, { headers });
      const told = answer.headers.get('cache-control');
      if (told !== 'no-store') stored.push(`${method} ${path} ${answer.status}: ${told}`);
    }
  }
  expect(stored).toEqual([]);
  const upgrade = await exchange(api.url, upgradeTo('/api/v1/other'));
  expect(upgrade.headers.get('cache-control')).toBe('no-store');
  // What is nobody's secret may be kept.
  expect((await api.send('GET', '/docs/swagger-ui.css')).headers.get('cache-control')).toContain(
    'max-age',
  );
});

test.each([
  ['no header', ''],
  ['another scheme', 'Basic c2tfdGVzdA=='],
  ['a key of nobody', 'Bearer sk_test_ofNobodyAtAll'],
  ['no key at all', 'Bearer '],
])('%s opens nothing but health and webhooks', async (_what, authorization) => {
  for (const path of ['payments', 'refunds/ref_1', 'provider-configs']) {
    const answer = await api.send('GET', `/api/v1/${path}`, { headers: { authorization } });
    expect(answer).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
  }
  expect((await api.send('GET', '/livez', { headers: { authorization } })).status).toBe(200);
});

test('a request id of the caller comes back; a strange one does not', async () => {
  const send = (id: string) => api.send('GET', '/livez', { headers: { 'x-request-id': id } });
  expect((await send('order-1_retry')).headers.get('x-request-id')).toBe('order-1_retry');
  expect((await send('4242424242424242')).headers.get('x-request-id')).not.toContain('42424242');
  expect((await send('a b')).headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{32}$/);
});

const BODY = { provider: 'mpesa', amount: 10_000, currency: 'KES' };
// biome-ignore format: table, one case per line
test.each<readonly [string, object | string, Record<string, string>, number, string]>([
  ['no Idempotency-Key', BODY, { 'idempotency-key': '' }, 400, 'idempotency_key_missing'],
  ['a key with a space', BODY, { 'idempotency-key': 'order 1' }, 400, 'idempotency_key_malformed'],
  ['a key of 256 signs', BODY, { 'idempotency-key': 'k'.repeat(256) }, 400, 'idempotency_key_malformed'],
  ['half a quote', BODY, { 'idempotency-key': '"order-1' }, 400, 'idempotency_key_malformed'],
  ['no JSON', '{"provider":', {}, 400, 'malformed_json'],
  ['a form', 'provider=mpesa', { 'content-type': 'application/x-www-form-urlencoded' }, 415, 'unsupported_media_type'],
  ['more than 64 KB', { description: 'x'.repeat(66_000) }, {}, 413, 'body_too_large'],
  ['an array', [BODY], {}, 400, 'invalid_request'],
  ['an empty object', {}, {}, 400, 'invalid_request'],
  ['33 levels', `{"metadata":${'['.repeat(33)}${']'.repeat(33)}}`, {}, 400, 'malformed_json'],
  ['20 000 levels', `{"metadata":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, {}, 400, 'malformed_json'],
])('a payment with %s is refused', async (_what, body, headers, status, code) => {
  const answer = await api.send('POST', '/api/v1/payments', { body, headers });
  expect(answer).toMatchObject({ status, body: { code } });
  expect((await api.send('GET', '/api/v1/payments')).body.data).toEqual([]);
});

describe('health', () => {
  let own: TestApi;
  beforeEach(async () => {
    own = await openTestApi();
  });
  afterEach(() => own.close());
  const look = async () => {
    const paths = ['/livez', '/readyz', '/api/v1/health'];
    const [livez, readyz, health] = await Promise.all(paths.map((it) => own.send('GET', it)));
    return [livez?.status, readyz?.status, health?.status, health?.body];
  };

  /** What the tests’ quick and unsafe server warns of is the matter of deployment.test. */
  const SWEPT = { last_sweep_age_seconds: expect.any(Number), warnings: expect.any(Array) };
  /** As a worker does that sweeps. */
  const sweep = async () => {
    for (const part of ['unstarted', 'undelivered'] as const) await markSweepRound(own.pool, part);
  };

  test('all is well', async () => {
    await sweep();
    const components = { database: 'ok', temporal: 'ok', sweeper: 'ok' };
    const body = { object: 'health', status: 'ok', components };
    expect(await look()).toEqual([200, 200, 200, { ...body, ...SWEPT }]);
  });

  test('without Temporal payments are still taken', async () => {
    await sweep();
    own.engine.workflows = 'away';
    const components = { database: 'ok', temporal: 'unavailable', sweeper: 'ok' };
    const body = { object: 'health', status: 'degraded', components };
    expect(await look()).toEqual([200, 200, 200, { ...body, ...SWEPT }]);
  });

  test('without the database none is, and the caller is told to come again', async () => {
    await own.cutDatabase();
    const components = { database: 'unavailable', temporal: 'ok', sweeper: 'unavailable' };
    const body = { object: 'health', status: 'unavailable', components };
    expect(await look()).toEqual([
      200,
      503,
      503,
      { ...body, last_sweep_age_seconds: null, warnings: [] },
    ]);
    const answer = await own.send('GET', '/api/v1/payments');
    expect(answer).toMatchObject({
      status: 503,
      body: { code: 'temporarily_unavailable', retryable: true },
    });
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
  });
});

test('a key without the scope is told which one it lacks', async () => {
  const apiKey = makeApiKey('test');
  await ensureApiKey(api.pool, { merchantId: MERCHANT.id, apiKey, scopes: ['payments:read'] });
  const headers = { authorization: `Bearer ${apiKey}` };
  expect((await api.send('GET', '/api/v1/payments', { headers })).status).toBe(200);
  const answer = await api.send('POST', '/api/v1/payments', { headers, body: BODY });
  expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  expect(answer.body.detail).toContain('payments:write');
});
