import { ensureMerchant } from '../../db/merchants.ts';
import type { Pool } from '../../db/pool.ts';
import { findReceiptHolder } from '../../db/receipts.ts';
import { recordRefund } from '../../db/record-refund.ts';
import type { Payment } from '../../domain/payment.ts';
import type { PaymentStatus } from '../../domain/payment-states.ts';
import type { Refund, RefundRecordRequest } from '../../domain/refund.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import {
  listEntries,
  MERCHANT,
  makeOutcome,
  makeRefundRecord,
  recordEvent,
  reread,
  storePaymentIn,
  storeRefund,
} from '../factories.ts';

/** One receipt pays for one payment: “one SMS for two orders” is seen. */
let database: TestDatabase;
let pool: Pool;
let first: Payment;
beforeEach(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  await ensureMerchant(pool, MERCHANT);
  first = await storePaymentIn(pool, 'succeeded');
});
afterEach(() => database.close());

const RECEIPT = 'UJ7A1B2C3D';
const paidBy = (receipt: string) =>
  makeOutcome('succeeded', { providerPaymentId: 'ws_CO_2', receipt });

// table
test.each([
  ['processing', 'needs_review'],
  ['requires_action', 'needs_review'],
  ['needs_review', 'needs_review'],
  ['failed', 'needs_review'],
  ['canceled', 'needs_review'],
] as const)('a payment that is %s is not paid by another’s receipt: %s', async (status, to) => {
  const second = await storePaymentIn(pool, status);
  const result = await recordEvent(pool, second, 'succeeded', { outcome: paidBy(RECEIPT) });
  expect(result).toMatchObject({ status: to, reviewReason: 'contradiction' });
  expect(await reread(pool, second)).toMatchObject({
    amountCapturedMinor: 0,
    providerReceipt: null,
  });
  expect((await listEntries(database, second)).at(-1)?.cause).toContain(first.id);
});

test('one that has its money keeps it, and the callback is refused', async () => {
  const second = await storePaymentIn(pool, 'succeeded');
  const before = await reread(pool, second);
  await recordEvent(pool, second, 'succeeded', { outcome: paidBy(RECEIPT) });
  const { status, providerReceipt } = await reread(pool, second);
  expect([status, providerReceipt]).toEqual(['succeeded', before.providerReceipt]);
  expect((await listEntries(database, second)).at(-1)?.action).toBe('payment.callback_refused');
});

test('an operator’s decision by it is refused, and another receipt counts', async () => {
  const second = await storePaymentIn(pool, 'needs_review');
  const decide = (receipt: string) => {
    const decided = { actor: 'operator', action: 'payment.decided' } as const;
    return recordEvent(pool, second, 'succeeded', { outcome: paidBy(receipt), ...decided });
  };
  expect(await decide(RECEIPT)).toMatchObject({ status: 'needs_review', refused: true });
  expect(await decide(RECEIPT.toLowerCase())).toMatchObject({ refused: true });
  expect(await decide('UJ7OTHER00')).toMatchObject({ status: 'succeeded', refused: false });
});

test('two at once by one receipt: one of them is paid', async () => {
  const both = [await storePaymentIn(pool, 'processing'), await storePaymentIn(pool, 'processing')];
  const results = await Promise.all(
    both.map((it) => recordEvent(pool, it, 'succeeded', { outcome: paidBy('UJ7TWICE00') })),
  );
  expect(results.map(({ status }) => status).sort()).toEqual(['needs_review', 'succeeded']);
});

test('the same payment told again is no other', async () => {
  const again = makeOutcome('succeeded');
  expect(await recordEvent(pool, first, 'succeeded', { outcome: again })).toMatchObject({
    status: 'succeeded',
    refused: false,
  });
});

// table
test.each([
  ['the same account, whatever its version', true, { credentialsRef: 'env:mpesa@7' }, null],
  ['another account', false, { credentialsRef: 'config:pcf_1@1' }, null],
  ['another provider', false, { provider: 'stripe' }, null],
  ['one that failed after all', false, {}, 'failed'],
  ['one that was canceled after all', false, {}, 'canceled'],
] as const)('of %s a receipt is held: %s', async (_what, isHeld, changes, status) => {
  if (status !== null) await setStatus(first, status);
  const second = await storePaymentIn(pool, 'processing', changes);
  const { id, provider, credentialsRef: credentials_ref } = await reread(pool, second);
  const holder = await findReceiptHolder(pool, { id, provider, credentials_ref }, RECEIPT);
  expect(holder?.id).toBe(isHeld ? first.id : undefined);
});

test('a late word by the own receipt does not count once another payment has it', async () => {
  const failed = await storePaymentIn(pool, 'failed');
  await setReceipt(failed, RECEIPT);
  const late = { outcome: paidBy(RECEIPT), reviewReason: 'late_success' } as const;
  const told = await recordEvent(pool, failed, 'succeeded', late);
  expect(told).toMatchObject({ status: 'needs_review', reviewReason: 'contradiction' });
});

test('nor does a decision that names no receipt, where the row has one of another', async () => {
  const second = await storePaymentIn(pool, 'needs_review');
  await setReceipt(second, RECEIPT);
  const decided = { actor: 'operator', action: 'payment.decided' } as const;
  const outcome = makeOutcome('succeeded', { receipt: null });
  expect(await recordEvent(pool, second, 'succeeded', { outcome, ...decided })).toMatchObject({
    status: 'needs_review',
    refused: true,
  });
});

// table
test.each([
  ['payments', "UPDATE payments SET provider_receipt = 'TWICE', status = 'succeeded'"],
  ['refunds', "UPDATE refunds SET provider_receipt = 'TWICE', status = 'succeeded'"],
] as const)('the database itself keeps %s from having one receipt', async (_table, update) => {
  await storePaymentIn(pool, 'succeeded');
  for (const amountMinor of [100, 200]) await storeRefund(pool, first, { amountMinor });
  await expect(database.queryAsOwner(update)).rejects.toMatchObject({ code: '23505' });
});

describe('of refunds', () => {
  const given = (refund: Refund, receipt: string, changes: Partial<RefundRecordRequest> = {}) =>
    recordRefund(
      pool,
      makeRefundRecord(refund, {
        event: 'succeeded',
        outcome: {
          kind: 'succeeded',
          providerRefundId: null,
          receipt,
          amountMinor: 4_000,
          failure: null,
          providerCode: '0',
        },
        ...changes,
      }),
    );
  const open = (of: Payment) => storeRefund(pool, of);

  test('a reversal is not done by the receipt of another one, of whatever payment', async () => {
    const other = await storePaymentIn(pool, 'succeeded');
    expect(await given(await open(first), 'UJ8R')).toMatchObject({ status: 'succeeded' });
    for (const payment of [first, other]) {
      const refund = await open(payment);
      expect(await given(refund, 'UJ8R')).toMatchObject({
        status: 'needs_review',
        reviewReason: 'no_answer',
      });
      expect((await listEntries(database, payment)).at(-1)?.cause).toContain('UJ8R');
      // Its own word may still come.
      const own = { key: `${refund.id}/own` };
      expect(await given(refund, `UJ8${refund.id}`, own)).toMatchObject({ status: 'succeeded' });
    }
  });

  test('two at once by one receipt: one of them is done', async () => {
    const other = await storePaymentIn(pool, 'succeeded');
    const both = [await open(first), await open(other)];
    const results = await Promise.all(both.map((it) => given(it, 'UJ8R')));
    expect(results.map(({ status }) => status).sort()).toEqual(['needs_review', 'succeeded']);
  });

  test('an operator’s decision by it is refused, and one that failed stays so', async () => {
    await given(await open(first), 'UJ8R');
    const reviewed = await open(first);
    await recordRefund(pool, makeRefundRecord(reviewed, { key: 'lost', event: 'gave_up' }));
    const decided = { actor: 'operator', action: 'refund.decided' } as const;
    expect(await given(reviewed, 'UJ8R', decided)).toMatchObject({ refused: true });
    const failed = await open(await storePaymentIn(pool, 'succeeded'));
    await recordRefund(pool, makeRefundRecord(failed, { key: 'no', event: 'failed' }));
    expect(await given(failed, 'UJ8R')).toMatchObject({ status: 'failed', changed: false });
  });

  test('a receipt that is learned for a refund is none that another payment has', async () => {
    const second = await storePaymentIn(pool, 'succeeded');
    await setReceipt(second, null);
    const refund = await open(second);
    const learned = makeRefundRecord(refund, {
      action: 'refund.receipt_learned',
      paymentReceipt: RECEIPT,
    });
    for (const _again of [1, 2]) {
      expect(await recordRefund(pool, learned)).toMatchObject({ isReceiptTaken: true });
    }
    expect(await reread(pool, second)).toMatchObject({ providerReceipt: null });
    expect((await listEntries(database, second)).at(-1)?.action).toBe('refund.callback_refused');
  });
});

const setReceipt = ({ id }: Payment, receipt: string | null) =>
  database.queryAsOwner('UPDATE payments SET provider_receipt = $2 WHERE id = $1', [id, receipt]);
const setStatus = ({ id }: Payment, status: PaymentStatus) =>
  database.queryAsOwner('UPDATE payments SET status = $2 WHERE id = $1', [id, status]);
