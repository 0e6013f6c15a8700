import { openTestApi, type TestApi } from './server.ts';

/** Who is asked for money too often is asked no more, and nobody learns it too late. */
const phone_limit = { open: 3, requests: 10, per_ms: 3_600_000 };
let api: TestApi;
beforeAll(async () => {
  api = await openTestApi({ policies: { phone_limit } });
});
afterAll(() => api.close());

const ask = (send: TestApi['send'], key: string, phone = '0712345678') =>
  send('POST', '/api/v1/payments', {
    body: { provider: 'mpesa', amount: 10_000, currency: 'KES', customer: { phone } },
    headers: { 'idempotency-key': key },
  });

test('a phone with three open payments is not asked again, by no merchant', async () => {
  const other = await api.openMerchant();
  for (const key of ['order-1', 'order-2']) expect((await ask(api.send, key)).status).toBe(202);
  expect((await ask(other.send, 'order-1', '+254 712 345 678')).status).toBe(202);
  const started = api.engine.started.length;
  for (const { send } of [api, other]) {
    const refused = await ask(send, 'order-3');
    expect(refused).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
    expect(refused.body.detail).toContain('at most 3 open payments and 10 in 3600 s');
    expect(refused.body.errors).toMatchObject([{ pointer: '/customer/phone' }]);
    expect(refused.headers.get('retry-after')).toBe('60');
  }
  // Nothing was stored or started; what is there already is answered as ever.
  expect(api.engine.started).toHaveLength(started);
  expect((await ask(api.send, 'order-1')).headers.get('idempotency-replayed')).toBe('true');
  expect((await ask(api.send, 'order-3', '0712345679')).status).toBe(202);
  await api.database.queryAsOwner(`UPDATE payments SET status = 'failed'`);
  expect((await ask(other.send, 'order-3')).status).toBe(202);
});
