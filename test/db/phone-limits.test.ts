import { sealCustomer } from '../../db/customers.ts';
import { recordDispatch } from '../../db/dispatch.ts';
import { newId } from '../../db/ids.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import type { NewPayment } from '../../db/payments.ts';
import { insertWithinPhoneLimit } from '../../db/phone-limits.ts';
import type { Pool } from '../../db/pool.ts';
import { record } from '../../db/record.ts';
import type { Payment } from '../../domain/payment.ts';
import type { PaymentStatus } from '../../domain/payment-states.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import {
  dispatch,
  MERCHANT,
  makeNewPayment,
  makeRecord,
  storePayment,
  storePaymentIn,
  VAULT,
} from '../factories.ts';

/** Nobody’s phone rings for ever, whoever asks for it. */
const OTHER = { id: 'mer_0193e0d5a1c27d3f8c1e2b3a4d5e6f71', name: 'Duka la Pili' };
let database: TestDatabase;
let pool: Pool;
beforeEach(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  await ensureMerchant(pool, MERCHANT);
  await ensureMerchant(pool, OTHER);
});
afterEach(() => database.close());

const PHONE = '+254700000101';
const LIMIT = { open: 3, requests: 5, per_ms: 3_600_000 };
function ringing(changes: Partial<NewPayment> = {}, phone = PHONE): NewPayment {
  const id = newId('payment');
  const customer = sealCustomer(VAULT, id, { id: null, phone, email: null, name: null });
  return makeNewPayment({ id, customer, ...changes });
}
const ask = (next: NewPayment, from = pool) => insertWithinPhoneLimit(from, next, LIMIT, ['mpesa']);
const store = (status: PaymentStatus, changes: Partial<NewPayment> = {}) =>
  storePaymentIn(pool, status, ringing(changes));
async function storeAll(statuses: readonly PaymentStatus[], changes: Partial<NewPayment> = {}) {
  for (const status of statuses) await store(status, changes);
}
const isRefused = async (next = ringing()) => 'kind' in (await ask(next));

// table
test.each([
  ['two open', ['created', 'processing'], false],
  ['three open', ['created', 'processing', 'processing'], true],
  ['three that ended', ['failed', 'canceled', 'succeeded'], false],
  ['three in review', ['needs_review', 'needs_review', 'needs_review'], false],
  ['five, whatever they came to', ['failed', 'failed', 'failed', 'failed', 'succeeded'], true],
] as const)('of a phone with %s another one is refused: %s', async (_what, statuses, refused) => {
  await storeAll(statuses);
  expect(await isRefused()).toBe(refused);
});

test('other merchants count, and so does only who rings this phone', async () => {
  await storeAll(['processing', 'processing'], { merchantId: OTHER.id });
  await storeAll(['processing', 'processing'], {
    provider: 'stripe',
    credentialsRef: 'env:stripe',
  });
  expect(await isRefused(ringing({}, '+254700000102'))).toBe(false);
  expect(await isRefused()).toBe(false);
  expect(await isRefused()).toBe(true);
  expect(await isRefused(ringing({}, '+254700000102'))).toBe(false);
});

test('it is told when to come again: with the window’s oldest, or with the next end', async () => {
  await storeAll(['failed', 'failed', 'failed', 'failed', 'failed']);
  await database.queryAsOwner(`UPDATE payments SET created_at = now() - interval '50 minutes'`);
  const refused = await ask(ringing());
  expect('kind' in refused && Math.round(refused.retryAfterMs / 60_000)).toBe(10);
  await database.queryAsOwner(`UPDATE payments SET created_at = now() - interval '61 minutes'`);
  expect(await isRefused()).toBe(false);
  await storeAll(['processing', 'processing']);
  expect(await ask(ringing())).toEqual({ kind: 'too_many', retryAfterMs: 60_000 });
});

test('many at once, from two processes: as many as may ring are stored', async () => {
  const another = await database.openAnotherPool();
  const asked = Array.from({ length: 10 }, (_, nth) => ask(ringing(), nth % 2 ? pool : another));
  const stored = (await Promise.all(asked)).filter((it) => !('kind' in it));
  expect(stored).toHaveLength(LIMIT.open);
});

test('a repetition is answered as ever, and without a phone nobody is asked', async () => {
  const first = ringing();
  await ask(first);
  await storeAll(['processing', 'processing']);
  expect(await isRefused()).toBe(true);
  const { idempotencyKey, workflowId } = first;
  const again = await ask(ringing({ idempotencyKey, workflowId }));
  expect(again).toMatchObject({ inserted: false, payment: { id: first.id } });
  expect(await isRefused(makeNewPayment())).toBe(false);
});

describe('what the provider did not take', () => {
  const planResend = (payment: Payment) =>
    record(
      pool,
      makeRecord(payment, { action: 'payment.resend_planned', waitingFor: 'resend', waitMs: 1 }),
    );
  async function sendAgain(payment: Payment, rings = true) {
    await dispatch(pool, payment);
    await planResend(payment);
    const { id: paymentId, attemptId } = payment;
    return await recordDispatch(pool, { paymentId, attemptId, send: 2, nonce: 'again', rings });
  }

  // table
  test.each([
    ['another rings', 'processing', {}, 'payer_busy'],
    ['another is not sent yet', 'created', {}, 'dispatched'],
    ['another has ended', 'failed', {}, 'dispatched'],
    ['another is in review', 'needs_review', {}, 'dispatched'],
    ['another merchant’s rings', 'processing', { merchantId: OTHER.id }, 'payer_busy'],
  ] as const)('is sent again where %s (%s): %s → %s', async (_what, status, changes, kind) => {
    await store(status, changes);
    expect(await sendAgain(await storePayment(pool, ringing()))).toMatchObject({ kind });
  });

  test('is sent again once the other’s is over, or waits as well, or rings nobody', async () => {
    const other = await store('processing');
    const claim = async (rings?: boolean) =>
      (await sendAgain(await storePayment(pool, ringing()), rings)).kind;
    expect(await claim(false)).toBe('dispatched');
    await planResend(other);
    await database.queryAsOwner(
      `UPDATE payments SET waiting_for = 'resend' WHERE status = 'processing'`,
    );
    expect(await claim()).toBe('dispatched');
    await database.queryAsOwner(
      `UPDATE payments SET waiting_for = 'callback' WHERE status = 'processing'`,
    );
    expect(await claim()).toBe('payer_busy');
    await database.queryAsOwner(
      `UPDATE attempts SET dispatched_at = now() - interval '11 minutes'`,
    );
    expect(await claim()).toBe('dispatched');
  });

  test('is sent the first time whatever rings: the provider says whether it takes it', async () => {
    await store('processing');
    const { id: paymentId, attemptId } = await storePayment(pool, ringing());
    const first = { paymentId, attemptId, send: 1, nonce: 'first', rings: true };
    expect(await recordDispatch(pool, first)).toEqual({ kind: 'dispatched' });
  });
});
