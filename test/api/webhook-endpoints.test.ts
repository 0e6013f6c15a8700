import { newId } from '../../db/ids.ts';
import { MERCHANT, storePaymentIn } from '../factories.ts';
import { openTestApi, type TestApi } from './server.ts';

let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

const PATH = '/api/v1/webhook-endpoints';
/** Each at an address of its own, unless one is given. */
const create = (body: object = {}) =>
  api.send('POST', PATH, {
    body: { url: `https://shop.example.test/${newId('webhook_endpoint')}`, ...body },
  });

const REFUSED_PORTS = [0, 1, 22, 25, 80, 110, 442, 444, 465, 1023] as const;

test('every refused port is refused in the same words, and the others are taken', async () => {
  const at = (port: number) => create({ url: `https://shop.example.test:${port}/hook` });
  const details = await Promise.all(
    REFUSED_PORTS.map(async (port) => (await at(port)).body.detail),
  );
  expect(new Set(details)).toEqual(new Set(['/url must be on port 443, or 1024 and above']));
  for (const port of [443, 1024, 8443, 65_535]) expect((await at(port)).status).toBe(201);
  expect((await create({ url: 'http://127.0.0.1:4000/hook' })).status).toBe(201);
  const { body } = await create();
  const moved = await api.send('PATCH', `${PATH}/${body.id}`, {
    body: { url: 'https://shop.example.test:22' },
  });
  expect(moved.status).toBe(400);
});

test('a secret is told once, at its creation and at its rotation', async () => {
  const { body } = await create();
  expect(body).toMatchObject({ active: true, secret: expect.stringMatching(/^whsec_/) });
  const one = `${PATH}/${body.id}`;
  const shown = [await api.send('GET', one), await api.send('GET', PATH)];
  for (const { text } of shown) expect(text).not.toContain('whsec_');
  const rotated = await api.send('POST', `${one}/rotate-secret`);
  expect(rotated.body.secret).not.toBe(body.secret);
  const [row] = await api.database.queryAsOwner<{ row: string }>(
    "SELECT string_agg(encode(secret_cipher, 'escape'), '') AS row FROM webhook_secrets",
  );
  expect(row?.row).not.toContain('whsec');
});

test.each([
  ['http://shop.example.test/hook'],
  ['ftp://shop.example.test'],
  ['https://user:word@shop.example.test'],
  ['https://shop.example.test/#part'],
  ['shop.example.test'],
  [''],
  ...REFUSED_PORTS.map((port) => [`https://shop.example.test:${port}/hook`]),
])('%s is no address for webhooks', async (url) => {
  expect(await create({ url })).toMatchObject({
    status: 400,
    body: { errors: [{ pointer: '/url' }] },
  });
});

test('what an endpoint asks for is what it gets, and only of its merchant', async () => {
  const { body: all } = await create();
  const { body: some } = await create({ event_types: ['payment.succeeded'] });
  const { body: off } = await create();
  await api.send('PATCH', `${PATH}/${off.id}`, { body: { active: false } });
  const other = await api.openMerchant();
  await other.send('POST', PATH, { body: { url: 'https://other.example.test' } });
  await storePaymentIn(api.pool, 'succeeded');
  const typesFor = async (id: string) => {
    const { body } = await api.send('GET', `/api/v1/deliveries?endpoint_id=${id}`);
    return body.data.map(({ event_type }) => event_type).toReversed();
  };
  const told = ['payment.created', 'payment.processing', 'payment.succeeded'];
  expect(await typesFor(all.id)).toEqual(told);
  expect(await typesFor(some.id)).toEqual(['payment.succeeded']);
  expect(await typesFor(off.id)).toEqual([]);
  expect((await other.send('GET', '/api/v1/deliveries')).body.data).toEqual([]);
});

test('another merchant’s endpoint is as if it were not there', async () => {
  const { body } = await create();
  const other = await api.openMerchant();
  for (const [method, under] of [
    ['GET', ''],
    ['PATCH', ''],
    ['DELETE', ''],
    ['POST', '/test'],
    ['POST', '/rotate-secret'],
  ] as const) {
    const sending = method === 'PATCH' ? { body: {} } : {};
    const answer = await other.send(method, `${PATH}/${body.id}${under}`, sending);
    expect([method, under, answer.status]).toEqual([method, under, 404]);
  }
});

test('a deleted endpoint is gone, its deliveries stay to be read', async () => {
  const { body } = await create();
  await storePaymentIn(api.pool, 'created');
  expect((await api.send('DELETE', `${PATH}/${body.id}`)).status).toBe(204);
  expect((await api.send('GET', `${PATH}/${body.id}`)).status).toBe(404);
  await storePaymentIn(api.pool, 'created');
  expect((await api.send('GET', '/api/v1/deliveries')).body.data).toHaveLength(1);
});

const recover = (id: string, since = new Date(Date.now() - 60_000)) =>
  api.send('POST', `${PATH}/${id}/recover`, { body: { since: since.toISOString() } });
const switchTo = (id: string, active: boolean) =>
  api.send('PATCH', `${PATH}/${id}`, { body: { active } });
const listWaiting = (id: string) =>
  api.database.queryAsOwner<{ type: string; run: number; run_attempts: number }>(
    `SELECT e.type, d.run, d.run_attempts FROM deliveries d
     JOIN outgoing_events e ON e.id = d.event_id
     WHERE d.endpoint_id = $1 AND d.status = 'pending' AND d.dispatched_run < d.run ORDER BY e.id`,
    [id],
  );

test('what failed is recovered since a time, each with its whole schedule, and once', async () => {
  const { body } = await create();
  await storePaymentIn(api.pool, 'succeeded');
  await api.database.queryAsOwner(
    "UPDATE deliveries SET status = 'failed', dispatched_run = run, run_attempts = 10",
  );
  const answer = await recover(body.id);
  expect(answer).toMatchObject({ status: 202, body: { deliveries: 3 } });
  const again = { run: 2, run_attempts: 0 };
  expect(await listWaiting(body.id)).toMatchObject([again, again, again]);
  expect((await recover(body.id)).body).toMatchObject({ deliveries: 0 });
});

test('what happened while an endpoint was off is recovered, if it asked for it', async () => {
  const { body: all } = await create();
  const { body: some } = await create({ event_types: ['payment.succeeded', 'endpoint.test'] });
  await storePaymentIn(api.pool, 'succeeded');
  for (const { id } of [all, some]) await switchTo(id, false);
  await api.database.queryAsOwner("UPDATE deliveries SET status = 'succeeded', dispatched_run = 1");
  await storePaymentIn(api.pool, 'succeeded');
  await api.send('POST', `${PATH}/${all.id}/test`);
  const other = await api.openMerchant();
  await ensureForeignEvent(other.id);
  expect(await recover(all.id)).toMatchObject({ status: 409, body: { code: 'endpoint_off' } });
  for (const { id } of [all, some]) await switchTo(id, true);
  expect((await recover(some.id)).body).toMatchObject({ deliveries: 1 });
  expect((await recover(all.id)).body).toMatchObject({ deliveries: 3 });
  const types = ['payment.created', 'payment.processing', 'payment.succeeded'];
  const told = (await listWaiting(all.id)).map(({ type }) => type);
  expect(told).toEqual([...types, 'endpoint.test']);
  expect(await listWaiting(some.id)).toMatchObject([{ type: 'payment.succeeded', run: 1 }]);
  expect((await recover(all.id, new Date(Date.now() + 60_000))).body).toMatchObject({
    deliveries: 0,
  });
});

test('thousands are recovered, none twice', async () => {
  const { body } = await create();
  await api.database.queryAsOwner(
    `INSERT INTO outgoing_events (id, merchant_id, type, data)
     SELECT new_id('msg'), $1, 'payment.succeeded', '{}' FROM generate_series(1, 2345)`,
    [MERCHANT.id],
  );
  expect((await recover(body.id)).body).toMatchObject({ deliveries: 2345 });
  expect(await listWaiting(body.id)).toHaveLength(2345);
  expect((await recover(body.id)).body).toMatchObject({ deliveries: 0 });
});

/** Of another merchant, which no recovery of ours may bring. */
async function ensureForeignEvent(merchantId: string): Promise<void> {
  await api.database.queryAsOwner(
    `INSERT INTO outgoing_events (id, merchant_id, type, data)
     VALUES (new_id('msg'), $1, 'payment.succeeded', '{}')`,
    [merchantId],
  );
}

test('events are listed in order, page by page, of one merchant only', async () => {
  const payment = await storePaymentIn(api.pool, 'succeeded');
  // They are shown once no older transaction of the server is open; other tests run there too.
  for (let tries = 0; tries < 1_200; tries += 1) {
    const { body } = await api.send('GET', '/api/v1/events');
    if (body.data.some(({ type }) => type === 'payment.succeeded')) break;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  const seen: unknown[] = [];
  let cursor = '';
  for (let page = 0; page < 10; page += 1) {
    const { body } = await api.send('GET', `/api/v1/events?limit=1${cursor}`);
    seen.push(...body.data.map(({ type }) => type));
    if (body.next_cursor === null) break;
    cursor = `&cursor=${body.next_cursor}`;
  }
  expect(seen.filter((type) => type !== 'payment.updated')).toEqual([
    'payment.created',
    'payment.processing',
    'payment.succeeded',
  ]);
  const { body } = await api.send('GET', `/api/v1/events?payment_id=${payment.id}`);
  const [event] = body.data;
  expect((await api.send('GET', `/api/v1/events/${event?.id}`)).body).toEqual(event);
  const other = await api.openMerchant();
  expect((await other.send('GET', '/api/v1/events')).body.data).toEqual([]);
  expect((await other.send('GET', `/api/v1/events/${event?.id}`)).status).toBe(404);
  expect((await api.send('GET', `/api/v1/events/${newId('message')}`)).status).toBe(404);
  expect((await api.send('GET', '/api/v1/events?cursor=x')).status).toBe(400);
});
