import pg from 'pg';
import { openCharge } from '../../db/attempts.ts';
import { sealCustomer } from '../../db/customers.ts';
import { findDispatch } from '../../db/dispatch.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { findPayment } from '../../db/payments.ts';
import type { Pool } from '../../db/pool.ts';
import { record } from '../../db/record.ts';
import type { PaymentStatus } from '../../domain/payment-states.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import {
  dispatch,
  MERCHANT,
  makeNewPayment,
  makeOutcome,
  makeRecord,
  recordEvent,
  storePayment,
  storePaymentIn,
  VAULT,
} from '../factories.ts';

let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  await ensureMerchant(pool, MERCHANT);
});
afterAll(() => database.close());

const listSends = (paymentId: string) =>
  database.queryAsOwner(
    "SELECT details FROM audit_entries WHERE payment_id = $1 AND action = 'payment.dispatched'",
    [paymentId],
  );
const findAttempt = async (id: string) =>
  (await database.queryAsOwner('SELECT * FROM attempts WHERE id = $1', [id]))[0];

test('the first claim moves payment and attempt before anything is sent', async () => {
  const payment = await storePayment(pool);
  expect(await dispatch(pool, payment, 1, 'a')).toEqual({ kind: 'dispatched' });
  expect(await findPayment(pool, MERCHANT.id, payment.id)).toMatchObject({
    status: 'processing',
    waitingFor: 'provider_answer',
    waitUntil: null,
  });
  expect(await findAttempt(payment.attemptId)).toMatchObject({
    status: 'dispatched',
    dispatch_count: 1,
    dispatched_at: expect.any(Date),
  });
  expect(await listSends(payment.id)).toEqual([{ details: { send: 1 } }]);
});

test('of 20 callers over two pools exactly one may send', async () => {
  const payment = await storePayment(pool);
  const pools = [pool, await database.openAnotherPool()] as const;
  const claims = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      dispatch(index % 2 === 0 ? pools[0] : pools[1], payment, 1, `caller-${index}`),
    ),
  );
  expect(claims.filter(({ kind }) => kind === 'dispatched')).toHaveLength(1);
  expect(claims.filter(({ kind }) => kind === 'already_dispatched')).toHaveLength(19);
  expect(await listSends(payment.id)).toHaveLength(1);
});

test('the same caller may ask again and is told the same, written once', async () => {
  const payment = await storePayment(pool);
  const claims = await Promise.all(
    Array.from({ length: 5 }, () => dispatch(pool, payment, 1, 'a')),
  );
  expect(new Set(claims.map(({ kind }) => kind))).toEqual(new Set(['dispatched']));
  expect(await findAttempt(payment.attemptId)).toMatchObject({ dispatch_count: 1 });
  expect(await listSends(payment.id)).toHaveLength(1);
});

test('a second send is a claim of its own, and as single as the first', async () => {
  const payment = await storePayment(pool);
  await dispatch(pool, payment, 1, 'a');
  const claims = await Promise.all(
    ['b', 'c', 'd'].map((nonce) => dispatch(pool, payment, 2, nonce)),
  );
  expect(claims.filter(({ kind }) => kind === 'dispatched')).toHaveLength(1);
  expect(await dispatch(pool, payment, 1, 'a')).toMatchObject({ kind: 'already_dispatched' });
  expect(await listSends(payment.id)).toEqual([{ details: { send: 1 } }, { details: { send: 2 } }]);
});

test('no send can be skipped', async () => {
  const payment = await storePayment(pool);
  expect(await dispatch(pool, payment, 2, 'a')).toEqual({ kind: 'refused' });
  expect(await listSends(payment.id)).toEqual([]);
});

test('a caller that comes late is given the provider’s id of the first send', async () => {
  const payment = await storePayment(pool);
  await dispatch(pool, payment, 1, 'a');
  expect(await dispatch(pool, payment, 1, 'b')).toEqual({
    kind: 'already_dispatched',
    providerId: null,
    ageMs: expect.any(Number),
  });
  await record(pool, makeRecord(payment, { providerPaymentId: 'ws_CO_9' }));
  expect(await dispatch(pool, payment, 1, 'b')).toEqual({
    kind: 'already_dispatched',
    providerId: 'ws_CO_9',
    ageMs: expect.any(Number),
  });
});

test('whether a send was claimed can be asked, and how long ago that was', async () => {
  const payment = await storePayment(pool);
  const asked = { attemptId: payment.attemptId, send: 1 };
  expect(await findDispatch(pool, asked)).toBeNull();
  await dispatch(pool, payment, 1, 'a');
  await database.queryAsOwner(
    "UPDATE attempts SET dispatched_at = now() - interval '25 hours' WHERE id = $1",
    [payment.attemptId],
  );
  const found = await findDispatch(pool, asked);
  expect(found).toMatchObject({ kind: 'already_dispatched', providerId: null });
  expect(Math.round((found?.ageMs ?? 0) / 3_600_000)).toBe(25);
  expect(await findDispatch(pool, { ...asked, send: 2 })).toBeNull();
});

test('a payment canceled before its first send is never sent', async () => {
  const payment = await storePayment(pool);
  await recordEvent(pool, payment, 'canceled', { outcome: makeOutcome('canceled') });
  expect(await dispatch(pool, payment, 1, 'a')).toEqual({ kind: 'refused' });
  expect(await listSends(payment.id)).toEqual([]);
});

const NO_SECOND_SEND: readonly PaymentStatus[] = [
  'requires_action',
  'authorized',
  'needs_review',
  'succeeded',
  'failed',
  'canceled',
];

test.each(NO_SECOND_SEND)('while %s nothing is sent again', async (status) => {
  const payment = await storePaymentIn(pool, status);
  expect(await dispatch(pool, payment, 2, 'other')).toEqual({ kind: 'refused' });
  expect(await listSends(payment.id)).toHaveLength(1);
  expect(await findPayment(pool, MERCHANT.id, payment.id)).toMatchObject({ status });
});

test('after a lost answer nothing is sent again: the first send may have moved money', async () => {
  const payment = await storePaymentIn(pool, 'processing');
  await record(pool, makeRecord(payment, { action: 'payment.answer_lost' }));
  expect(await findAttempt(payment.attemptId)).toMatchObject({ status: 'unknown' });
  expect((await dispatch(pool, payment, 2, 'other')).kind).not.toBe('dispatched');
  expect(await listSends(payment.id)).toHaveLength(1);
});

test('an attempt of another payment is not claimed with this one', async () => {
  const [payment, other] = [await storePayment(pool), await storePayment(pool)];
  const mixed = { ...payment, attemptId: other.attemptId };
  const claim = await dispatch(pool, mixed, 1, 'a').catch(() => ({ kind: 'error' }));
  expect(claim.kind).not.toBe('dispatched');
  expect(await findAttempt(other.attemptId)).toMatchObject({ status: 'prepared' });
});

test('each change is told to listeners by the payment’s id', async () => {
  const listener = new pg.Client({ connectionString: database.adminUrl });
  const heard: (string | undefined)[] = [];
  listener.on('notification', ({ payload }) => heard.push(payload));
  await listener.connect();
  await listener.query('LISTEN malipo_payment');
  const payment = await storePayment(pool);
  await dispatch(pool, payment, 1, 'a');
  await recordEvent(pool, payment, 'succeeded', { key: 'k' });
  await recordEvent(pool, payment, 'succeeded', { key: 'k' });
  await listener.query('SELECT 1');
  await listener.end();
  expect(heard).toEqual([payment.id, payment.id]);
});

test('a charge is opened with the payer in clear, for its own payment only', async () => {
  const request = makeNewPayment({ description: 'Chai', paymentMethod: null });
  const payer = { phone: '+254712345678', email: 'amina@example.test', name: 'Amina Wanjiru' };
  const customer = sealCustomer(VAULT, request.id, { id: null, ...payer });
  const payment = await storePayment(pool, { ...request, customer });
  expect(await openCharge(pool, VAULT, payment.id, payment.attemptId)).toEqual({
    attemptOrdinal: 1,
    reference: 'ORDER-1234',
    description: 'Chai',
    paymentMethod: null,
    customer: payer,
    captureMethod: 'automatic',
    returnUrl: null,
  });
  const other = await storePayment(pool);
  await expect(openCharge(pool, VAULT, other.id, payment.attemptId)).rejects.toThrow();
});
