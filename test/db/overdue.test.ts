import { countOpenPayments } from '../../db/business-metrics.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { listStuck } from '../../db/payments.ts';
import type { Pool } from '../../db/pool.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { MERCHANT, storePaymentIn } from '../factories.ts';

/** What is listed as stuck is counted as overdue: an alert leads to a list that holds its cause. */
let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  await ensureMerchant(pool, MERCHANT);
});
beforeEach(() => database.changeBehindTheTrigger('TRUNCATE payments CASCADE'));
afterAll(() => database.close());

const GRACE_MS = 60_000;

// biome-ignore format: table, one case per line
test.each([
  { what: 'sent, its worker lost', status: 'processing', waits: 'provider_answer', wait: null, age: '12 minutes', isOverdue: true },
  { what: 'sent right now', status: 'processing', waits: 'provider_answer', wait: null, age: '9 minutes', isOverdue: false },
  { what: 'never taken up', status: 'created', waits: null, wait: null, age: '12 minutes', isOverdue: true },
  { what: 'overdue beyond its word', status: 'processing', waits: 'callback', wait: '2 minutes', age: '1 hour', isOverdue: true },
  { what: 'overdue as it said', status: 'authorized', waits: 'capture', wait: '-1 day', age: '1 day', isOverdue: false },
  { what: 'held by an operator', status: 'processing', waits: 'resume', wait: null, age: '1 day', isOverdue: false },
  { what: 'in review without an end', status: 'needs_review', waits: 'review', wait: null, age: '1 day', isOverdue: false },
  { what: 'in review, and asked about', status: 'needs_review', waits: 'review', wait: '1 hour', age: '1 day', isOverdue: false },
] as const)('$what: $isOverdue, in the list and in the figure', async (one) => {
  const { id } = await storePaymentIn(pool, one.status);
  await database.queryAsOwner(
    `UPDATE payments SET waiting_for = $2, wait_until = now() - $3::interval,
       updated_at = now() - $4::interval WHERE id = $1`,
    [id, one.waits, one.wait, one.age],
  );
  const stuck = await listStuck(pool, GRACE_MS, 100, null);
  const figures = await countOpenPayments(pool);
  expect(stuck.map((it) => it.id)).toEqual(one.isOverdue ? [id] : []);
  expect(figures).toMatchObject([
    { provider: 'mpesa', status: one.status, payments: 1, overdue: one.isOverdue ? 1 : 0 },
  ]);
});
