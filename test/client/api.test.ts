import { Malipo, MalipoError } from '../../client/index.ts';
import { openTestApi, type TestApi } from '../api/server.ts';
import { settleRefundsIn, takePaymentsIn } from '../api/takers.ts';
import { storePaymentIn } from '../factories.ts';

/** The client and the API itself, which refuses to answer what its reference does not describe. */
let api: TestApi;
let malipo: Malipo;
beforeAll(async () => {
  api = await openTestApi();
  api.engine.takePayment = takePaymentsIn(api.pool);
  api.engine.takeRefund = settleRefundsIn(api.pool);
  malipo = new Malipo({ apiKey: api.apiKey, baseUrl: api.url });
});
afterAll(() => api.close());

const PAYMENT = {
  provider: 'mpesa',
  amount: 10_000,
  currency: 'KES',
  customer: { phone: '0712345678' },
};
async function allOf<T>(list: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of list) all.push(item);
  return all;
}

test('payments: created once by key, listed over pages, looked into', async () => {
  const { payments } = malipo;
  const options = { idempotencyKey: 'order-1' };
  const payment = await payments.create(PAYMENT, options);
  expect(payment.status).toBe('processing');
  expect((await payments.create(PAYMENT, options)).id).toBe(payment.id);
  const refused = payments.create({ ...PAYMENT, amount: 20_000 }, options);
  await expect(refused).rejects.toMatchObject({ status: 422, code: 'idempotency_key_reused' });
  const more = [await payments.create(PAYMENT), await payments.create(PAYMENT)];
  const ids = [payment, ...more].map(({ id }) => id).toReversed();
  const listed = await allOf(payments.list({ limit: 1, status: ['processing', 'authorized'] }));
  expect(listed.map(({ id }) => id)).toEqual(ids);
  expect((await payments.list({ limit: 2 }).page()).data.map(({ id }) => id)).toEqual(
    ids.slice(0, 2),
  );
  const [first] = await allOf(payments.timeline(payment.id));
  expect(first?.action).toBe('payment.created');
  expect(await payments.execution(payment.id)).toMatchObject({ waiting_for: 'callback' });
  expect((await payments.verify(payment.id)).id).toBe(payment.id);
  expect((await payments.cancel(payment.id)).id).toBe(payment.id);
  await expect(payments.capture(payment.id)).rejects.toMatchObject({ code: 'provider_limits' });
});

test('a payment and a refund wait for their first news as long as the caller likes', async () => {
  const { id } = await storePaymentIn(api.pool, 'succeeded', { provider: 'cpay' });
  api.engine.waits.length = 0;
  await malipo.payments.create(PAYMENT, { waitSeconds: 0 });
  await malipo.refunds.create(id, { amount: 1_000 }, { waitSeconds: 0 });
  expect(api.engine.waits).toEqual([0, 0]);
  for (const waitSeconds of [1.5, -1, Number.NaN]) {
    const asking = malipo.payments.create(PAYMENT, { waitSeconds });
    await expect(asking).rejects.toThrow(TypeError);
  }
});

test('refunds: of what is paid, and no more than that', async () => {
  const { id } = await storePaymentIn(api.pool, 'succeeded', { provider: 'cpay' });
  const refund = await malipo.refunds.create(id, { amount: 4_000, reason: 'one item less' });
  expect(await malipo.refunds.waitFor(refund.id)).toMatchObject({ status: 'succeeded' });
  expect(await malipo.refunds.execution(refund.id)).toMatchObject({ refund_id: refund.id });
  const tooMuch = malipo.refunds.create(id, { amount: 10_000 });
  await expect(tooMuch).rejects.toMatchObject({ errors: [{ pointer: '/amount' }] });
  const ids = [refund.id, (await malipo.refunds.create(id, { amount: 1_000 })).id];
  expect((await allOf(malipo.refunds.list(id, { limit: 1 }))).map((it) => it.id)).toEqual(ids);
});

test('webhook endpoints, events and deliveries', async () => {
  const { webhookEndpoints, events, deliveries } = malipo;
  const { id, secret } = await webhookEndpoints.create({ url: 'https://shop.example.test/hook' });
  expect((await webhookEndpoints.rotateSecret(id)).secret).not.toBe(secret);
  expect((await webhookEndpoints.get(id)).url).toBe('https://shop.example.test/hook');
  expect((await webhookEndpoints.update(id, { description: 'Shop' })).description).toBe('Shop');
  const payment = await storePaymentIn(api.pool, 'succeeded');
  const listAll = () => allOf(events.list({ payment_id: payment.id, limit: 1 }));
  // Another database's open transaction on the same server holds events back until it ends.
  let told = await listAll();
  while (told.length < 3) told = await listAll();
  expect(told.map(({ type }) => type)).toContain('payment.succeeded');
  const [event] = told;
  expect(await events.get(event?.id ?? '')).toEqual(event);
  const { delivery_id } = await webhookEndpoints.test(id);
  expect(await deliveries.get(delivery_id)).toMatchObject({ endpoint_id: id, attempts: [] });
  const query = { endpoint_id: id, status: 'pending' as const, limit: 1 };
  const pending = await allOf(deliveries.list(query));
  expect(pending.map((it) => it.event_type)).toContain('endpoint.test');
  expect((await deliveries.resend(delivery_id)).status).toBe('pending');
  await webhookEndpoints.recover(id, '2026-01-01T00:00:00Z');
  // The same again changes nothing more, so the client may repeat it.
  expect(await webhookEndpoints.recover(id, '2026-01-01T00:00:00Z')).toMatchObject({
    deliveries: 0,
  });
  expect(await webhookEndpoints.delete(id)).toBeUndefined();
  expect(await allOf(webhookEndpoints.list())).toEqual([]);
  await expect(webhookEndpoints.delete(id)).rejects.toMatchObject({ code: 'not_found' });
});

test('accounts at providers', async () => {
  const { providerConfigs } = malipo;
  const credentials = {
    secret_key: 'sk_test_ofOneMerchantAlone',
    webhook_secrets: 'whsec_ofOneMerchantAlone',
  };
  const put = await providerConfigs.put('stripe', { environment: 'sandbox', credentials });
  expect(put).toMatchObject({ provider: 'stripe', active: true });
  expect((await providerConfigs.patch('stripe', { active: false })).active).toBe(false);
  expect((await providerConfigs.get('stripe')).id).toBe(put.id);
  expect((await allOf(providerConfigs.list())).map(({ id }) => id)).toEqual([put.id]);
  await expect(providerConfigs.get('mpesa')).rejects.toMatchObject({ status: 404 });
});

test('keys of the API: a revoked one opens nothing', async () => {
  const { key, id } = await malipo.apiKeys.create({ name: 'Till', scopes: ['payments:read'] });
  const till = new Malipo({ apiKey: key, baseUrl: api.url });
  await till.payments.list().page();
  const error = await till.payments.create(PAYMENT).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(MalipoError);
  expect(error).toMatchObject({ status: 403, code: 'forbidden', retryable: false });
  expect((await malipo.apiKeys.revoke(id)).revoked_at).not.toBeNull();
  await expect(till.payments.list().page()).rejects.toMatchObject({ code: 'unauthorized' });
  expect(await allOf(malipo.apiKeys.list())).toHaveLength(2);
});
