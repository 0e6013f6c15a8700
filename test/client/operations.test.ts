import { z } from 'zod';
import { OPERATIONS as DECLARED } from '../../api/operations.ts';
import { Malipo, type Recovery, type TestDelivery } from '../../client/index.ts';
import { OPERATIONS, type OperationName } from '../../client/operations.ts';

/** Each operation of a merchant is one method of the client, and says what the API takes. */
const merchants = DECLARED.filter(({ access }) => access.kind === 'merchant');
const names = Object.keys(OPERATIONS).filter((name): name is OperationName => name in OPERATIONS);

const PAGE = { limit: 50, cursor: '764-12' };
const SINCE = '2026-11-24T09:00:00Z';
const PAYMENT = { provider: 'mpesa', amount: 10_000, currency: 'KES' };
const PAYMENT_LIST = {
  ...PAGE,
  status: ['failed' as const, 'canceled' as const],
  provider: 'mpesa' as const,
  phone: '0712345678',
  reference: 'ORDER-1',
  created_from: SINCE,
  created_before: SINCE,
};

/** One call each, with every filter that there is. */
// biome-ignore format: table, one row per line
const CALLS: Readonly<Record<OperationName, (malipo: Malipo) => Promise<unknown>>> = {
  createPayment: ({ payments }) => payments.create(PAYMENT),
  listPayments: ({ payments }) => payments.list(PAYMENT_LIST).page(),
  getPayment: ({ payments }) => payments.get('x'),
  cancelPayment: ({ payments }) => payments.cancel('x'),
  capturePayment: ({ payments }) => payments.capture('x', { amount: 100 }),
  verifyPayment: ({ payments }) => payments.verify('x'),
  getPaymentTimeline: ({ payments }) => payments.timeline('x').page(),
  getPaymentExecution: ({ payments }) => payments.execution('x'),
  createRefund: ({ refunds }) => refunds.create('x', { amount: 100 }),
  listRefunds: ({ refunds }) => refunds.list('x', PAGE).page(),
  getRefund: ({ refunds }) => refunds.get('x'),
  getRefundExecution: ({ refunds }) => refunds.execution('x'),
  listProviderConfigs: ({ providerConfigs }) => providerConfigs.list().page(),
  getProviderConfig: ({ providerConfigs }) => providerConfigs.get('x'),
  putProviderConfig: ({ providerConfigs }) => providerConfigs.put('x', { environment: 'simulator', credentials: {} }),
  patchProviderConfig: ({ providerConfigs }) => providerConfigs.patch('x', { active: false }),
  createWebhookEndpoint: ({ webhookEndpoints }) => webhookEndpoints.create({ url: 'https://shop.example.test' }),
  listWebhookEndpoints: ({ webhookEndpoints }) => webhookEndpoints.list(PAGE).page(),
  getWebhookEndpoint: ({ webhookEndpoints }) => webhookEndpoints.get('x'),
  updateWebhookEndpoint: ({ webhookEndpoints }) => webhookEndpoints.update('x', { active: true }),
  deleteWebhookEndpoint: ({ webhookEndpoints }) => webhookEndpoints.delete('x'),
  rotateWebhookSecret: ({ webhookEndpoints }) => webhookEndpoints.rotateSecret('x'),
  testWebhookEndpoint: ({ webhookEndpoints }) => webhookEndpoints.test('x'),
  recoverWebhookEndpoint: ({ webhookEndpoints }) => webhookEndpoints.recover('x', SINCE),
  listEvents: ({ events }) => events.list({ ...PAGE, payment_id: 'pay_1' }).page(),
  getEvent: ({ events }) => events.get('x'),
  listDeliveries: ({ deliveries }) => deliveries.list({ ...PAGE, endpoint_id: 'we_1', status: 'failed' }).page(),
  getDelivery: ({ deliveries }) => deliveries.get('x'),
  resendDelivery: ({ deliveries }) => deliveries.resend('x'),
  listApiKeys: ({ apiKeys }) => apiKeys.list({ ...PAGE, status: 'live' }).page(),
  createApiKey: ({ apiKeys }) => apiKeys.create({ name: 'Web shop' }),
  revokeApiKey: ({ apiKeys }) => apiKeys.revoke('x', { descendants: 'keep' }),
};
/** What only puts calls together. */
const HELPERS = ['payments.waitFor', 'refunds.waitFor'];

test('the client’s table has what the API declares for merchants', () => {
  const declared = merchants.map(({ id, method, path, isIdempotent }) => ({
    id,
    method: method.toUpperCase(),
    path,
    isIdempotent: isIdempotent === true,
  }));
  const known = names.map((id) => {
    const { method, path, repeat } = OPERATIONS[id];
    return { id, method, path, isIdempotent: repeat === 'by_key' };
  });
  const byId = (a: { readonly id: string }, b: { readonly id: string }) => (a.id < b.id ? -1 : 1);
  expect(known.toSorted(byId)).toEqual(declared.toSorted(byId));
});

test('what reads may be repeated', () => {
  for (const id of names) {
    if (OPERATIONS[id].method === 'GET')
      expect([id, OPERATIONS[id].repeat]).toEqual([id, 'freely']);
  }
});

test('of what has no key, only this is never sent twice', () => {
  expect(names.filter((id) => OPERATIONS[id].repeat === 'once')).toEqual([
    'createWebhookEndpoint',
    'rotateWebhookSecret',
    'testWebhookEndpoint',
    'createApiKey',
  ]);
});

test('there is one method for each operation', () => {
  const malipo = new Malipo({ apiKey: 'sk_test_1', baseUrl: 'http://127.0.0.1:1' });
  const methods = Object.entries(malipo).flatMap(([resource, value]) =>
    Object.getOwnPropertyNames(Object.getPrototypeOf(value))
      .filter((name) => name !== 'constructor')
      .map((name) => `${resource}.${name}`),
  );
  expect(methods).toEqual(expect.arrayContaining(HELPERS));
  expect(methods).toHaveLength(names.length + HELPERS.length);
});

type Sent = { readonly url: URL; readonly method: string; readonly body: unknown };

async function send(call: (malipo: Malipo) => Promise<unknown>): Promise<readonly Sent[]> {
  const sent: Sent[] = [];
  const malipo = new Malipo({
    apiKey: 'sk_test_1',
    baseUrl: 'https://pay.example.test/malipo/',
    async fetch(input, init) {
      const request = new Request(input, init);
      const text = await request.text();
      const body = text === '' ? undefined : JSON.parse(text);
      sent.push({ url: new URL(request.url), method: request.method, body });
      return Response.json({});
    },
  });
  await call(malipo);
  return sent;
}

test.each(merchants.map((it) => [it.id, it] as const))('%s sends what is taken', async (id, it) => {
  const name = names.find((known) => known === id);
  if (name === undefined) throw new Error(`the client has no ${id}`);
  const [sent, ...others] = await send(CALLS[name]);
  if (sent === undefined) throw new Error('nothing was sent');
  expect(others).toEqual([]);
  expect(sent.method).toBe(it.method.toUpperCase());
  expect(sent.url.pathname).toBe(`/malipo${it.path.replace(/\{\w+\}/, 'x')}`);
  expect((it.body ?? z.undefined()).safeParse(sent.body).error).toBeUndefined();
  const filters = it.query instanceof z.ZodObject ? Object.keys(it.query.shape) : [];
  expect([...sent.url.searchParams.keys()].toSorted()).toEqual(filters.toSorted());
  const query = Object.fromEntries(sent.url.searchParams);
  expect((it.query ?? z.object({})).safeParse(query).error).toBeUndefined();
});

const TEST: TestDelivery = { object: 'test', delivery_id: 'del_1' };
const RECOVERY: Recovery = { object: 'recovery', deliveries: 2 };
test.each([
  ['testWebhookEndpoint', TEST],
  ['recoverWebhookEndpoint', RECOVERY],
])('%s answers what the client’s own type says', (id, sample) => {
  const schema = merchants.find((it) => it.id === id)?.answers[202]?.schema;
  expect(schema?.safeParse(sample)).toEqual({ success: true, data: sample });
});
