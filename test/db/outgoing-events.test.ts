import pg from 'pg';
import { sealCustomer } from '../../db/customers.ts';
import { newId } from '../../db/ids.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { findLatestCursor, listEvents } from '../../db/outgoing-events.ts';
import { EVENT_TYPES } from '../../domain/outgoing-event.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { MERCHANT, storePaymentIn, VAULT } from '../factories.ts';

const CUSTOMER = {
  id: 'shopper-7',
  phone: '+254712345678',
  email: 'amina@example.com',
  name: 'Amina Wanjiru',
};

let database: TestDatabase;
beforeEach(async () => {
  database = await openTestDatabase();
  await ensureMerchant(database.pool, MERCHANT);
});
afterEach(() => database.close());

const listAll = (after: string | null = null) =>
  listEvents(database.pool, { merchantId: null, paymentId: null, after, limit: 1000 });

/** Events are shown once no older transaction of the server is open; other tests run there too. */
async function listWhen(count: number, after: string | null = null) {
  for (let tries = 0; tries < 1_200; tries += 1) {
    const events = await listAll(after);
    if (events.length >= count) return events;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`there are no ${count} events`);
}
const countAll = async () => (await database.queryAsOwner('SELECT id FROM outgoing_events')).length;

test('each change of a payment is told once, in order, and with nothing personal', async () => {
  const id = newId('payment');
  const customer = sealCustomer(VAULT, id, CUSTOMER);
  const payment = await storePaymentIn(database.pool, 'succeeded', { id, customer });
  const events = await listWhen(await countAll());
  expect(events.map(({ type }) => type).filter((type) => !type.endsWith('updated'))).toEqual([
    'payment.created',
    'payment.processing',
    'payment.succeeded',
  ]);
  for (const event of events) {
    expect(Object.keys(EVENT_TYPES)).toContain(event.type);
    expect(event).toMatchObject({ merchant_id: MERCHANT.id, payment_id: payment.id });
  }
  const amount_text = 'KES 100.00';
  expect(events.at(-1)?.data).toMatchObject({ status: 'succeeded', amount: 10_000, amount_text });
  const told = JSON.stringify(events);
  const { phoneMasked, emailMasked, nameMasked } = customer;
  const masked = [phoneMasked, emailMasked, nameMasked];
  for (const part of ['712345678', ...Object.values(CUSTOMER), ...masked, 'phone', 'customer']) {
    expect(told).not.toContain(part);
  }
});

test('a reader that goes on from its cursor misses nothing that commits late', async () => {
  const { pool } = database;
  const { id } = await storePaymentIn(pool, 'processing');
  const before = (await listWhen(await countAll())).at(-1)?.cursor ?? null;
  const other = new pg.Client({ connectionString: database.adminUrl });
  await other.connect();
  // Its event is numbered now, and committed after that of the payment below.
  await other.query('BEGIN');
  await other.query("UPDATE payments SET waiting_for = 'lookup' WHERE id = $1", [id]);
  await storePaymentIn(pool, 'created');
  expect(await listAll(before)).toEqual([]);
  await other.query('COMMIT');
  await other.end();
  const types = (await listWhen(2, before)).map(({ type }) => type);
  expect(types).toEqual(['payment.updated', 'payment.created']);
});

test('from the latest cursor on only what is new is read', async () => {
  await storePaymentIn(database.pool, 'processing');
  await listWhen(await countAll());
  const cursor = await findLatestCursor(database.pool);
  expect(await listAll(cursor)).toEqual([]);
  await storePaymentIn(database.pool, 'created');
  expect(await listWhen(1, cursor)).toMatchObject([{ type: 'payment.created' }]);
});

test('a write that changes nothing visible tells nothing', async () => {
  await storePaymentIn(database.pool, 'processing');
  const before = await countAll();
  await database.queryAsOwner('UPDATE payments SET updated_at = now()');
  expect(await countAll()).toBe(before);
});
