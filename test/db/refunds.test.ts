import { listAudit, listBrokenLinks } from '../../db/audit.ts';
import { recordDispute } from '../../db/disputes.ts';
import { newId } from '../../db/ids.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { findPayment } from '../../db/payments.ts';
import type { Pool } from '../../db/pool.ts';
import { recordRefund } from '../../db/record-refund.ts';
import { recordRefundDispatch } from '../../db/refund-dispatch.ts';
import { findRefund, insertRefund, type NewRefund } from '../../db/refunds.ts';
import { sql } from '../../db/sql.ts';
import { insertWebhookEvent } from '../../db/webhook-events.ts';
import type { Payment } from '../../domain/payment.ts';
import { refundFailed, refundFailure } from '../../domain/refund.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import {
  MERCHANT,
  makeNewRefund,
  makeRefundRecord,
  makeWebhookEvent,
  reread,
  storePaymentIn,
  storeRefund,
} from '../factories.ts';

let database: TestDatabase;
let pool: Pool;
let payment: Payment;
beforeEach(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  await ensureMerchant(pool, MERCHANT);
  payment = await reread(pool, await storePaymentIn(pool, 'succeeded'));
});
afterEach(() => database.close());

const newRefund = (changes: Partial<NewRefund> = {}) =>
  makeNewRefund(payment, { reason: 'too small', ...changes });
const insert = (changes: Partial<NewRefund> = {}) =>
  storeRefund(pool, payment, { reason: 'too small', ...changes });
const sums = async () => {
  const row = await findPayment(pool, MERCHANT.id, payment.id);
  return [row?.amountReservedMinor, row?.amountRefundedMinor];
};

test('a refund reserves its money, and its success moves it', async () => {
  const refund = await insert();
  expect(await sums()).toEqual([4_000, 0]);
  await recordRefund(pool, makeRefundRecord(refund, { event: 'succeeded' }));
  expect(await sums()).toEqual([0, 4_000]);
  await recordRefund(pool, makeRefundRecord(refund, { event: 'succeeded' }));
  expect(await sums()).toEqual([0, 4_000]);
});

test('a failure before it was sent does not count while the row counts a send', async () => {
  const refund = await insert();
  const claim = { refundId: refund.id, paymentId: payment.id, nonce: 'an unseen run' };
  await recordRefundDispatch(pool, { ...claim, send: 1 });
  const failed = makeRefundRecord(refund, { event: 'failed', provenUnsent: 0 });
  const answer = { status: 'pending', changed: false, refused: false, mayBeAtProvider: true };
  expect(await recordRefund(pool, failed)).toEqual(answer);
  expect(await sums()).toEqual([4_000, 0]);
  expect(await recordRefund(pool, { ...failed, provenUnsent: 1 })).toMatchObject({
    status: 'failed',
    changed: true,
  });
  expect(await sums()).toEqual([0, 0]);
});

test('a receipt that is learned stands on the payment, where none stood before', async () => {
  const refund = await insert();
  await pool.query(sql.typeAlias('none')`UPDATE payments SET provider_receipt = NULL`);
  const learn = (paymentReceipt: string) =>
    recordRefund(
      pool,
      makeRefundRecord(refund, { key: `${refund.id}/${paymentReceipt}`, paymentReceipt }),
    );
  for (const told of ['UJ7A1B2C3D', 'UJ7A1B2C3D', 'UJ7OTHER00']) {
    expect(await learn(told)).toMatchObject({ status: 'pending', paymentReceipt: 'UJ7A1B2C3D' });
  }
  const held = await findPayment(pool, MERCHANT.id, payment.id);
  expect(held?.providerReceipt).toBe('UJ7A1B2C3D');
  expect(await sums()).toEqual([4_000, 0]);
});

test('a failure lets the money go, and so does a success that is taken back', async () => {
  const failed = await insert();
  const failure = refundFailure('declined');
  const outcome = {
    kind: 'failed',
    providerRefundId: 're_1',
    receipt: null,
    amountMinor: null,
    failure,
    providerCode: 'declined',
  } as const;
  await recordRefund(pool, makeRefundRecord(failed, { event: 'failed', outcome }));
  expect(await sums()).toEqual([0, 0]);
  const taken = await insert();
  await recordRefund(pool, makeRefundRecord(taken, { event: 'succeeded' }));
  const back = { key: `${taken.id}/back`, event: 'failed', outcome } as const;
  expect(await recordRefund(pool, makeRefundRecord(taken, back))).toMatchObject({
    status: 'failed',
  });
  expect(await sums()).toEqual([0, 0]);
});

test('a failure brings its own code of the provider, or none', async () => {
  const refund = await insert();
  const nothing = { providerRefundId: null, receipt: null, amountMinor: null };
  const told = { kind: 'succeeded', ...nothing, failure: null, providerCode: '0' } as const;
  await recordRefund(pool, makeRefundRecord(refund, { event: 'succeeded', outcome: told }));
  const failure = refundFailure('declined', null, 'An operator decided so.');
  const outcome = { kind: 'failed', ...nothing, failure, providerCode: null } as const;
  const back = { key: `${refund.id}/back`, event: 'failed', outcome } as const;
  await recordRefund(pool, makeRefundRecord(refund, back));
  const row = await findRefund(pool, MERCHANT.id, refund.id);
  expect(row).toMatchObject({ failureCode: 'declined', providerCode: null });
});

test('in review after late money it shows the failure’s own code of the provider', async () => {
  const refund = await insert();
  const failed = refundFailed(refundFailure('declined', 'R000002'));
  await recordRefund(pool, makeRefundRecord(refund, { event: 'failed', outcome: failed }));
  const succeeded = { ...failed, kind: 'succeeded', failure: null, providerCode: '0' } as const;
  const late = { event: 'succeeded', reviewReason: 'late_success' } as const;
  const key = `${refund.id}/late`;
  expect(
    await recordRefund(pool, makeRefundRecord(refund, { ...late, key, outcome: succeeded })),
  ).toMatchObject({ status: 'needs_review', reviewReason: 'late_success' });
  const shown = { failureCode: 'declined', providerCode: 'R000002' };
  expect(await findRefund(pool, MERCHANT.id, refund.id)).toMatchObject(shown);
  const decided = { key: `${refund.id}/decided`, event: 'succeeded', outcome: succeeded } as const;
  await recordRefund(pool, makeRefundRecord(refund, decided));
  const paid = { status: 'succeeded', failureCode: null, providerCode: '0' };
  expect(await findRefund(pool, MERCHANT.id, refund.id)).toMatchObject(paid);
});

test('a receipt that is learned leaves what the refund waits for', async () => {
  const refund = await insert();
  const waits = { waitingFor: 'callback', waitMs: 60_000 } as const;
  await recordRefund(pool, makeRefundRecord(refund, { key: `${refund.id}/asked`, ...waits }));
  const before = await findRefund(pool, MERCHANT.id, refund.id);
  const learned = { key: `${refund.id}/learned`, paymentReceipt: 'UJ7A1B2C3D' };
  await recordRefund(pool, makeRefundRecord(refund, learned));
  const { waitUntil } = before ?? {};
  expect(waitUntil).toEqual(expect.any(String));
  expect(await findRefund(pool, MERCHANT.id, refund.id)).toMatchObject({
    waitingFor: 'callback',
    waitUntil,
  });
});

test('a late success of a failed refund is reserved again, for a person to see', async () => {
  const refund = await insert();
  await recordRefund(pool, makeRefundRecord(refund, { event: 'failed' }));
  const late = { key: `${refund.id}/late`, event: 'succeeded' } as const;
  expect(await recordRefund(pool, makeRefundRecord(refund, late))).toMatchObject({
    status: 'needs_review',
  });
  expect(await sums()).toEqual([4_000, 0]);
});

test('fifty refunds at once never take more than was captured', async () => {
  const tries = Array.from({ length: 50 }, () =>
    insertRefund(pool, newRefund({ amountMinor: 700 })),
  );
  const kinds = (await Promise.all(tries)).map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind === 'inserted')).toHaveLength(14);
  expect(kinds.filter((kind) => kind === 'too_much')).toHaveLength(36);
  expect(await sums()).toEqual([9_800, 0]);
  expect(await listBrokenLinks(pool, payment.id)).toEqual([]);
});

test('the same key twenty times at once is one refund', async () => {
  const once = newRefund();
  const tries = Array.from({ length: 20 }, () =>
    insertRefund(pool, { ...once, id: newId('refund') }),
  );
  const insertions = await Promise.all(tries);
  const ids = insertions.map((it) => ('refund' in it ? it.refund.id : it.kind));
  expect(new Set(ids).size).toBe(1);
  expect(await sums()).toEqual([4_000, 0]);
});

test('without an amount all that is left is refunded; then nothing is', async () => {
  await insert();
  expect((await insert({ amountMinor: null })).amountMinor).toBe(6_000);
  expect(await insertRefund(pool, newRefund({ amountMinor: null }))).toMatchObject({
    kind: 'too_much',
    leftMinor: 0,
  });
});

test('the database itself refuses more than was captured', async () => {
  const update = database.queryAsOwner(
    'UPDATE payments SET amount_reserved = 10001 WHERE id = $1',
    [payment.id],
  );
  await expect(update).rejects.toThrow();
});

test('a send is claimed once, and by the same caller again', async () => {
  const refund = await insert();
  const claim = { refundId: refund.id, paymentId: payment.id, send: 1 };
  const claims = await Promise.all(
    ['a', 'b', 'c', 'd'].map((nonce) => recordRefundDispatch(pool, { ...claim, nonce })),
  );
  expect(claims.filter(({ kind }) => kind === 'dispatched')).toHaveLength(1);
  const winner = ['a', 'b', 'c', 'd'][claims.findIndex(({ kind }) => kind === 'dispatched')] ?? '';
  expect(await recordRefundDispatch(pool, { ...claim, nonce: winner })).toEqual({
    kind: 'dispatched',
  });
});

test('a dispute is shown on its payment, and a late "open" does not undo its end', async () => {
  const dispute = {
    providerDisputeId: 'dp_1',
    providerPaymentId: payment.providerPaymentId ?? '',
    status: 'open',
    amountMinor: 10_000,
    currency: 'KES',
    reason: 'fraudulent',
  } as const;
  const found = { eventId: 'evt_1', provider: payment.provider, account: null, dispute };
  expect(await recordDispute(pool, found)).toBe('recorded');
  const lost = { ...dispute, status: 'lost' } as const;
  expect(await recordDispute(pool, { ...found, eventId: 'evt_2', dispute: lost })).toBe('recorded');
  expect(await recordDispute(pool, { ...found, eventId: 'evt_3' })).toBe('nothing_new');
  expect((await findPayment(pool, MERCHANT.id, payment.id))?.disputes[0]).toMatchObject({
    status: 'lost',
  });
  expect((await listAudit(pool, payment.id)).map(({ action }) => action).slice(-2)).toEqual([
    'payment.disputed',
    'payment.disputed',
  ]);
  const other = { ...dispute, providerPaymentId: 'pi_none' };
  expect(await recordDispute(pool, { ...found, eventId: 'evt_4', dispute: other })).toBe('unknown');
  const stranger = { ...found, eventId: 'evt_5', account: 'config:pcf_1' };
  expect(await recordDispute(pool, stranger)).toBe('unknown');
});

test('a message that tells nothing new gets no entry and no event', async () => {
  const refund = await insert();
  const webhook = makeWebhookEvent({ workflowId: refund.workflowId });
  await insertWebhookEvent(pool, webhook);
  const told = async () => [
    (await listAudit(pool, payment.id)).length,
    (await database.queryAsOwner('SELECT id FROM outgoing_events')).length,
  ];
  const before = await told();
  const silent = makeRefundRecord(refund, {
    key: `${refund.id}/event/again`,
    action: 'refund.callback_unclear',
    isWithoutAuditEntry: true,
    waitingFor: 'callback',
    waitMs: 1_000,
    webhook: { eventId: webhook.id, status: 'applied', note: 'unclear' },
  });
  expect(await recordRefund(pool, silent)).toEqual({
    status: 'pending',
    changed: false,
    refused: false,
  });
  expect(await told()).toEqual(before);
  const [stored] = await database.queryAsOwner('SELECT status FROM webhook_events');
  expect(stored).toEqual({ status: 'applied' });
});
