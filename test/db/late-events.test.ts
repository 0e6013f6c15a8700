import { findLatePayment, findLateRefund } from '../../db/late-events.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { recordRefund } from '../../db/record-refund.ts';
import { reopenedInput, reopenedRefundInput } from '../../domain/inputs.ts';
import { refundFailed, refundFailure } from '../../domain/refund.ts';
import { capabilitiesOf } from '../../providers/index.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import {
  MERCHANT,
  makeOutcome,
  makeRefundRecord,
  storePaymentIn,
  storeRefund,
} from '../factories.ts';

/** What takes late news is told where its subject stands: that decides what the news may end. */
let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
  await ensureMerchant(database.pool, MERCHANT);
});
afterAll(() => database.close());

test('of a payment in review it is told why', async () => {
  const { workflowId } = await storePaymentIn(database.pool, 'needs_review');
  const found = await findLatePayment(database.pool, workflowId, makeOutcome('declined'));
  if (typeof found === 'string') throw new Error(`it was ${found}`);
  const standing = { status: 'needs_review', reviewReason: 'no_answer' };
  const input = reopenedInput(found, capabilitiesOf, { nowMs: Date.now() });
  expect(input).toMatchObject({ standing });
});

test('of a refund in review it is told why', async () => {
  const payment = await storePaymentIn(database.pool, 'succeeded');
  const refund = await storeRefund(database.pool, payment, { amountMinor: null });
  await recordRefund(
    database.pool,
    makeRefundRecord(refund, {
      action: 'refund.review_needed',
      actor: 'workflow',
      event: 'gave_up',
      reviewReason: 'no_answer',
      waitingFor: 'review',
    }),
  );
  const failed = refundFailed(refundFailure('declined'));
  const found = await findLateRefund(database.pool, refund.workflowId, failed);
  if (typeof found === 'string') throw new Error(`it was ${found}`);
  const capabilities = capabilitiesOf('mpesa');
  const known = { isSent: true };
  const input = reopenedRefundInput(found.refund, found.payment, capabilities, known);
  const standing = { status: 'needs_review', reviewReason: 'no_answer' };
  expect(input).toMatchObject({ standing });
});
