import { readPolicies } from '../../config/policies.ts';
import { makeApiKey } from '../../db/api-key.ts';
import { ensureApiKey } from '../../db/merchants.ts';
import { POLICY_DEFAULTS } from '../../providers/index.ts';
import { storePaymentIn } from '../factories.ts';
import { openTestApi, type Send, type TestApi } from './server.ts';

/** How many endpoints a merchant may have, and how often it may ask for what was sent already. */
const { delivery_limits } = readPolicies(POLICY_DEFAULTS, null);
const ENDPOINTS_MAX = delivery_limits.endpoints_max;

let api: TestApi;
beforeAll(async () => {
  const few = { requests: 3, per_ms: 3_600_000 };
  api = await openTestApi({ rateLimits: { recover: few, resend: few } });
}, 60_000);
afterAll(() => api.close());

const PATH = '/api/v1/webhook-endpoints';
const create = (send: Send, path: string, more: object = {}) =>
  send('POST', PATH, { body: { url: `https://shop.example.test/${path}`, ...more } });
const inParallel = <T>(count: number, make: (nth: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, nth) => make(nth)));
const listAll = async (send: Send) => (await send('GET', `${PATH}?limit=100`)).body.data;

test('the same address again answers with the first as it is, without its secret', async () => {
  const { send } = await api.openMerchant();
  const first = await create(send, 'receiver', { event_types: ['payment.succeeded'] });
  expect([first.status, first.body.secret]).toEqual([201, expect.stringMatching(/^whsec_/)]);
  await send('PATCH', `${PATH}/${first.body.id}`, { body: { active: false } });
  const again = await create(send, '../receiver', { description: 'once more' });
  const { body: shown } = await send('GET', `${PATH}/${first.body.id}`);
  expect([again.status, again.body]).toEqual([200, { ...shown, secret: null }]);
  expect(shown).toMatchObject({ active: false, description: null });
  expect(await listAll(send)).toHaveLength(1);
  const other = await api.openMerchant();
  expect((await create(other.send, 'receiver')).status).toBe(201);
});

test('the address of a deleted endpoint is free, for another one with its own secret', async () => {
  const { send } = await api.openMerchant();
  const { body: first } = await create(send, 'receiver');
  await send('DELETE', `${PATH}/${first.id}`);
  const { status, body } = await create(send, 'receiver');
  expect([status, body.id === first.id, body.secret === first.secret]).toEqual([201, false, false]);
});

test('of many creations of one address at once one makes it, and all answer with it', async () => {
  const { send } = await api.openMerchant();
  const answers = await inParallel(10, () => create(send, 'receiver'));
  const others = answers.filter(({ status }) => status !== 201);
  expect(others.map(({ status }) => status)).toEqual(Array.from({ length: 9 }, () => 200));
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  expect(answers.filter(({ body }) => body.secret !== null)).toHaveLength(1);
});

test('a merchant has so many endpoints and no more, also if it creates them at once', async () => {
  const { send } = await api.openMerchant();
  const answers = await inParallel(ENDPOINTS_MAX + 5, (nth) => create(send, `receiver/${nth}`));
  const refused = answers.filter(({ status }) => status !== 201);
  expect(refused).toHaveLength(5);
  for (const { status, body } of refused) {
    expect([status, body.code]).toEqual([409, 'limit_reached']);
    expect(body.detail).toContain(`at most ${ENDPOINTS_MAX}`);
  }
  const [newest] = await listAll(send);
  // One that is there still answers; one that is switched off counts; one that is deleted does not.
  const made = answers.findIndex(({ status }) => status === 201);
  expect((await create(send, `receiver/${made}`)).status).toBe(200);
  await send('PATCH', `${PATH}/${newest?.id}`, { body: { active: false } });
  expect((await create(send, 'one-more')).status).toBe(409);
  await send('DELETE', `${PATH}/${newest?.id}`);
  expect((await create(send, 'one-more')).status).toBe(201);
});

test('an endpoint takes no address that another one has', async () => {
  const { send } = await api.openMerchant();
  await create(send, 'taken');
  const { body: mine } = await create(send, 'mine');
  const move = (path: string) =>
    send('PATCH', `${PATH}/${mine.id}`, { body: { url: `https://shop.example.test/${path}` } });
  expect(await move('taken')).toMatchObject({ status: 409, body: { code: 'url_taken' } });
  expect((await move('mine')).status).toBe(200);
  const racing = await create(send, 'racing');
  const moves = await Promise.all([
    move('free'),
    send('PATCH', `${PATH}/${racing.body.id}`, { body: { url: 'https://shop.example.test/free' } }),
  ]);
  expect(new Set(moves.map(({ status }) => status))).toEqual(new Set([200, 409]));
});

test('endpoints are listed page by page, and none is left out', async () => {
  const { send } = await api.openMerchant();
  const made = await inParallel(8, (nth) => create(send, `receiver/${nth}`));
  const seen: string[] = [];
  let cursor = '';
  for (let page = 0; page < 4; page += 1) {
    const { body } = await send('GET', `${PATH}?limit=3${cursor}`);
    expect(body.data.length).toBeLessThanOrEqual(3);
    seen.push(...body.data.map(({ id }) => id));
    if (body.next_cursor === null) break;
    cursor = `&cursor=${body.next_cursor}`;
  }
  const ids = made.map(({ body }) => body.id);
  expect(seen).toEqual(ids.toSorted().toReversed());
});

/** Keys of one merchant, and an endpoint of it with a delivery that has ended. */
async function openWithDelivery() {
  const { id, send } = await api.openMerchant();
  const apiKey = makeApiKey('test');
  await ensureApiKey(api.pool, { merchantId: id, apiKey });
  const headers = { authorization: `Bearer ${apiKey}` };
  const { body: endpoint } = await create(send, 'receiver');
  await storePaymentIn(api.pool, 'created', { merchantId: id });
  const delivery = (await send('GET', '/api/v1/deliveries')).body.data[0];
  const byOtherKey: Send = (method, path, sending) => send(method, path, { ...sending, headers });
  return { endpointId: endpoint.id, deliveryId: delivery?.id, keys: [send, byOtherKey] as const };
}

test.each([
  ['recover', 202, 'recover'],
  ['test', 202, 'resend'],
  ['resend', 202, 'resend'],
] as const)('%s is limited for a merchant, whatever key asks', async (what, status, limit) => {
  const limited = await openWithDelivery();
  const other = await openWithDelivery();
  const ask = (merchant: typeof limited, key: 0 | 1) => {
    const path =
      what === 'resend'
        ? `deliveries/${merchant.deliveryId}`
        : `webhook-endpoints/${merchant.endpointId}`;
    const sending = what === 'recover' ? { body: { since: '2026-01-01T00:00:00Z' } } : {};
    return merchant.keys[key]('POST', `/api/v1/${path}/${what}`, sending);
  };
  for (const key of [0, 1, 0] as const) expect((await ask(limited, key)).status).toBe(status);
  for (const key of [1, 0] as const) {
    const refused = await ask(limited, key);
    expect(refused).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
    expect(refused.body.detail).toContain('at most 3');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3_000);
  }
  expect((await ask(other, 0)).status).toBe(status);
  const rows = await api.database.queryAsOwner<{ key: string }>(
    'SELECT key FROM rate_limits WHERE key LIKE $1',
    [`${limit}:mer_%`],
  );
  expect(rows.length).toBeGreaterThan(0);
});

test('what is refused before it costs anything is not counted', async () => {
  const { endpointId, keys } = await openWithDelivery();
  const [send] = keys;
  const path = `${PATH}/${endpointId}`;
  const recover = () =>
    send('POST', `${path}/recover`, { body: { since: '2026-01-01T00:00:00Z' } });
  await send('PATCH', path, { body: { active: false } });
  for (let asked = 0; asked < 5; asked += 1) expect((await recover()).status).toBe(409);
  await send('PATCH', path, { body: { active: true } });
  expect((await recover()).status).toBe(202);
});
