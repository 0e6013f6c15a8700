import { storePaymentIn } from '../factories.ts';
import { keepLog } from '../kept-log.ts';
import { listStored, makeDisputeEvent, makeStripeEvent, sign } from './callbacks.ts';
import { openOperator } from './operators.ts';
import { openTestApi, SECRETS, type Send, type TestApi } from './server.ts';

/** A genuine signature proves whose account speaks; it may speak of its own payments only. */
let api: TestApi;
const { log, lines, forget } = keepLog('warn');
beforeEach(async () => {
  forget();
  api = await openTestApi({ adapt: (deps) => ({ ...deps, log }) });
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

test('events in another version of the API are read, and the version is told once', async () => {
  const { workflowId } = await storeStripe('env:stripe');
  const { data, ...event } = makeStripeEvent('evt_1', workflowId);
  const { latest_charge, ...object } = data.object;
  const old = { ...object, charges: { object: 'list', data: [{ id: latest_charge }] } };
  for (const [id, api_version] of [
    ['evt_1', '2020-08-27'],
    ['evt_2', '2020-08-27'],
    ['evt_3', '2019-12-03'],
  ] as const) {
    await post(sign('stripe', { ...event, id, api_version, data: { object: old } }, today));
  }
  expect(api.engine.delivered[0]?.event.event).toMatchObject({ receipt: latest_charge });
  const told = lines().filter(({ version }) => version !== undefined);
  const account = 'env:stripe';
  expect(told).toMatchObject([
    { account, version: '2020-08-27', msg: expect.stringContaining('webhook endpoint') },
    { account, version: '2019-12-03' },
  ]);
  const { send } = await openOperator(api, 'viewer');
  const { data: providers } = (await send('GET', '/api/v1/admin/providers')).body;
  const versions = providers.map((it) => [it.name, it.other_versions]);
  expect(versions).toEqual([
    ['mpesa', []],
    ['stripe', ['2020-08-27', '2019-12-03'].map((version) => ({ account, version }))],
    ['cpay', []],
  ]);
});

test('an account that invents versions hides those of no other account', async () => {
  const { workflowId } = await storeStripe('env:stripe');
  const id = await configure((await api.openMerchant()).send);
  const event = makeStripeEvent('evt_1', workflowId);
  for (let nth = 0; nth < 7; nth += 1) {
    const invented = { ...event, id: `evt_x${nth}`, api_version: `${nth}`.repeat(50) };
    await post(sign('stripe', invented, SECRET), `/${id}`);
  }
  await post(sign('stripe', { ...event, id: 'evt_2', api_version: '2018-01-01' }, today));
  const told = lines().flatMap(({ version }) => (typeof version === 'string' ? [version] : []));
  expect(told.slice(-6)).toEqual([
    ...[0, 1, 2, 3, 4].map((nth) => `${nth}`.repeat(40)),
    '2018-01-01',
  ]);
});
