import { recordReattempt } from '../../db/dispatch.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import type { Pool } from '../../db/pool.ts';
import { record } from '../../db/record.ts';
import { insertWebhookEvent } from '../../db/webhook-events.ts';
import { failure } from '../../domain/error.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import {
  freeReceipts,
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
beforeAll(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  await ensureMerchant(pool, MERCHANT);
});
afterAll(() => database.close());
afterEach(() => freeReceipts(database));

test('a success brings money, receipt and codes, and settles the attempt', async () => {
  const payment = await storePaymentIn(pool, 'processing');
  await recordEvent(pool, payment, 'succeeded', { outcome: makeOutcome('succeeded') });
  const after = await reread(pool, payment);
  expect(after).toMatchObject({
    amountCapturedMinor: 10_000,
    providerPaymentId: 'ws_CO_1',
    providerReceipt: 'UJ7A1B2C3D',
    providerCode: '0',
    failureCode: null,
    waitingFor: null,
    waitUntil: null,
  });
  expect(await listAttempts(database, payment)).toMatchObject([
    { status: 'settled', provider_payment_id: 'ws_CO_1', settled_at: expect.any(Date) },
  ]);
  const { details } = (await listEntries(database, payment)).at(-1) ?? {};
  expect(details).toEqual({ receipt: 'UJ7A1B2C3D', provider_code: '0', reported_amount: 10_000 });
});

test('a failure says why, in our words and with the provider’s code', async () => {
  const payment = await storePaymentIn(pool, 'failed');
  expect(await reread(pool, payment)).toMatchObject({
    failureCode: 'insufficient_funds',
    failureMessage: 'The payer does not have enough money.',
    providerCode: '1',
    providerReceipt: null,
    amountCapturedMinor: 0,
  });
});

test('what was claimed without the workflow’s knowledge is not called unsent', async () => {
  const payment = await storePaymentIn(pool, 'processing');
  const unsent = { action: 'payment.succeeded', reviewReason: 'no_answer' } as const;
  const outcome = makeOutcome('declined', { failure: failure('provider_unavailable') });
  await recordEvent(pool, payment, 'gave_up', { ...unsent, outcome });
  expect(await reread(pool, payment)).toMatchObject({
    status: 'needs_review',
    reviewReason: 'no_answer',
    failureCode: null,
  });
  expect(await listAttempts(database, payment)).toMatchObject([{ status: 'dispatched' }]);
  const entry = (await listEntries(database, payment)).at(-1);
  // Nor does the trail say so, in the words of who took it for unsent.
  const cause = 'it may have been sent, and nobody told the outcome';
  expect(entry).toMatchObject({ action: 'payment.review_needed', cause });
  expect(entry?.details).toEqual({ review_reason: 'no_answer' });
});

test('a failure without a code of the provider shows none of an earlier attempt', async () => {
  const payment = await storePaymentIn(pool, 'processing');
  const { provider, credentialsRef, policy } = payment;
  const declined = makeRecord(payment, { outcome: makeOutcome('declined') });
  await recordReattempt(pool, { ...declined, route: { provider, credentialsRef, policy } });
  const second = await reread(pool, payment);
  expect(second).toMatchObject({ failureCode: null, providerCode: '1' });
  const unsent = { failure: failure('provider_unavailable'), providerCode: null };
  await recordEvent(pool, second, 'declined', { outcome: makeOutcome('declined', unsent) });
  expect(await reread(pool, payment)).toMatchObject({
    status: 'failed',
    failureCode: 'provider_unavailable',
    providerCode: null,
  });
});

test('late success puts a failed payment into review and says why', async () => {
  const payment = await storePaymentIn(pool, 'failed');
  const result = await recordEvent(pool, payment, 'succeeded', {
    outcome: makeOutcome('succeeded'),
    reviewReason: 'late_success',
    waitingFor: 'review',
  });
  const reviewReason = 'late_success';
  expect(result).toEqual({ status: 'needs_review', reviewReason, changed: true, refused: false });
  expect(await reread(pool, payment)).toMatchObject({
    reviewReason: 'late_success',
    waitingFor: 'review',
    failureCode: 'insufficient_funds',
    // The failure's own, not that of the success.
    providerCode: '1',
    providerReceipt: 'UJ7A1B2C3D',
    amountCapturedMinor: 0,
    completedAt: null,
  });
});

test('a person who says that it was paid leaves none of the failure’s codes', async () => {
  const payment = await storePaymentIn(pool, 'failed');
  await recordEvent(pool, payment, 'succeeded', {
    outcome: makeOutcome('succeeded'),
    reviewReason: 'late_success',
  });
  const decided = makeOutcome('succeeded', { providerCode: null });
  await recordEvent(pool, payment, 'succeeded', { outcome: decided, action: 'payment.decided' });
  expect(await reread(pool, payment)).toMatchObject({
    status: 'succeeded',
    failureCode: null,
    providerCode: null,
  });
});

test('the end of a review clears failure and reason, and captures the whole amount', async () => {
  const payment = await storePaymentIn(pool, 'failed');
  await recordEvent(pool, payment, 'succeeded', { reviewReason: 'late_success' });
  await recordEvent(pool, payment, 'succeeded', { action: 'payment.decided' });
  expect(await reread(pool, payment)).toMatchObject({
    status: 'succeeded',
    failureCode: null,
    failureMessage: null,
    reviewReason: null,
    amountCapturedMinor: 10_000,
    completedAt: expect.any(String),
  });
});

test('a note in a review leaves the reason of the review', async () => {
  const payment = await storePaymentIn(pool, 'needs_review');
  const note = makeRecord(payment, { action: 'payment.callback_unclear' });
  const known = { status: 'needs_review', reviewReason: 'no_answer' };
  expect(await record(pool, note)).toMatchObject(known);
  // Said again, or refused, or silent, it is the same.
  expect(await record(pool, note)).toMatchObject(known);
  expect(await recordEvent(pool, payment, 'dispatched')).toMatchObject({ ...known, refused: true });
  expect(await record(pool, makeRecord(payment, { isWithoutAuditEntry: true }))).toMatchObject(
    known,
  );
  expect(await reread(pool, payment)).toMatchObject({
    status: 'needs_review',
    reviewReason: 'no_answer',
  });
});

test('a receipt that comes late is filled in; one that is there stays', async () => {
  const payment = await storePaymentIn(pool, 'processing');
  const outcome = makeOutcome('succeeded', { receipt: null, providerPaymentId: null });
  await recordEvent(pool, payment, 'succeeded', { outcome });
  const first = await reread(pool, payment);
  expect(first.providerReceipt).toBeNull();
  await recordEvent(pool, payment, 'succeeded', { outcome: makeOutcome('succeeded') });
  const other = makeOutcome('succeeded', { receipt: 'OTHER', providerPaymentId: 'ws_CO_2' });
  expect(await recordEvent(pool, payment, 'succeeded', { outcome: other })).toMatchObject({
    changed: false,
    refused: false,
  });
  expect(await reread(pool, payment)).toMatchObject({
    providerReceipt: 'UJ7A1B2C3D',
    providerPaymentId: 'ws_CO_1',
    completedAt: first.completedAt,
  });
});

test('a note changes no status but says what the payment waits for, and until when', async () => {
  const payment = await storePaymentIn(pool, 'processing');
  const result = await record(
    pool,
    makeRecord(payment, {
      action: 'payment.provider_accepted',
      providerPaymentId: 'ws_CO_9',
      waitingFor: 'callback',
      waitMs: 30_000,
    }),
  );
  expect(result).toEqual({ status: 'processing', changed: false, refused: false });
  const after = await reread(pool, payment);
  expect(after).toMatchObject({ waitingFor: 'callback', providerPaymentId: 'ws_CO_9' });
  expect(Date.parse(after.waitUntil ?? '') - Date.parse(after.updatedAt)).toBe(30_000);
  expect(await listAttempts(database, payment)).toMatchObject([
    { status: 'dispatched', provider_payment_id: 'ws_CO_9', settled_at: null },
  ]);
});

test('a note that names no wait leaves the wait as it is', async () => {
  const payment = await storePaymentIn(pool, 'authorized');
  const wait = { waitingFor: 'capture', waitMs: 60_000 } as const;
  await record(pool, makeRecord(payment, wait));
  const before = await reread(pool, payment);
  await record(pool, makeRecord(payment, { action: 'payment.callback_refused' }));
  expect(await reread(pool, payment)).toMatchObject({
    waitingFor: 'capture',
    waitUntil: before.waitUntil,
  });
});

test('a silent word writes the callback’s fate, the provider’s id and nothing else', async () => {
  const payment = await storePaymentIn(pool, 'requires_action');
  const entries = await listEntries(database, payment);
  const before = await reread(pool, payment);
  const { event } = await insertWebhookEvent(pool, makeWebhookEvent());
  const webhook = { eventId: event.id, status: 'applied', note: 'at it' } as const;
  const silent = { isWithoutAuditEntry: true, providerPaymentId: 'ws_CO_7', webhook };
  expect(await record(pool, makeRecord(payment, silent))).toMatchObject({ changed: false });
  const other = { ...silent, providerPaymentId: 'ws_CO_8' };
  await record(pool, makeRecord(payment, other));
  expect(await listEntries(database, payment)).toEqual(entries);
  expect(await reread(pool, payment)).toEqual({ ...before, providerPaymentId: 'ws_CO_7' });
  expect(await listAttempts(database, payment)).toMatchObject([{ provider_payment_id: 'ws_CO_7' }]);
  expect(await findEvent(event.id)).toMatchObject({ status: 'applied', error: 'at it' });
});

test('what a decision names is what was captured, of whatever kind the capture is', async () => {
  const payment = await storePaymentIn(pool, 'needs_review');
  const outcome = makeOutcome('succeeded', { money: { amountMinor: 4_000, currency: 'KES' } });
  await recordEvent(pool, payment, 'succeeded', { action: 'payment.decided', outcome });
  expect((await reread(pool, payment)).amountCapturedMinor).toBe(4_000);
});

test('a lost answer leaves the attempt unknown until an outcome settles it', async () => {
  const payment = await storePaymentIn(pool, 'processing');
  await record(pool, makeRecord(payment, { action: 'payment.answer_lost' }));
  expect(await listAttempts(database, payment)).toMatchObject([
    { status: 'unknown', settled_at: null },
  ]);
  await recordEvent(pool, payment, 'succeeded', { outcome: makeOutcome('succeeded') });
  expect(await listAttempts(database, payment)).toMatchObject([{ status: 'settled' }]);
});

const findEvent = async (id: string) =>
  (await database.queryAsOwner('SELECT * FROM webhook_events WHERE id = $1', [id]))[0];

test('the callback that an outcome came from is marked as applied with it', async () => {
  const payment = await storePaymentIn(pool, 'processing');
  const { event } = await insertWebhookEvent(pool, makeWebhookEvent());
  const webhook = { eventId: event.id, status: 'applied', note: null } as const;
  await recordEvent(pool, payment, 'succeeded', { outcome: makeOutcome('succeeded'), webhook });
  expect(await findEvent(event.id)).toMatchObject({
    status: 'applied',
    payment_id: payment.id,
    error: null,
  });
});

test('a refused callback is parked with the reason, and changes nothing else', async () => {
  const payment = await storePaymentIn(pool, 'succeeded');
  const before = await reread(pool, payment);
  const attempts = await listAttempts(database, payment);
  const { event } = await insertWebhookEvent(pool, makeWebhookEvent());
  const webhook = { eventId: event.id, status: 'applied', note: null } as const;
  const outcome = makeOutcome('declined');
  const result = await recordEvent(pool, payment, 'declined', { outcome, webhook });
  expect(result).toEqual({ status: 'succeeded', changed: false, refused: true });
  expect([await reread(pool, payment), await listAttempts(database, payment)]).toEqual([
    before,
    attempts,
  ]);
  expect(await findEvent(event.id)).toMatchObject({
    status: 'parked',
    error: 'declined refused while succeeded',
    payment_id: payment.id,
  });
  expect((await listEntries(database, payment)).at(-1)).toMatchObject({
    action: 'payment.transition_refused',
    from_status: 'succeeded',
    to_status: 'succeeded',
    cause: 'declined while succeeded: a test',
    details: { failure_code: 'insufficient_funds', webhook_event: event.id },
  });
});

describe('a payment whose row forgot that it was sent', () => {
  const unsent = () => makeOutcome('declined', { failure: failure('provider_unavailable') });

  it.each([
    // table
    { told: 'late_success', reason: 'history_lost' },
    { told: 'no_answer', reason: 'history_lost' },
    { told: null, reason: 'history_lost' },
    { told: 'amount_mismatch', reason: 'amount_mismatch' },
    { told: 'contradiction', reason: 'contradiction' },
  ] as const)('is in review: $told is told as $reason', async ({ told, reason }) => {
    const payment = await storePaymentIn(pool, 'created');
    const changes = { outcome: makeOutcome('succeeded'), reviewReason: told };
    const result = await recordEvent(pool, payment, 'succeeded', changes);
    expect(result).toMatchObject({ status: 'needs_review', reviewReason: reason });
    expect(await reread(pool, payment)).toMatchObject({
      waitingFor: 'review',
      providerReceipt: 'UJ7A1B2C3D',
      amountCapturedMinor: 0,
    });
  });

  it.each([
    { mayBeAtProvider: true, status: 'needs_review', failureCode: null },
    { mayBeAtProvider: false, status: 'failed', failureCode: 'provider_unavailable' },
  ])('given up, sent perhaps: $mayBeAtProvider, is $status', async (row) => {
    const { mayBeAtProvider, status, failureCode } = row;
    const payment = await storePaymentIn(pool, 'created');
    await recordEvent(pool, payment, 'gave_up', { mayBeAtProvider, outcome: unsent() });
    expect(await reread(pool, payment)).toMatchObject({ status, failureCode });
  });
});
