import { ensureMerchant } from '../../db/merchants.ts';
import type { Pool } from '../../db/pool.ts';
import {
  insertWebhookEvent,
  listUndelivered,
  markDelivered,
  markWebhookEvent,
  openBody,
  sealBody,
} from '../../db/webhook-events.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { MERCHANT, makeOutcome, makeWebhookEvent, storePayment, VAULT } from '../factories.ts';

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  await ensureMerchant(pool, MERCHANT);
});
beforeEach(() => database.queryAsOwner('TRUNCATE webhook_events'));
afterAll(() => database.close());

const findRow = async (id: string) =>
  (await database.queryAsOwner('SELECT * FROM webhook_events WHERE id = $1', [id]))[0];

const ACCOUNTS = [
  { provider: 'stripe', account: 'config:pcf_1', isIts: true },
  { provider: 'stripe', account: null, isIts: true },
  { provider: 'stripe', account: 'env:stripe', isIts: false },
  { provider: 'stripe', account: 'config:pcf_2', isIts: false },
  { provider: 'stripe', account: 'config:pcf_1@3', isIts: false },
  { provider: 'cpay', account: 'config:pcf_1', isIts: false },
];
test.each(ACCOUNTS)(
  'of a payment of Stripe’s account pcf_1, $account of $provider may speak: $isIts',
  async ({ provider, account, isIts }) => {
    const ofStripe = { provider: 'stripe', credentialsRef: 'config:pcf_1@3' };
    const payment = await storePayment(pool, ofStripe);
    const { workflowId } = payment;
    const callback = makeWebhookEvent({ provider, account, workflowId });
    const { event } = await insertWebhookEvent(pool, callback);
    expect(event.payment_id).toBe(isIts ? payment.id : null);
  },
);

test('a callback is kept with what it says and how it was verified', async () => {
  const payment = await storePayment(pool);
  const { workflowId } = payment;
  const callback = makeWebhookEvent({ workflowId, headers: { 'user-agent': 'Daraja' } });
  expect(await insertWebhookEvent(pool, callback)).toEqual({
    inserted: true,
    repeats: 0,
    event: {
      id: callback.id,
      provider: 'mpesa',
      account: null,
      event_key: callback.eventKey,
      status: 'received',
      workflow_id: workflowId,
      payment_id: payment.id,
      event: makeOutcome('succeeded'),
      replay_count: 0,
    },
  });
  expect(await findRow(callback.id)).toMatchObject({
    headers: { 'user-agent': 'Daraja' },
    verified_by: 'token',
    remote_address: '127.0.0.1',
    duplicate_count: 0,
    delivery_count: 0,
    delivered_at: null,
  });
});

test('a callback of no known payment is kept too', async () => {
  const callback = makeWebhookEvent({ workflowId: 'payment-unknown', event: null });
  const { event } = await insertWebhookEvent(pool, { ...callback, status: 'parked', error: 'odd' });
  expect(event).toMatchObject({ status: 'parked', payment_id: null, event: null });
  expect(await findRow(callback.id)).toMatchObject({ error: 'odd' });
});

test('duplicates are counted, and each is told which one was first', async () => {
  const first = makeWebhookEvent({ eventKey: 'ws_CO_1' });
  await insertWebhookEvent(pool, first);
  for (let turn = 0; turn < 3; turn += 1) {
    const again = await insertWebhookEvent(pool, makeWebhookEvent({ eventKey: 'ws_CO_1' }));
    expect(again).toMatchObject({ inserted: false, event: { id: first.id } });
  }
  expect(await findRow(first.id)).toMatchObject({ duplicate_count: 3 });
  expect(await database.queryAsOwner('TABLE webhook_events')).toHaveLength(1);
});

test('of 20 duplicates at once exactly one is the first', async () => {
  const results = await Promise.all(
    Array.from({ length: 20 }, () =>
      insertWebhookEvent(pool, makeWebhookEvent({ eventKey: 'ws_CO_1' })),
    ),
  );
  expect(results.filter(({ inserted }) => inserted)).toHaveLength(1);
  const [row] = await database.queryAsOwner('TABLE webhook_events');
  expect(row).toMatchObject({ duplicate_count: 19 });
});

test('the same row stored again, after a lost answer, still counts as the first', async () => {
  const callback = makeWebhookEvent();
  await insertWebhookEvent(pool, callback);
  expect(await insertWebhookEvent(pool, callback)).toMatchObject({ inserted: true });
});

test('a duplicate does not undo what became of the first', async () => {
  const first = makeWebhookEvent({ eventKey: 'ws_CO_1' });
  await insertWebhookEvent(pool, first);
  await markWebhookEvent(pool, { eventId: first.id, status: 'applied', note: null }, null);
  const again = await insertWebhookEvent(pool, makeWebhookEvent({ eventKey: 'ws_CO_1' }));
  expect(again.event.status).toBe('applied');
});

test('the same key from two providers is two callbacks', async () => {
  await insertWebhookEvent(pool, makeWebhookEvent({ eventKey: 'k' }));
  const other = makeWebhookEvent({ eventKey: 'k', provider: 'cpay' });
  expect(await insertWebhookEvent(pool, other)).toMatchObject({ inserted: true });
});

test('the body opens byte for byte, from the row as well, and for its own event only', async () => {
  const body = Buffer.from([0, 255, 10, 34, 0xc3, 0x28]);
  const callback = makeWebhookEvent();
  const bodyCipher = sealBody(VAULT, callback.id, body);
  await insertWebhookEvent(pool, { ...callback, bodyCipher });
  const row = await findRow(callback.id);
  expect(openBody(VAULT, callback.id, row?.body_cipher)).toEqual(body);
  expect(() => openBody(VAULT, makeWebhookEvent().id, row?.body_cipher)).toThrow();
});

async function storeAged(
  receivedAgo: string,
  changes: Parameters<typeof makeWebhookEvent>[0] = {},
): Promise<string> {
  const callback = makeWebhookEvent(changes);
  await insertWebhookEvent(pool, callback);
  await database.queryAsOwner(
    'UPDATE webhook_events SET received_at = now() - $2::interval WHERE id = $1',
    [callback.id, receivedAgo],
  );
  return callback.id;
}
const listIds = async (limit = 100) =>
  (await listUndelivered(pool, 10_000, limit)).map(({ id }) => id);

test('undelivered are those received a while ago, oldest first, up to the limit', async () => {
  const [young, old, older] = [
    await storeAged('1 second'),
    await storeAged('11 seconds'),
    await storeAged('1 hour'),
  ];
  expect(await listIds()).toEqual([older, old]);
  expect(await listIds(1)).toEqual([older]);
  expect(await listIds()).not.toContain(young);
});

test('what was applied or parked is not delivered again', async () => {
  const [applied, parked] = [await storeAged('1 hour'), await storeAged('1 hour')];
  await markWebhookEvent(pool, { eventId: applied, status: 'applied', note: null }, null);
  await markWebhookEvent(pool, { eventId: parked, status: 'parked', note: 'odd' }, null);
  await storeAged('1 hour', { status: 'parked' });
  expect(await listIds()).toEqual([]);
});

test('what Temporal took over but nobody applied comes back after a minute', async () => {
  const id = await storeAged('1 hour');
  await markDelivered(pool, id);
  expect(await listIds()).toEqual([]);
  await database.queryAsOwner(
    "UPDATE webhook_events SET delivered_at = now() - interval '61 seconds' WHERE id = $1",
    [id],
  );
  expect(await listIds()).toEqual([id]);
  await markDelivered(pool, id);
  expect(await findRow(id)).toMatchObject({ delivery_count: 2 });
});

// table
test.each([
  [1, '59 seconds', false],
  [2, '61 seconds', false],
  [2, '121 seconds', true],
  [4, '7 minutes', false],
  [4, '9 minutes', true],
  [200, '59 minutes', false],
  [200, '61 minutes', true],
] as const)(
  'told %i times and never applied, it is told again after a longer pause each time: %s, %s',
  async (times, ago, isDue) => {
    const id = await storeAged('30 days');
    await database.queryAsOwner(
      `UPDATE webhook_events SET delivery_count = $2, delivered_at = now() - $3::interval
       WHERE id = $1`,
      [id, times, ago],
    );
    expect(await listIds()).toEqual(isDue ? [id] : []);
  },
);

test('applied stays applied; parked can still be applied, and finds its payment', async () => {
  const payment = await storePayment(pool);
  const { event } = await insertWebhookEvent(pool, makeWebhookEvent());
  await markWebhookEvent(pool, { eventId: event.id, status: 'parked', note: 'early' }, null);
  expect(await findRow(event.id)).toMatchObject({ status: 'parked', error: 'early' });
  await markWebhookEvent(pool, { eventId: event.id, status: 'applied', note: null }, payment.id);
  await markWebhookEvent(pool, { eventId: event.id, status: 'parked', note: 'late' }, null);
  expect(await findRow(event.id)).toMatchObject({
    status: 'applied',
    error: null,
    payment_id: payment.id,
    applied_at: expect.any(Date),
  });
});

test('a parked callback has no time of being applied', async () => {
  const { event } = await insertWebhookEvent(pool, makeWebhookEvent());
  await markWebhookEvent(pool, { eventId: event.id, status: 'parked', note: 'odd' }, null);
  expect(await findRow(event.id)).toMatchObject({ applied_at: null });
});
