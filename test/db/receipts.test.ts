import { ensureMerchant } from '../../db/merchants.ts';
import type { Pool } from '../../db/pool.ts';
import { findReceiptHolder } from '../../db/receipts.ts';
import type { Payment } from '../../domain/payment.ts';
import type { PaymentStatus } from '../../domain/payment-states.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import {
  listEntries,
  MERCHANT,
  makeOutcome,
  recordEvent,
  reread,
  storePaymentIn,
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

const setStatus = ({ id }: Payment, status: PaymentStatus) =>
  database.queryAsOwner('UPDATE payments SET status = $2 WHERE id = $1', [id, status]);
