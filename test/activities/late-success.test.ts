import { createLateSuccess } from '../../activities/late-success.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { listRefunds } from '../../db/refunds.ts';
import type { Payment } from '../../domain/payment.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { MERCHANT, reread, storePaymentIn, VAULT } from '../factories.ts';

let database: TestDatabase;
let payment: Payment;
beforeEach(async () => {
  database = await openTestDatabase();
  await ensureMerchant(database.pool, MERCHANT);
  payment = await storePaymentIn(database.pool, 'succeeded');
});
afterEach(() => database.close());

function refundLate(start: () => Promise<unknown>) {
  const deps = { pool: database.pool, vault: VAULT, temporal: { workflow: { start } } };
  return createLateSuccess(deps).refundLateSuccess({
    paymentId: payment.id,
    merchantId: payment.merchantId,
  });
}

test('all of it is reserved and started, once however often it is run', async () => {
  let starts = 0;
  const start = () => {
    starts += 1;
    return Promise.resolve();
  };
  for (let run = 0; run < 3; run += 1) await refundLate(start);
  expect(starts).toBe(1);
  expect(await listRefunds(database.pool, payment.id, null, 100)).toMatchObject([
    { amountMinor: 10_000, reason: 'policy late_success: refund', status: 'pending' },
  ]);
  expect((await reread(database.pool, payment)).amountReservedMinor).toBe(10_000);
});

test('with Temporal away it stays written down, for the sweeper to start', async () => {
  await expect(refundLate(() => Promise.reject(new Error('away')))).rejects.toThrow('away');
  await refundLate(() => Promise.reject(new Error('it was not started again')));
  expect(await listRefunds(database.pool, payment.id, null, 100)).toHaveLength(1);
});
