import { storePaymentIn } from '../factories.ts';
import { listStored, makeDisputeEvent, makeStripeEvent, sign } from './callbacks.ts';
import { openTestApi, SECRETS, type Send, type TestApi } from './server.ts';

/** A genuine signature proves whose account speaks; it may speak of its own payments only. */
let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

const SECRET = 'whsec_ofOneMerchantOnly';
const [, today] = SECRETS.stripe;
const configure = async (send: Send) => {
  const { body } = await send('PUT', '/api/v1/provider-configs/stripe', {
    body: {
      environment: 'sandbox',
      credentials: { secret_key: 'sk_test_ofOneMerchant', webhook_secrets: SECRET },
    },
  });
  return body.id;
};
const post = (sending: ReturnType<typeof sign>, under = '') =>
  api.send('POST', `/api/v1/webhooks/stripe${under}`, sending);
const storeStripe = (credentialsRef: string, status: 'processing' | 'succeeded' = 'processing') =>
  storePaymentIn(api.pool, status, { provider: 'stripe', credentialsRef });

test('a merchant’s account says nothing of the deployment’s payments', async () => {
  const { workflowId } = await storeStripe('env:stripe');
  const id = await configure((await api.openMerchant()).send);
  const event = sign('stripe', makeStripeEvent('evt_1', workflowId), SECRET);
  expect((await post(event, `/${id}`)).status).toBe(200);
  expect(await listStored(api)).toMatchObject([{ status: 'parked', payment_id: null }]);
  expect(api.engine.delivered).toEqual([]);
});

test('nor does the deployment’s account of a merchant’s; its own is believed', async () => {
  const id = await configure(api.send);
  const { workflowId } = await storeStripe(`config:${id}@1`);
  await post(sign('stripe', makeStripeEvent('evt_1', workflowId), today));
  expect(api.engine.delivered).toEqual([]);
  await post(sign('stripe', makeStripeEvent('evt_2', workflowId), SECRET), `/${id}`);
  expect(api.engine.delivered).toMatchObject([{ workflowId }]);
});

test('a provider says nothing of another provider’s payments', async () => {
  const { workflowId } = await storePaymentIn(api.pool, 'processing');
  await post(sign('stripe', makeStripeEvent('evt_1', workflowId), today));
  expect(await listStored(api)).toMatchObject([{ status: 'parked' }]);
  expect(api.engine.delivered).toEqual([]);
});

test('a dispute is written onto payments of the account that tells of it', async () => {
  const payment = await storeStripe('env:stripe', 'succeeded');
  const id = await configure((await api.openMerchant()).send);
  const dispute = makeDisputeEvent('evt_1', 'ws_CO_1', 'lost');
  await post(sign('stripe', dispute, SECRET), `/${id}`);
  expect((await api.send('GET', `/api/v1/payments/${payment.id}`)).body.dispute).toBeNull();
  await post(sign('stripe', dispute, today));
  const { body } = await api.send('GET', `/api/v1/payments/${payment.id}`);
  expect(body.dispute).toMatchObject({ status: 'lost' });
});

test('nobody can take the id of another account’s event', async () => {
  const { workflowId } = await storeStripe('env:stripe');
  const id = await configure((await api.openMerchant()).send);
  await post(sign('stripe', makeStripeEvent('evt_1', 'of-nobody'), SECRET), `/${id}`);
  await post(sign('stripe', makeStripeEvent('evt_1', workflowId), today));
  expect(api.engine.delivered).toMatchObject([{ workflowId }]);
});

test('a dispute that is said to be open after its end is nothing new', async () => {
  const payment = await storeStripe('env:stripe', 'succeeded');
  for (const [name, status] of [
    ['evt_1', 'lost'],
    ['evt_2', 'needs_response'],
  ] as const) {
    await post(sign('stripe', makeDisputeEvent(name, 'ws_CO_1', status), today));
  }
  const { body } = await api.send('GET', `/api/v1/payments/${payment.id}`);
  expect(body.dispute).toMatchObject({ status: 'lost' });
  expect(await listStored(api)).toMatchObject([
    { status: 'applied', payment_id: payment.id },
    { status: 'applied', payment_id: payment.id },
  ]);
});
