import { recordDispute } from '../../db/disputes.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { listStuck } from '../../db/payments.ts';
import type { Pool } from '../../db/pool.ts';
import {
  listOverduePayments,
  listOverdueRefunds,
  listParkedMoney,
  markSwept,
  SWEPT_PAYMENTS,
  SWEPT_REFUNDS,
} from '../../db/sweep.ts';
import { insertWebhookEvent, listUndelivered } from '../../db/webhook-events.ts';
import { isClosed, PAYMENT_STATUSES } from '../../domain/payment-states.ts';
import { isRefundClosed, REFUND_STATUSES } from '../../domain/refund-states.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import {
  MERCHANT,
  makeWebhookEvent,
  storePayment,
  storePaymentIn,
  storeRefund,
} from '../factories.ts';

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  await ensureMerchant(pool, MERCHANT);
});
beforeEach(async () => {
  await database.changeBehindTheTrigger('TRUNCATE payments CASCADE');
  await database.queryAsOwner('TRUNCATE webhook_events');
});
afterAll(() => database.close());

type Table = 'payments' | 'refunds' | 'webhook_events';
const AGED = { payments: 'updated_at', refunds: 'updated_at', webhook_events: 'received_at' };
const setAge = (table: Table, id: string, age: string) =>
  database.queryAsOwner(`UPDATE ${table} SET ${AGED[table]} = now() - $2::interval WHERE id = $1`, [
    id,
    age,
  ]);
const setSeen = (table: Table, id: string, age: string) =>
  database.queryAsOwner(`UPDATE ${table} SET swept_at = now() - $2::interval WHERE id = $1`, [
    id,
    age,
  ]);
const idsOf = (rows: readonly { readonly id: string }[]) => rows.map(({ id }) => id);
const overdueIds = async (status: (typeof SWEPT_PAYMENTS)[number], limit = 100) =>
  idsOf(await listOverduePayments(pool, status, 15_000, limit));

test('each open status has its queue, and no closed one has', () => {
  expect(SWEPT_PAYMENTS).toEqual(PAYMENT_STATUSES.filter((status) => !isClosed(status)));
  expect(SWEPT_REFUNDS).toEqual(REFUND_STATUSES.filter((status) => !isRefundClosed(status)));
});

test.each([
  { table: 'payments', statuses: SWEPT_PAYMENTS },
  { table: 'refunds', statuses: SWEPT_REFUNDS },
])('the index of $table covers their queues', async ({ table, statuses }) => {
  const [row] = await database.queryAsOwner<{ indexdef: string }>(
    'SELECT indexdef FROM pg_indexes WHERE indexname = $1',
    [`${table}_to_sweep`],
  );
  const words = [...(row?.indexdef ?? '').matchAll(/'([^']*)'/g)].map(([, word]) => word ?? '');
  expect(words.sort()).toEqual([...statuses].sort());
});

test('unstarted are those left in created for a while, oldest first, up to the limit', async () => {
  const young = await storePayment(pool);
  const [old, older] = [await storePayment(pool), await storePayment(pool)];
  await setAge('payments', young.id, '5 seconds');
  await setAge('payments', old.id, '16 seconds');
  await setAge('payments', older.id, '1 day');
  expect(await overdueIds('created')).toEqual([older.id, old.id]);
  expect(await overdueIds('created', 1)).toEqual([older.id]);
  expect(await listOverduePayments(pool, 'created', 15_000, 1)).toEqual([
    { id: older.id, workflow_id: older.workflowId, is_sent: false },
  ]);
});

const SILENCES = [
  { age: '50 minutes', wait: '5 seconds', seen: null, isDue: false },
  { age: '50 minutes', wait: '16 seconds', seen: null, isDue: true },
  { age: '50 minutes', wait: '1 hour', seen: '30 seconds', isDue: false },
  { age: '50 minutes', wait: '1 hour', seen: '61 seconds', isDue: true },
  { age: '10 minutes 5 seconds', wait: null, seen: null, isDue: false },
  { age: '10 minutes 16 seconds', wait: null, seen: null, isDue: true },
  // It may wait for days, and is looked at each hour all the same.
  { age: '59 minutes', wait: '-1 day', seen: null, isDue: false },
  { age: '61 minutes', wait: '-1 day', seen: null, isDue: true },
  { age: '1 day', wait: '-1 day', seen: '59 minutes', isDue: false },
  { age: '1 day', wait: '-1 day', seen: '61 minutes', isDue: true },
] as const;

test.each(SILENCES)(
  'overdue for $age, its wait over since $wait, seen $seen ago: due is $isDue',
  async ({ age, wait, seen, isDue }) => {
    const { id } = await storePaymentIn(pool, 'authorized');
    await setAge('payments', id, age);
    await database.queryAsOwner(
      `UPDATE payments SET wait_until = now() - $2::interval, swept_at = now() - $3::interval
       WHERE id = $1`,
      [id, wait, seen],
    );
    expect(await overdueIds('authorized')).toEqual(isDue ? [id] : []);
    expect(await overdueIds('processing')).toEqual([]);
  },
);

test('a hundred quiet reviews hide neither what is lost nor each other', async () => {
  for (let index = 0; index < 8; index += 1) {
    const { id } = await storePaymentIn(pool, 'needs_review');
    await setAge('payments', id, `${2 + index} hours`);
  }
  const lost = await storePaymentIn(pool, 'processing');
  await setAge('payments', lost.id, '1 day');
  expect(await overdueIds('processing', 5)).toEqual([lost.id]);
  expect(idsOf(await listStuck(pool, 15_000, 5, null))).toEqual([lost.id]);
  const first = await overdueIds('needs_review', 5);
  for (const id of first) await markSwept(pool, 'payments', id);
  const second = await overdueIds('needs_review', 5);
  expect([first.length, second.length]).toEqual([5, 3]);
  expect(new Set([...first, ...second]).size).toBe(8);
  for (const id of [...first, ...second]) await setSeen('payments', id, '2 minutes');
  const [again = ''] = second;
  await setSeen('payments', again, '3 minutes');
  expect((await overdueIds('needs_review', 5))[0]).toBe(again);
});

test('one that cannot be started makes way for the others', async () => {
  const [first, second] = [await storePayment(pool), await storePayment(pool)];
  await setAge('payments', first.id, '2 hours');
  await setAge('payments', second.id, '1 hour');
  expect(await overdueIds('created')).toEqual([first.id, second.id]);
  await markSwept(pool, 'payments', first.id);
  expect(await overdueIds('created')).toEqual([second.id, first.id]);
});

const addRefund = async () => storeRefund(pool, await storePaymentIn(pool, 'succeeded'));

test('refunds have queues too: one that nobody took up is behind no review', async () => {
  const list = (status: 'pending' | 'needs_review', graceMs = 15_000) =>
    listOverdueRefunds(pool, status, graceMs, 1);
  const refund = await addRefund();
  const reviewed = await addRefund();
  await database.queryAsOwner(`UPDATE refunds SET status = 'needs_review' WHERE id = $1`, [
    reviewed.id,
  ]);
  expect(await list('pending')).toEqual([]);
  await setAge('refunds', refund.id, '1 hour');
  await setAge('refunds', reviewed.id, '2 hours');
  expect(await list('pending')).toEqual([
    { id: refund.id, workflow_id: refund.workflowId, is_sent: false },
  ]);
  expect(idsOf(await list('needs_review'))).toEqual([reviewed.id]);
  for (const { id } of [refund, reviewed]) await markSwept(pool, 'refunds', id);
  expect([idsOf(await list('pending')), await list('needs_review')]).toEqual([[refund.id], []]);
  await database.queryAsOwner('UPDATE refunds SET dispatched_at = now()');
  expect(await list('pending')).toMatchObject([{ is_sent: true }]);
});

// table
test.each([
  ['50 minutes', null, false],
  ['70 minutes', null, true],
  ['3 hours', '50 minutes', false],
  ['3 hours', '70 minutes', true],
] as const)(
  'a refund in review for days is looked at each hour: %s, seen %s: %s',
  async (...it) => {
    const [age, seen, isDue] = it;
    const { id } = await addRefund();
    await database.queryAsOwner(
      `UPDATE refunds SET status = 'needs_review', waiting_for = 'review',
       wait_until = now() + interval '1 day' WHERE id = $1`,
      [id],
    );
    await setAge('refunds', id, age);
    if (seen !== null) await setSeen('refunds', id, seen);
    const overdue = await listOverdueRefunds(pool, 'needs_review', 15_000, 100);
    expect(idsOf(overdue)).toEqual(isDue ? [id] : []);
  },
);

const REFUND_SILENCES = [
  // Nobody took it up: it is started.
  { sent: false, waits: null, wait: null, age: '14 seconds', isDue: false },
  { sent: false, waits: null, wait: null, age: '16 seconds', isDue: true },
  { sent: false, waits: 'resend', wait: '14 seconds', age: '1 hour', isDue: false },
  { sent: false, waits: 'resend', wait: '16 seconds', age: '1 hour', isDue: true },
  { sent: true, waits: 'provider_answer', wait: null, age: '10 minutes 14 seconds', isDue: false },
  { sent: true, waits: 'provider_answer', wait: null, age: '10 minutes 16 seconds', isDue: true },
  { sent: true, waits: 'callback', wait: '14 seconds', age: '1 hour', isDue: false },
  { sent: true, waits: 'callback', wait: '16 seconds', age: '1 hour', isDue: true },
] as const;

test.each(REFUND_SILENCES)(
  'a refund that is sent ($sent) and waits for $waits, over since $wait, overdue for $age: $isDue',
  async ({ sent, waits, wait, age, isDue }) => {
    const { id } = await addRefund();
    await database.queryAsOwner(
      `UPDATE refunds SET waiting_for = $2, wait_until = now() - $3::interval,
         dispatched_at = CASE WHEN $4 THEN now() END WHERE id = $1`,
      [id, waits, wait, sent],
    );
    await setAge('refunds', id, age);
    const overdue = await listOverdueRefunds(pool, 'pending', 15_000, 100);
    expect(idsOf(overdue)).toEqual(isDue ? [id] : []);
  },
);

test('a callback that cannot be delivered makes way for the others', async () => {
  const [first, second] = [makeWebhookEvent(), makeWebhookEvent()];
  for (const event of [first, second]) {
    await insertWebhookEvent(pool, event);
    await setAge('webhook_events', event.id, '1 hour');
  }
  await setAge('webhook_events', first.id, '2 hours');
  expect(idsOf(await listUndelivered(pool, 10_000, 1))).toEqual([first.id]);
  await markSwept(pool, 'webhook_events', first.id);
  expect(idsOf(await listUndelivered(pool, 10_000, 1))).toEqual([second.id]);
});

const DISPUTE = {
  kind: 'dispute',
  providerDisputeId: 'dp_1',
  providerPaymentId: 'pi_1',
  status: 'open',
  amountMinor: 10_000,
  currency: 'KES',
  reason: 'fraudulent',
} as const;
const parkDispute = async (age: string) => {
  const event = makeWebhookEvent({ status: 'parked', provider: 'stripe', event: DISPUTE });
  await insertWebhookEvent(pool, event);
  await setAge('webhook_events', event.id, age);
  return event.id;
};

test('parked disputes are looked at again for a week, the longest unseen first', async () => {
  const [young, old] = [await parkDispute('1 hour'), await parkDispute('6 days')];
  await parkDispute('8 days');
  await insertWebhookEvent(pool, makeWebhookEvent({ status: 'parked' }));
  const list = async () => idsOf(await listParkedMoney(pool, 100));
  expect(await list()).toEqual([old, young]);
  await markSwept(pool, 'webhook_events', old);
  expect(await list()).toEqual([young]);
  await setSeen('webhook_events', old, '2 minutes');
  expect(await list()).toEqual([young, old]);
});

test('a dispute that is told twice is on the trail once', async () => {
  const ofStripe = { provider: 'stripe', credentialsRef: 'env:stripe' };
  const payment = await storePaymentIn(pool, 'processing', ofStripe);
  await database.queryAsOwner(`UPDATE attempts SET provider_payment_id = 'pi_1'`);
  const found = { eventId: 'evt_1', provider: 'stripe', account: 'env:stripe', dispute: DISPUTE };
  expect(await recordDispute(pool, found)).toBe('recorded');
  expect(await recordDispute(pool, found)).toBe('nothing_new');
  const rows = await database.queryAsOwner(
    `SELECT FROM audit_entries WHERE payment_id = $1 AND action = 'payment.disputed'`,
    [payment.id],
  );
  expect(rows).toHaveLength(1);
});
