import { ensureMerchant } from '../../db/merchants.ts';
import { findAnyPayment } from '../../db/payments.ts';
import type { Pool } from '../../db/pool.ts';
import { restorePayment } from '../../db/restore.ts';
import { insertWebhookEvent } from '../../db/webhook-events.ts';
import type { Payment } from '../../domain/payment.ts';
import type { PaymentStatus } from '../../domain/payment-states.ts';
import type { RestorePaymentRequest } from '../../domain/restore.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import {
  dispatch,
  listAttempts,
  listEntries,
  MERCHANT,
  makeNewPayment,
  makeWebhookEvent,
  POLICY,
  reread,
  storePaymentIn,
} from '../factories.ts';

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  await ensureMerchant(pool, MERCHANT);
});
afterAll(() => database.close());

/** What the run of this payment knows, on its first attempt unless told otherwise. */
function runOf(
  payment: Pick<Payment, 'id' | 'workflowId' | 'attemptId'>,
  changes: Partial<RestorePaymentRequest> = {},
): RestorePaymentRequest {
  return {
    paymentId: payment.id,
    merchantId: MERCHANT.id,
    workflowId: payment.workflowId,
    amountMinor: 10_000,
    currency: 'KES',
    captureMethod: 'automatic',
    attemptId: payment.attemptId,
    attemptOrdinal: 1,
    provider: 'stripe',
    credentialsRef: 'env:stripe',
    policy: POLICY,
    providerPaymentId: 'pi_1',
    ...changes,
  };
}

const statusesOf = async (payment: Payment) => {
  const { status, reviewReason } = await reread(pool, payment);
  return [status, reviewReason];
};

test('a row that is whole again is left as it is', async () => {
  const payment = await storePaymentIn(pool, 'processing');
  const before = [await reread(pool, payment), await listEntries(database, payment)];
  expect(await restorePayment(pool, runOf(payment))).toEqual({
    paymentId: payment.id,
    attemptId: payment.attemptId,
    status: 'processing',
  });
  expect([await reread(pool, payment), await listEntries(database, payment)]).toEqual(before);
});

test.each<[PaymentStatus, PaymentStatus, string | null]>([
  ['processing', 'needs_review', 'history_lost'],
  ['authorized', 'needs_review', 'history_lost'],
  ['failed', 'failed', null],
])('an attempt that is gone from a payment that is %s: %s', async (from, status, reason) => {
  const payment = await storePaymentIn(pool, from);
  const attemptId = `${payment.attemptId}2`;
  const run = runOf(payment, { attemptId, attemptOrdinal: 2, providerPaymentId: 'pi_2' });
  expect(await restorePayment(pool, run)).toMatchObject({ attemptId, status });
  expect(await statusesOf(payment)).toEqual([status, reason]);
  expect(await listAttempts(database, payment)).toMatchObject([
    {},
    { status: 'unknown', provider_payment_id: 'pi_2' },
  ]);
});

test('no send of a row that was built, or taken over, is ever claimed', async () => {
  const built = makeNewPayment();
  await restorePayment(pool, runOf(built));
  const taken = await storePaymentIn(pool, 'created');
  const gone = { id: 'pay_gone', attemptId: 'att_gone', workflowId: taken.workflowId };
  await restorePayment(pool, runOf(gone));
  for (const { id } of [built, taken]) {
    const payment = await findAnyPayment(pool, id);
    if (payment === null) throw new Error(`${id} is gone`);
    expect(await statusesOf(payment)).toEqual(['needs_review', 'history_lost']);
    expect(await dispatch(pool, payment, 2)).toEqual({ kind: 'refused' });
  }
});

test('parked callbacks are delivered then, but for those of another account', async () => {
  const { workflowId, id, attemptId } = makeNewPayment();
  const store = async (account: string) => {
    const event = makeWebhookEvent({ provider: 'stripe', account, workflowId, status: 'parked' });
    await insertWebhookEvent(pool, event);
    return event.id;
  };
  const [own, foreign] = [await store('env:stripe'), await store('config:pcf_other')];
  await restorePayment(pool, runOf({ id, workflowId, attemptId }));
  const rows = await database.queryAsOwner(
    'SELECT id, status, payment_id FROM webhook_events WHERE id = ANY($1) ORDER BY id',
    [[own, foreign]],
  );
  expect(rows).toEqual([
    { id: own, status: 'received', payment_id: id },
    { id: foreign, status: 'parked', payment_id: null },
  ]);
});
