import { listBrokenLinks } from '../../db/audit.ts';
import { recordReattempt } from '../../db/dispatch.ts';
import { findLatePayment } from '../../db/late-events.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import type { Pool } from '../../db/pool.ts';
import { record } from '../../db/record.ts';
import { listOpenUnmatchedReceipts, resolveUnmatchedReceipt } from '../../db/unmatched-receipts.ts';
import { insertWebhookEvent } from '../../db/webhook-events.ts';
import { reopenedInput } from '../../domain/inputs.ts';
import type { Payment } from '../../domain/payment.ts';
import { capabilitiesOf } from '../../providers/index.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import {
  listAttempts,
  listEntries,
  MERCHANT,
  makeOutcome,
  makeRecord,
  makeWebhookEvent,
  recordEvent,
  reread,
  storePaymentIn,
} from '../factories.ts';

let database: TestDatabase;
let pool: Pool;
beforeEach(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  await ensureMerchant(pool, MERCHANT);
});
afterEach(() => database.close());

const money = { amountMinor: 10_000, currency: 'KES' } as const;
const said = { kind: 'succeeded', providerPaymentId: 'pi_1', receipt: 'R1', money } as const;

/** A callback from Stripe tells of money under another id. */
async function tell(payment: Payment, changes: Partial<Parameters<typeof makeRecord>[1]> = {}) {
  const { event } = await insertWebhookEvent(pool, makeWebhookEvent({ provider: 'stripe' }));
  const webhook = { eventId: event.id, status: 'applied', note: 'unmatched receipt' } as const;
  const action = 'payment.unmatched_receipt_found';
  await record(pool, makeRecord(payment, { action, unmatchedReceipt: said, webhook, ...changes }));
  return event.id;
}
const listOpen = async () =>
  (await listOpenUnmatchedReceipts(pool, { merchantId: null, afterId: null, limit: 10 })).map(
    ({ id }) => id,
  );

// table
test.each([
  ['failed', 'succeeded', ['payment.needs_review', 'payment.unmatched_receipt']],
  ['processing', 'gave_up', ['payment.needs_review', 'payment.unmatched_receipt']],
  ['succeeded', null, ['payment.unmatched_receipt']],
] as const)('of a payment that is %s, with the event %s, it is told as %j', async (...each) => {
  const [status, event, types] = each;
  const payment = await storePaymentIn(pool, status);
  const listTypes = async () =>
    (await database.queryAsOwner('SELECT type FROM outgoing_events ORDER BY position')).map(
      ({ type }) => type,
    );
  const before = (await listTypes()).length;
  await tell(payment, { event, reviewReason: event === null ? null : 'late_success' });
  expect((await listTypes()).slice(before)).toEqual(types);
});

test('money beside its own leaves a paid payment as it is, and shows', async () => {
  const payment = await reread(pool, await storePaymentIn(pool, 'succeeded'));
  const attempts = await listAttempts(database, payment);
  const eventId = await tell(payment);
  const found = { ...said, provider: 'stripe', eventId, status: 'open' };
  expect(await reread(pool, payment)).toEqual({
    ...payment,
    unmatchedReceipts: [found],
    updatedAt: expect.any(String),
  });
  expect(await listAttempts(database, payment)).toEqual(attempts);
  expect(await listOpen()).toEqual([payment.id]);
  expect((await listEntries(database, payment)).at(-1)).toMatchObject({
    action: 'payment.unmatched_receipt_found',
    details: { reported_amount: 10_000, webhook_event: eventId },
  });
  const told = await database.queryAsOwner(
    'SELECT type FROM outgoing_events ORDER BY position DESC LIMIT 1',
  );
  expect(told).toEqual([{ type: 'payment.unmatched_receipt' }]);
});

test('it stays open whatever the payment comes to, until somebody decides about it', async () => {
  const payment = await storePaymentIn(pool, 'processing');
  await tell(payment, { event: 'gave_up', reviewReason: 'contradiction' });
  await recordEvent(pool, payment, 'succeeded', { outcome: makeOutcome('succeeded') });
  expect(await reread(pool, payment)).toMatchObject({ status: 'succeeded', reviewReason: null });
  expect(await listOpen()).toEqual([payment.id]);
  const resolved = {
    paymentId: payment.id,
    providerPaymentId: 'pi_1',
    resolution: 'given_back',
    reason: 'in the portal',
    operatorId: 'opr_1',
  } as const;
  const other = { ...resolved, providerPaymentId: 'ws_CO_1' };
  expect(await resolveUnmatchedReceipt(pool, other)).toBe(false);
  expect(await resolveUnmatchedReceipt(pool, resolved)).toBe(true);
  expect(await resolveUnmatchedReceipt(pool, resolved)).toBe(false);
  expect(await listOpen()).toEqual([]);
  const after = await reread(pool, payment);
  expect(after).toMatchObject({
    status: 'succeeded',
    unmatchedReceipts: [{ status: 'given_back' }],
  });
  expect((await listEntries(database, payment)).at(-1)).toMatchObject({
    action: 'payment.unmatched_receipt_resolved',
    cause: 'opr_1: given_back: in the portal',
  });
  expect(await listBrokenLinks(pool, payment.id)).toEqual([]);
});

test('of one charge the newer word counts, and each charge is one', async () => {
  const payment = await storePaymentIn(pool, 'succeeded');
  await tell(payment, { unmatchedReceipt: { ...said, kind: 'authorized' } });
  await tell(payment);
  await tell(payment, { unmatchedReceipt: { ...said, providerPaymentId: 'pi_3' } });
  expect((await reread(pool, payment)).unmatchedReceipts).toMatchObject([
    { providerPaymentId: 'pi_1', kind: 'succeeded' },
    { providerPaymentId: 'pi_3' },
  ]);
});

test('a payment knows the ids of the attempts before, and so does its workflow', async () => {
  const payment = await storePaymentIn(pool, 'processing');
  const { provider, credentialsRef, policy } = payment;
  const outcome = makeOutcome('declined', { providerPaymentId: 'pi_1' });
  const failed = makeRecord(payment, { action: 'payment.reattempt_planned', outcome });
  await recordReattempt(pool, { ...failed, route: { provider, credentialsRef, policy } });
  const second = await reread(pool, payment);
  expect(second.earlierProviderIds).toEqual(['pi_1']);
  const reopened = reopenedInput(second, capabilitiesOf, { nowMs: Date.now() });
  expect(reopened.standing).toMatchObject({
    status: 'processing',
    reviewReason: null,
    providerPaymentId: null,
    earlierProviderIds: ['pi_1'],
  });
  await recordEvent(pool, second, 'succeeded', {
    outcome: makeOutcome('succeeded', { providerPaymentId: 'pi_2' }),
  });
  const late = { ...makeOutcome('succeeded'), providerPaymentId: 'pi_1' };
  expect(await findLatePayment(pool, payment.workflowId, late)).toMatchObject({
    providerPaymentId: 'pi_2',
    earlierProviderIds: ['pi_1'],
  });
  const repeated = { ...makeOutcome('declined'), providerPaymentId: 'pi_1' };
  expect(await findLatePayment(pool, payment.workflowId, repeated)).toBe('nothing_new');
});
