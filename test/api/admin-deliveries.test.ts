import { newId } from '../../db/ids.ts';
import { storePaymentIn } from '../factories.ts';
import { openOperator } from './operators.ts';
import { openTestApi, type Send, type TestApi } from './server.ts';

/** What operators see of webhooks that did not arrive, and how they send them again. */
let api: TestApi;
let viewer: Send;
let operator: Send;
beforeEach(async () => {
  api = await openTestApi();
  viewer = (await openOperator(api, 'viewer')).send;
  operator = (await openOperator(api, 'operator')).send;
});
afterEach(() => api.close());

const PATH = '/api/v1/admin/deliveries';
const list = async (query = '') => (await viewer('GET', `${PATH}?${query}`)).body;
const open = async (send: Send, url: string) => {
  const { body } = await send('POST', '/api/v1/webhook-endpoints', {
    body: { url, event_types: ['payment.created'] },
  });
  return body.id;
};
const giveUp = (endpointId: string) =>
  api.database.queryAsOwner(
    "UPDATE deliveries SET status = 'failed', dispatched_run = run WHERE endpoint_id = $1",
    [endpointId],
  );

test('what was given up is found over all merchants', async () => {
  const other = await api.openMerchant();
  const mine = await open(api.send, 'https://shop.example.test/hook?token=of-the-shop');
  const others = await open(other.send, 'https://other.example.test:8443/hook');
  await storePaymentIn(api.pool, 'created');
  await storePaymentIn(api.pool, 'created', { merchantId: other.id });
  await giveUp(others);
  const all = await list();
  expect(all.data).toMatchObject([
    { merchant_id: other.id, endpoint_host: 'other.example.test:8443', status: 'failed' },
    { endpoint_id: mine, endpoint_host: 'shop.example.test', endpoint_active: true },
  ]);
  expect(JSON.stringify(all)).not.toContain('of-the-shop');
  expect((await list('status=failed')).data).toEqual(all.data.slice(0, 1));
  expect((await list('status=pending')).data).toEqual(all.data.slice(1));
  expect((await list(`endpoint_id=${mine}`)).data).toEqual(all.data.slice(1));
  expect((await list(`merchant_id=${other.id}`)).data).toEqual(all.data.slice(0, 1));
  const page = await list('limit=1');
  expect((await list(`limit=1&cursor=${page.next_cursor}`)).data).toEqual(all.data.slice(1));
});

test('one is seen with every try, and sent once more by who may act', async () => {
  const endpoint = await open(api.send, 'https://shop.example.test/hook');
  await storePaymentIn(api.pool, 'created');
  await giveUp(endpoint);
  const { id } = (await list()).data[0] ?? {};
  await api.database.queryAsOwner(
    `INSERT INTO delivery_attempts (delivery_id, ordinal, duration_ms, status_code, response)
     VALUES ($1, 1, 12, 503, 'busy')`,
    [id],
  );
  const seen = await viewer('GET', `${PATH}/${id}`);
  expect(seen.body).toMatchObject({
    endpoint_host: 'shop.example.test',
    attempts: [{ ordinal: 1, status_code: 503, response: 'busy' }],
  });
  expect((await viewer('POST', `${PATH}/${id}/resend`)).status).toBe(403);
  expect(await operator('POST', `${PATH}/${id}/resend`)).toMatchObject({
    status: 202,
    body: { id, status: 'pending' },
  });
  const waiting = 'SELECT id FROM deliveries WHERE dispatched_run < run';
  expect(await api.database.queryAsOwner(waiting)).toEqual([{ id }]);
  const acts = await viewer('GET', `/api/v1/admin/activity?target=${id}`);
  const action = 'adminResendDelivery';
  expect(acts.body.data).toMatchObject([
    { action, status: 202 },
    { action, status: 403 },
  ]);
});

test('of very many tries the last hundred are seen, in order', async () => {
  await open(api.send, 'https://shop.example.test/hook');
  await storePaymentIn(api.pool, 'created');
  const { id } = (await list()).data[0] ?? {};
  await api.database.queryAsOwner(
    `INSERT INTO delivery_attempts (delivery_id, ordinal, duration_ms)
     SELECT $1, nth, 12 FROM generate_series(1, 1005) AS nth`,
    [id],
  );
  const { attempts } = (await viewer('GET', `${PATH}/${id}`)).body;
  const last = Array.from({ length: 100 }, (_, index) => ({ ordinal: 906 + index }));
  expect(attempts).toMatchObject(last);
});

test('one that is still being tried stays as it is', async () => {
  await open(api.send, 'https://shop.example.test/hook');
  await storePaymentIn(api.pool, 'created');
  const { id } = (await list()).data[0] ?? {};
  expect((await operator('POST', `${PATH}/${id}/resend`)).status).toBe(202);
  const [row] = await api.database.queryAsOwner('SELECT run FROM deliveries WHERE id = $1', [id]);
  expect(row).toEqual({ run: 1 });
});

test('merchants see nothing more of a delivery than before, and none of others', async () => {
  const other = await api.openMerchant();
  await open(api.send, 'https://shop.example.test/hook');
  await storePaymentIn(api.pool, 'created');
  const { id } = (await list()).data[0] ?? {};
  const mine = await api.send('GET', `/api/v1/deliveries/${id}`);
  expect(mine.status).toBe(200);
  for (const name of ['merchant_id', 'endpoint_host', 'endpoint_url', 'endpoint_active']) {
    expect(mine.body).not.toHaveProperty(name);
  }
  expect((await other.send('GET', `/api/v1/deliveries/${id}`)).status).toBe(404);
});

test('what is not there is not found', async () => {
  const gone = `${PATH}/${newId('delivery')}`;
  expect((await viewer('GET', gone)).status).toBe(404);
  expect((await operator('POST', `${gone}/resend`)).status).toBe(404);
  expect((await viewer('GET', `${PATH}/of-nobody`)).status).toBe(404);
  expect((await viewer('GET', `${PATH}?status=dead`)).status).toBe(400);
});
