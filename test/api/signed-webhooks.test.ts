import { newId } from '../../db/ids.ts';
import type { PaymentStatus } from '../../domain/payment-states.ts';
import { makeOutcome, makeRecord, recordEvent, storePaymentIn } from '../factories.ts';
import { listStored, makeCPayEvent, makeDisputeEvent, makeStripeEvent, sign } from './callbacks.ts';
import { openTestApi, SECRETS, type TestApi } from './server.ts';

/** Callbacks of CPay and Stripe: the signature over the raw bytes is their proof. */
let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

const PROVIDERS = ['cpay', 'stripe'] as const;
type Signing = (typeof PROVIDERS)[number];
const EVENTS = { cpay: makeCPayEvent, stripe: makeStripeEvent };
const OWN_SECRETS = { cpay: 'cpay-secret-of-one-merchant', stripe: 'whsec_ofOneMerchantOnly' };
const LATER_SECRETS = { cpay: 'cpay-secret-after-a-change', stripe: 'whsec_afterTheChange' };
const TAKEN = { received: true };

const store = (provider: Signing, status: PaymentStatus = 'processing') =>
  storePaymentIn(api.pool, status, { provider, credentialsRef: `env:${provider}` });
const post = (provider: Signing, sending: ReturnType<typeof sign>, under = '') =>
  api.send('POST', `/api/v1/webhooks/${provider}${under}`, sending);
const configure = async (provider: Signing, secret: string) => {
  const key =
    provider === 'cpay'
      ? { api_key: 'cpay_test_ofOneMerchant' }
      : { secret_key: 'sk_test_ofOneMerchant' };
  const { body } = await api.send('PUT', `/api/v1/provider-configs/${provider}`, {
    body: {
      environment: 'simulator',
      credentials: { base_url: 'http://127.0.0.1:1', webhook_secrets: secret, ...key },
    },
  });
  return body.id;
};

describe.each(PROVIDERS)('%s', (provider) => {
  const [yesterday, today] = SECRETS[provider];

  test.each([
    ['the old secret', yesterday],
    ['the new one', today],
  ])('while a secret is rotated, %s is believed', async (_what, secret) => {
    const { workflowId, id } = await store(provider);
    const answer = await post(
      provider,
      sign(provider, EVENTS[provider]('evt_1', workflowId), secret),
    );
    expect(answer).toMatchObject({ status: 200, body: TAKEN });
    const stored = await listStored(api);
    expect(stored).toMatchObject([{ status: 'received', payment_id: id, delivery_count: 1 }]);
    expect(api.engine.delivered).toMatchObject([
      { workflowId, event: { eventId: stored[0]?.id, event: { kind: 'succeeded' } } },
    ]);
  });

  test.each<readonly [string, (event: object) => ReturnType<typeof sign>, string]>([
    ['forged', (event) => sign(provider, event, OWN_SECRETS[provider]), 'webhook_secrets'],
    ['unsigned', (event) => ({ body: event }), 'missing'],
    [
      'changed on its way',
      (event) => ({ ...sign(provider, event, today), body: { ...event, more: 1 } }),
      'webhook_secrets',
    ],
    ['old', (event) => sign(provider, event, today, 310), 'five minutes'],
  ])('one that is %s is refused and not kept', async (_what, sendingOf, why) => {
    const { workflowId } = await store(provider);
    const answer = await post(provider, sendingOf(EVENTS[provider]('evt_1', workflowId)));
    expect(answer).toMatchObject({ status: 401, body: { code: 'webhook_refused' } });
    expect(answer.body.detail).toContain(why);
    expect(await listStored(api)).toEqual([]);
    expect(api.engine.delivered).toEqual([]);
  });

  test('the same event again is acknowledged, kept once and passed on once', async () => {
    const { workflowId } = await store(provider);
    const event = EVENTS[provider]('evt_1', workflowId);
    const sends = Array.from({ length: 20 }, () => post(provider, sign(provider, event, today)));
    const statuses = (await Promise.all(sends)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(await listStored(api)).toMatchObject([{ duplicate_count: 19 }]);
    expect(api.engine.delivered).toHaveLength(1);
  });

  test('a merchant’s own secret counts under the id of its configuration only', async () => {
    const { workflowId } = await store(provider);
    const id = await configure(provider, OWN_SECRETS[provider]);
    const sending = sign(provider, EVENTS[provider]('evt_1', workflowId), OWN_SECRETS[provider]);
    expect(await post(provider, sending, `/${id}`)).toMatchObject({ status: 200, body: TAKEN });
    expect((await post(provider, sending)).status).toBe(401);
    const ours = sign(provider, EVENTS[provider]('evt_2', workflowId), today);
    expect((await post(provider, ours, `/${id}`)).status).toBe(401);
    expect(await listStored(api)).toHaveLength(1);
  });

  test('after a merchant’s change of secrets the old one is believed as well', async () => {
    const { workflowId } = await store(provider);
    const id = await configure(provider, OWN_SECRETS[provider]);
    await configure(provider, LATER_SECRETS[provider]);
    for (const [name, secrets] of Object.entries({ evt_1: OWN_SECRETS, evt_2: LATER_SECRETS })) {
      const sending = sign(provider, EVENTS[provider](name, workflowId), secrets[provider]);
      expect((await post(provider, sending, `/${id}`)).status).toBe(200);
    }
  });

  test.each([
    ['an unknown configuration', `/${newId('provider_config')}`, 401],
    ['what is no id of one', '/pcf_1', 404],
  ])('%s refuses even what the deployment signed', async (_what, under, status) => {
    const { workflowId } = await store(provider);
    const sending = sign(provider, EVENTS[provider]('evt_1', workflowId), today);
    expect((await post(provider, sending, under)).status).toBe(status);
    expect(await listStored(api)).toEqual([]);
  });

  test('an event of something else at the provider is kept, and no more', async () => {
    const event = EVENTS[provider]('evt_1', 'order-of-another-shop');
    expect((await post(provider, sign(provider, event, today))).status).toBe(200);
    expect(await listStored(api)).toMatchObject([{ status: 'applied', payment_id: null }]);
    expect(api.engine.delivered).toEqual([]);
  });
});

test('with the database away a signed one is held, and judged when it is stored', async () => {
  const { workflowId } = await store('stripe');
  await api.cutDatabase();
  const event = sign('stripe', makeStripeEvent('evt_1', workflowId), SECRETS.stripe[1]);
  expect(await post('stripe', event)).toMatchObject({ status: 200, body: TAKEN });
  expect(api.engine.delivered).toEqual([]);
  expect(api.engine.held).toMatchObject([
    { workflowId, provider: 'stripe', account: 'env:stripe', status: 'received' },
  ]);
});

test('with the database away nobody can check what a merchant’s account signed', async () => {
  const { workflowId } = await store('stripe');
  const id = await configure('stripe', OWN_SECRETS.stripe);
  await api.cutDatabase();
  const event = sign('stripe', makeStripeEvent('evt_1', workflowId), OWN_SECRETS.stripe);
  expect(await post('stripe', event, `/${id}`)).toMatchObject({
    status: 503,
    body: { retryable: true },
  });
  expect(api.engine.held).toEqual([]);
});

test('an event of a refund goes to the refund’s workflow', async () => {
  const payment = await store('cpay', 'succeeded');
  const refund = await api.send('POST', `/api/v1/payments/${payment.id}/refunds`, { body: {} });
  const workflowId = api.engine.startedRefunds[0]?.workflowId ?? '';
  expect(refund.body).toMatchObject({ workflow: { id: workflowId } });
  const charge = { ...makeCPayEvent('evt_1', workflowId).data, charge: 'ch_1' };
  const data = { ...charge, id: 're_1', object: 'refund', failure_code: null };
  const event = { id: 'evt_1', type: 'refund.updated', data };
  expect((await post('cpay', sign('cpay', event, SECRETS.cpay[1]))).status).toBe(200);
  expect(await listStored(api)).toMatchObject([{ status: 'received', payment_id: payment.id }]);
  expect(api.engine.deliveredRefunds).toMatchObject([
    { workflowId, event: { event: { kind: 'succeeded', providerRefundId: 're_1' } } },
  ]);
});

test('a closed payment’s own words again start no workflow, new words do', async () => {
  const payment = await store('stripe');
  const outcome = makeOutcome('succeeded', { providerPaymentId: 'pi_1', receipt: 'ch_1' });
  await recordEvent(
    api.pool,
    payment,
    'succeeded',
    makeRecord(payment, { event: 'succeeded', outcome }),
  );
  api.engine.workflows = 'closed';
  const [, today] = SECRETS.stripe;
  const event = makeStripeEvent('evt_1', payment.workflowId);
  expect((await post('stripe', sign('stripe', event, today))).status).toBe(200);
  expect(await listStored(api)).toMatchObject([{ status: 'applied', error: 'nothing new' }]);
  expect(api.engine.late).toEqual([]);
  const { object } = event.data;
  const other = { ...event, id: 'evt_2', data: { object: { ...object, latest_charge: 'ch_2' } } };
  expect((await post('stripe', sign('stripe', other, today))).status).toBe(200);
  expect(api.engine.late).toMatchObject([{ paymentId: payment.id }]);
});

test('a dispute shows on the payment, with its end', async () => {
  // Older, and by chance of the same id at its provider.
  await store('cpay', 'succeeded');
  const payment = await store('stripe', 'succeeded');
  const [, today] = SECRETS.stripe;
  for (const [id, status, shown] of [
    ['evt_1', 'needs_response', 'open'],
    ['evt_2', 'lost', 'lost'],
  ] as const) {
    const event = makeDisputeEvent(id, 'ws_CO_1', status);
    expect((await post('stripe', sign('stripe', event, today))).status).toBe(200);
    const { body } = await api.send('GET', `/api/v1/payments/${payment.id}`);
    expect(body).toMatchObject({
      status: 'succeeded',
      dispute: { id: 'dp_1', status: shown, amount: 10_000, reason: 'fraudulent' },
    });
  }
  expect(await listStored(api)).toMatchObject([
    { status: 'applied', payment_id: payment.id },
    { status: 'applied', payment_id: payment.id },
  ]);
  const unknown = makeDisputeEvent('evt_3', 'pi_of_nobody');
  expect((await post('stripe', sign('stripe', unknown, today))).status).toBe(200);
  expect((await listStored(api)).at(-1)).toMatchObject({ status: 'parked' });
});

test('an object that nobody can read makes the payment ask that its metadata names', async () => {
  const { workflowId } = await store('cpay');
  const event = makeCPayEvent('evt_1', workflowId);
  const odd = { ...event, data: { ...event.data, status: 'melted' } };
  expect((await post('cpay', sign('cpay', odd, SECRETS.cpay[1]))).status).toBe(200);
  expect(await listStored(api)).toMatchObject([{ status: 'parked', workflow_id: workflowId }]);
  expect(api.engine.delivered).toMatchObject([
    { workflowId, event: { event: { kind: 'unknown', unclear: 'unreadable' } } },
  ]);
});

test('a body that its signer left malformed is acknowledged and parked', async () => {
  const sending = sign(
    'stripe',
    { id: 'evt_1', type: 'payment_intent.succeeded' },
    SECRETS.stripe[1],
  );
  expect((await post('stripe', sending)).status).toBe(200);
  expect(await listStored(api)).toMatchObject([{ status: 'parked' }]);
});
