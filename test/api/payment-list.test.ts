import { sealCustomer } from '../../db/customers.ts';
import { newId } from '../../db/ids.ts';
import type { NewPayment } from '../../db/payments.ts';
import type { PaymentStatus } from '../../domain/payment-states.ts';
import { storePaymentIn, VAULT } from '../factories.ts';
import { openTestApi, type TestApi } from './server.ts';

/** GET /api/v1/payments, and how an operator sees why a payment stands where it does. */
let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
});
afterAll(() => api.close());

const PHONE = '+254712340001';
async function storeAll(): Promise<Record<string, string>> {
  const ids: Record<string, string> = {};
  const store = async (name: string, status: PaymentStatus, more: Partial<NewPayment> = {}) => {
    const id = newId('payment');
    const phone = name === 'phone' ? PHONE : null;
    const customer = sealCustomer(VAULT, id, { id: null, phone, email: null, name: null });
    ids[name] = (await storePaymentIn(api.pool, status, { id, customer, ...more })).id;
  };
  await store('paid', 'succeeded', { reference: 'ORDER-1' });
  await store('open', 'processing', { reference: 'ORDER-2' });
  await store('card', 'succeeded', { provider: 'cpay', reference: 'ORDER-2' });
  await store('failed', 'failed');
  await store('phone', 'needs_review');
  return ids;
}

let ids: Record<string, string>;
beforeAll(async () => {
  ids = await storeAll();
  const other = await api.openMerchant();
  await storePaymentIn(api.pool, 'succeeded', { merchantId: other.id, reference: 'ORDER-1' });
});
const list = (query: string) => api.send('GET', `/api/v1/payments?${query}`);
const nameOf = (id: string) => Object.keys(ids).find((name) => ids[name] === id);
const namesOf = async (query: string) => {
  const { status, body } = await list(query);
  if (status !== 200) throw new Error(`${status}: ${body.detail}`);
  return body.data.map(({ id }) => nameOf(id));
};

test.each([
  ['', ['phone', 'failed', 'card', 'open', 'paid']],
  ['status=succeeded', ['card', 'paid']],
  ['status=processing,needs_review', ['phone', 'open']],
  ['provider=cpay', ['card']],
  ['provider=stripe', []],
  ['reference=ORDER-2', ['card', 'open']],
  ['reference=ORDER-2&provider=mpesa', ['open']],
  ['phone=0712340001', ['phone']],
  ['phone=%2B254%20712%20340001', ['phone']],
  ['phone=254712340002', []],
  ['created_from=2020-01-01T00:00:00Z', ['phone', 'failed', 'card', 'open', 'paid']],
  ['created_before=2020-01-01T03:00:00%2B03:00', []],
])('the filter %s finds ours alone, newest first', async (query, names) => {
  expect(await namesOf(query)).toEqual(names);
});

test.each([1, 2, 3, 5])('pages of %i hold every payment once', async (limit) => {
  const seen: string[] = [];
  let next = '';
  for (let page = 1; page <= Math.ceil(5 / limit); page += 1) {
    const { body } = await list(`limit=${limit}${next}`);
    seen.push(...body.data.map(({ id }) => nameOf(id) ?? id));
    expect(body.has_more).toBe(seen.length < 5);
    expect(typeof body.next_cursor).toBe(body.has_more === true ? 'string' : 'object');
    next = `&cursor=${body.next_cursor}`;
  }
  expect(seen).toEqual(['phone', 'failed', 'card', 'open', 'paid']);
});

test('a payment that comes while one turns the pages moves nothing', async () => {
  const first = await list('limit=2&reference=ORDER-3');
  expect(first.body).toMatchObject({ data: [], has_more: false, next_cursor: null });
  const { body } = await list('limit=2&provider=mpesa');
  const other = await storePaymentIn(api.pool, 'processing', { currency: 'KES' });
  const rest = await list(`limit=2&provider=mpesa&cursor=${body.next_cursor}`);
  expect(rest.body.data.map(({ id }) => nameOf(id))).toEqual(['open', 'paid']);
  expect((await list('limit=1')).body.data[0]?.id).toBe(other.id);
});

const cursorOf = (text: string) => Buffer.from(text).toString('base64url');
test.each([
  ['cursor=nonsense', '/cursor'],
  ['cursor=', '/cursor'],
  [`cursor=${cursorOf("pay_' OR 1=1")}`, '/cursor'],
  [`cursor=${cursorOf(newId('refund'))}`, '/cursor'],
  ['limit=0', '/limit'],
  ['limit=101', '/limit'],
  ['limit=two', '/limit'],
  ['status=paid', '/status'],
  ['status=', '/status'],
  ['provider=paypal', '/provider'],
  ['created_from=yesterday', '/created_from'],
  ['created_before=2026-01-01', '/created_before'],
  ['created_from=0000-01-01T00:00:00Z', '/created_from'],
  ['phone=0712', '/phone'],
  ['amount=100', '/amount'],
  ['limit=1&limit=2', '/limit'],
])('%s is refused and named', async (query, pointer) => {
  expect(await list(query)).toMatchObject({
    status: 400,
    body: { code: 'invalid_request', errors: [{ pointer }] },
  });
});

test('any offset of a time is taken', async () => {
  expect((await list('created_from=2026-01-01T00:00:00%2B23:59')).status).toBe(200);
});

test('a phone of any country may be looked for', async () => {
  expect(await list('phone=%2B14155550100')).toMatchObject({ status: 200, body: { data: [] } });
});

test('the timeline tells the story in order', async () => {
  const { body } = await api.send('GET', `/api/v1/payments/${ids.paid}/timeline`);
  expect(body.data.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
  expect(body.data.map(({ to }) => to)).toEqual(['created', 'processing', 'succeeded']);
});

test('with Temporal there, the execution shows what is being tried', async () => {
  const nextTryAt = '2026-11-24T08:15:09.999Z';
  const tried = {
    type: 'charge',
    attempt: 3,
    lastError: 'timeout',
    nextTryAt,
    state: 'retrying' as const,
  };
  const asked = {
    type: 'lookup',
    attempt: 1,
    attemptsMax: 5,
    lastError: null,
    nextTryAt: null,
    state: 'running' as const,
  };
  api.engine.execution = {
    status: 'running',
    historyLength: 17,
    activities: [{ ...tried, attemptsMax: null }, asked],
  };
  const { status, body } = await api.send('GET', `/api/v1/payments/${ids.phone}/execution`);
  expect(status).toBe(200);
  expect(body).toMatchObject({
    object: 'execution',
    payment_id: ids.phone,
    status: 'needs_review',
    workflow: { status: 'running', history_length: 17, url: null },
    activities: [
      {
        type: 'charge',
        attempt: 3,
        attempts_max: null,
        last_error: 'timeout',
        next_try_at: nextTryAt,
        state: 'retrying',
      },
      {
        type: 'lookup',
        attempt: 1,
        attempts_max: 5,
        last_error: null,
        next_try_at: null,
        state: 'running',
      },
    ],
  });
});

test('a review shows no time that is past', async () => {
  api.engine.execution = { status: 'running', historyLength: 5, activities: [] };
  await api.database.queryAsOwner(
    "UPDATE payments SET waiting_for = 'review', wait_until = now() - interval '1 day' WHERE id = $1",
    [ids.phone],
  );
  const { body } = await api.send('GET', `/api/v1/payments/${ids.phone}/execution`);
  expect(body).toMatchObject({
    status: 'needs_review',
    waiting_for: 'review',
    wait_until: null,
    workflow: { id: expect.stringMatching(/^payment-/), status: 'running', history_length: 5 },
  });
});

test('with Temporal away it still shows what the payment waits for', async () => {
  api.engine.workflows = 'away';
  const { status, body } = await api.send('GET', `/api/v1/payments/${ids.paid}/execution`);
  api.engine.reset();
  expect(status).toBe(200);
  expect(body).toMatchObject({
    status: 'succeeded',
    explanation: expect.stringContaining('nothing is awaited'),
    activities: [],
    workflow: { status: 'unknown', history_length: null },
  });
});
