import { listBrokenLinks } from '../../db/audit.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import type { Pool } from '../../db/pool.ts';
import { recordRefund } from '../../db/record-refund.ts';
import type { Payment } from '../../domain/payment.ts';
import type { Refund, RefundRecordRequest } from '../../domain/refund.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import {
  listEntries,
  MERCHANT,
  makeRefundRecord,
  reread,
  storePaymentIn,
  storeRefund,
} from '../factories.ts';

/** A refund of 40.00 failed, others took its money, and then it is said to have succeeded. */
let database: TestDatabase;
let pool: Pool;
let payment: Payment;
let late: Refund;
beforeEach(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  await ensureMerchant(pool, MERCHANT);
  payment = await reread(pool, await storePaymentIn(pool, 'succeeded'));
  late = await insert(4_000);
  await tell(late, 'failed');
});
afterEach(() => database.close());

const insert = (amountMinor: number) => storeRefund(pool, payment, { amountMinor });

function tell(refund: Refund, event: RefundRecordRequest['event'], key: string = event ?? 'note') {
  return recordRefund(
    pool,
    makeRefundRecord(refund, {
      key: `${refund.id}/${key}`,
      event,
      reviewReason: key === 'late' ? 'late_success' : null,
    }),
  );
}

async function sums() {
  const { amountReservedMinor, amountRefundedMinor } = await reread(pool, payment);
  const [row] = await database.queryAsOwner(
    'SELECT status, review_reason, amount_over::int FROM refunds WHERE id = $1',
    [late.id],
  );
  return { ...row, reserved: amountReservedMinor, refunded: amountRefundedMinor };
}

test.each([
  ['all of it', 10_000, 4_000],
  ['a part of it', 7_500, 1_500],
])('a late success goes to review when %s is more than was taken', async (_what, taken, over) => {
  await tell(await insert(taken), 'succeeded');
  const row = { status: 'needs_review', reviewReason: 'over_refunded' };
  expect(await tell(late, 'succeeded', 'late')).toMatchObject(row);
  expect(await sums()).toEqual({
    status: 'needs_review',
    review_reason: 'over_refunded',
    amount_over: over,
    reserved: 4_000 - over,
    refunded: taken,
  });
  const entry = (await listEntries(database, payment)).at(-1);
  expect(entry).toMatchObject({
    action: 'refund.over_refunded',
    details: { amount: 4_000, amount_over: over, amount_captured: 10_000, refunded_before: taken },
  });
});

test('a person says that the money did go: the ledgers hold what fits, and the rest', async () => {
  await tell(await insert(7_500), 'succeeded');
  await tell(late, 'succeeded', 'late');
  await tell(late, 'succeeded', 'decided');
  expect(await sums()).toMatchObject({ status: 'succeeded', amount_over: 1_500 });
  expect(await sums()).toMatchObject({ reserved: 0, refunded: 10_000 });
  await tell(late, 'failed', 'taken-back');
  expect(await sums()).toMatchObject({ status: 'failed', amount_over: 0, refunded: 7_500 });
  expect(await listBrokenLinks(pool, payment.id)).toEqual([]);
});

test('a person says that it did not: nothing is left of it', async () => {
  await tell(await insert(10_000), 'succeeded');
  await tell(late, 'succeeded', 'late');
  await tell(late, 'failed', 'decided');
  expect(await sums()).toMatchObject({ status: 'failed', amount_over: 0, reserved: 0 });
});

test('when the other refund is taken back before the decision, it fits after all', async () => {
  const other = await insert(10_000);
  await tell(other, 'succeeded');
  await tell(late, 'succeeded', 'late');
  await tell(other, 'failed', 'taken-back');
  await tell(late, 'succeeded', 'decided');
  expect(await sums()).toMatchObject({ amount_over: 0, reserved: 0, refunded: 4_000 });
});

test('a note about it leaves its reason and its money where they are', async () => {
  await tell(await insert(10_000), 'succeeded');
  await tell(late, 'succeeded', 'late');
  await tell(late, null, 'note');
  expect(await sums()).toMatchObject({ review_reason: 'over_refunded', amount_over: 4_000 });
});
