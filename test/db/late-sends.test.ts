import { randomBytes } from 'node:crypto';
import { cancelUnsent } from '../../db/cancel-unsent.ts';
import { recordReattempt } from '../../db/dispatch.ts';
import { ensureMerchant, updateMerchant } from '../../db/merchants.ts';
import type { Pool } from '../../db/pool.ts';
import { referTo, saveProviderConfig, setProviderConfigActive } from '../../db/provider-configs.ts';
import { record } from '../../db/record.ts';
import { recordRefund } from '../../db/record-refund.ts';
import { recordRefundDispatch } from '../../db/refund-dispatch.ts';
import type { Payment } from '../../domain/payment.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import {
  dispatch,
  listAttempts,
  listEntries,
  MERCHANT,
  makeOutcome,
  makeRecord,
  makeRefundRecord,
  POLICY,
  reread,
  storePayment,
  storePaymentIn,
  storeRefund,
  VAULT,
} from '../factories.ts';

/** What was stored and is not to be sent any more, whoever comes to send it. */
let database: TestDatabase;
let pool: Pool;
beforeAll(async () => {
  database = await openTestDatabase();
  pool = database.pool;
  await ensureMerchant(pool, MERCHANT);
});
afterAll(() => database.close());

const own = (text: string, values: unknown[]) => database.queryAsOwner(text, values);
const MINUTE_MS = 60_000;
const within = (accept_within_ms: number) => ({
  policy: { ...POLICY, charge: { ...POLICY.charge, accept_within_ms } },
});
const sendsOf = async (payment: Payment) =>
  (await listEntries(database, payment)).filter(({ action }) => action === 'payment.dispatched');

/** As after so long in which nobody took it up. */
async function age({ id }: Payment, by: string): Promise<void> {
  await own('UPDATE payments SET created_at = created_at - $2::interval WHERE id = $1', [id, by]);
  await own('UPDATE attempts SET due_at = due_at - $2::interval WHERE payment_id = $1', [id, by]);
}
const plan = (payment: Payment, waitMs: number) =>
  record(
    pool,
    makeRecord(payment, { action: 'payment.resend_planned', waitingFor: 'resend', waitMs }),
  );
async function reattempt(payment: Payment, waitMs: number): Promise<Payment> {
  const { provider, credentialsRef, policy } = payment;
  await recordReattempt(pool, {
    ...makeRecord(payment, { action: 'payment.reattempt_planned', waitMs }),
    outcome: makeOutcome('declined'),
    route: { provider, credentialsRef, policy },
  });
  return await reread(pool, payment);
}

describe('a charge is sent only so long after it was due', () => {
  // table
  test.each([
    ['by default', {}, '14 minutes', 'dispatched'],
    ['by default', {}, '16 minutes', 'too_late'],
    ['by default', {}, '8 hours', 'too_late'],
    ['by its policy', within(60 * MINUTE_MS), '16 minutes', 'dispatched'],
    ['by its policy', within(60 * MINUTE_MS), '61 minutes', 'too_late'],
  ])('%s %j, after %s: %s', async (_whose, changes, by, kind) => {
    const payment = await storePayment(pool, changes);
    await age(payment, by);
    expect(await dispatch(pool, payment)).toMatchObject({ kind });
    expect(await sendsOf(payment)).toHaveLength(kind === 'dispatched' ? 1 : 0);
    expect((await reread(pool, payment)).status).toBe(
      kind === 'dispatched' ? 'processing' : 'created',
    );
  });

  test('what an earlier run sent is told before anything else, however long ago', async () => {
    const payment = await storePayment(pool);
    await dispatch(pool, payment);
    await age(payment, '8 hours');
    expect(await dispatch(pool, payment, 1, 'other')).toMatchObject({ kind: 'already_dispatched' });
    expect(await dispatch(pool, payment, 1, 'nonce')).toEqual({ kind: 'dispatched' });
  });

  // table
  test.each([
    ['an hour later than planned', 3_600_000, '2 hours', 'too_late'],
    ['as planned an hour later', 3_600_000, '1 hour', 'dispatched'],
    ['after days of a pause', 15_000, '3 days', 'too_late'],
  ])('a second send %s', async (_when, waitMs, by, kind) => {
    const payment = await storePayment(pool);
    await dispatch(pool, payment);
    await plan(payment, waitMs);
    await age(payment, by);
    expect(await dispatch(pool, payment, 2)).toMatchObject({ kind });
  });

  test('a plan does not make a first send that was never claimed any younger', async () => {
    const payment = await storePayment(pool);
    await age(payment, '16 minutes');
    await plan(payment, 15_000);
    expect(await dispatch(pool, payment)).toMatchObject({ kind: 'too_late' });
  });

  // table
  test.each([
    ['as planned an hour later', '1 hour', 'dispatched'],
    ['long after that', '2 hours', 'too_late'],
  ])('another attempt %s', async (_when, by, kind) => {
    const payment = await storePayment(pool);
    await dispatch(pool, payment);
    const next = await reattempt(payment, 3_600_000);
    await age(next, by);
    expect(await dispatch(pool, next)).toMatchObject({ kind });
  });
});

describe('what is switched off after a payment was stored is not charged:', () => {
  const config = (merchantId: string | null, provider: string, active = true) =>
    saveProviderConfig(pool, VAULT, {
      merchantId,
      provider,
      environment: 'simulator',
      active,
      policyOverride: {},
      credentials: { api_key: 'x' },
      shown: {},
      account: 'acct',
    });

  test('the merchant’s own configuration', async () => {
    const credentialsRef = referTo(await config(MERCHANT.id, 'mpesa'));
    const payment = await storePayment(pool, { credentialsRef });
    await setProviderConfigActive(pool, MERCHANT.id, 'mpesa', false);
    expect(await dispatch(pool, payment)).toMatchObject({ kind: 'switched_off', what: 'provider' });
    await setProviderConfigActive(pool, MERCHANT.id, 'mpesa', true);
    expect(await dispatch(pool, payment)).toEqual({ kind: 'dispatched' });
  });

  test('the default configuration that came after a payment by the deployment’s own', async () => {
    const payment = await storePayment(pool, { provider: 'cpay', credentialsRef: 'env:cpay' });
    await config(null, 'cpay', false);
    expect(await dispatch(pool, payment)).toMatchObject({ kind: 'switched_off', what: 'provider' });
    await setProviderConfigActive(pool, null, 'cpay', true);
    expect(await dispatch(pool, payment)).toEqual({ kind: 'dispatched' });
  });

  test('the merchant', async () => {
    const payment = await storePayment(pool, { provider: 'stripe', credentialsRef: 'env:stripe' });
    await updateMerchant(pool, MERCHANT.id, { active: false });
    try {
      expect(await dispatch(pool, payment)).toMatchObject({ what: 'merchant' });
    } finally {
      await updateMerchant(pool, MERCHANT.id, { active: true });
    }
    expect(await sendsOf(payment)).toEqual([]);
  });
});

describe('a payment that was not claimed is canceled by its row alone', () => {
  test('once; then no send is claimed, and it says so', async () => {
    const payment = await storePayment(pool);
    expect(await cancelUnsent(pool, payment)).toBe(true);
    expect(await cancelUnsent(pool, payment)).toBe(true);
    expect(await reread(pool, payment)).toMatchObject({
      status: 'canceled',
      failureCode: 'canceled_by_merchant',
    });
    expect(await dispatch(pool, payment)).toEqual({ kind: 'refused' });
    const entries = await listEntries(database, payment);
    expect(entries.map(({ action }) => action)).toEqual(['payment.created', 'payment.canceled']);
    expect(await listAttempts(database, payment)).toMatchObject([{ status: 'settled' }]);
    const told = await own('SELECT type FROM outgoing_events WHERE payment_id = $1', [payment.id]);
    expect(told.map(({ type }) => type)).toContain('payment.canceled');
  });

  test.each(['processing', 'requires_action', 'authorized', 'needs_review', 'succeeded'] as const)(
    'but not one that is %s',
    async (status) => {
      const payment = await storePaymentIn(pool, status);
      expect(await cancelUnsent(pool, payment)).toBe(false);
      expect((await reread(pool, payment)).status).toBe(status);
    },
  );

  test('of a cancel and claims at once exactly one wins', async () => {
    const other = await database.openAnotherPool();
    for (let round = 0; round < 10; round += 1) {
      const payment = await storePayment(pool);
      const [isCanceled, ...claims] = await Promise.all([
        cancelUnsent(pool, payment),
        dispatch(other, payment, 1, 'a'),
        dispatch(pool, payment, 1, 'b'),
      ]);
      const sent = claims.filter(({ kind }) => kind === 'dispatched').length;
      expect([isCanceled, sent]).toEqual(isCanceled ? [true, 0] : [false, 1]);
    }
  });
});

describe('a refund is sent only so long after it was due', () => {
  const refundOf = async () => {
    const payment = await storePaymentIn(pool, 'succeeded');
    const { id: refundId, paymentId } = await storeRefund(pool, payment);
    return { refundId, paymentId };
  };
  type Of = Awaited<ReturnType<typeof refundOf>>;
  const claim = (of: Of, send = 1) =>
    recordRefundDispatch(pool, { ...of, send, nonce: randomBytes(4).toString('hex') });
  const note = (of: Of, key: string, waitMs: number) =>
    recordRefund(pool, {
      ...makeRefundRecord({ id: of.refundId, paymentId: of.paymentId }),
      key: `${of.refundId}/${key}`,
      action: key === 'receipt-asked' ? 'refund.receipt_asked' : 'refund.resend_planned',
      actor: 'workflow',
      waitingFor: key === 'receipt-asked' ? 'callback' : 'resend',
      waitMs,
    });
  const age = (of: Of, by: string) =>
    own(
      `UPDATE refunds SET created_at = created_at - $2::interval,
         wait_until = wait_until - $2::interval WHERE id = $1`,
      [of.refundId, by],
    );

  // table
  test.each([
    ['14 minutes', 'dispatched'],
    ['8 hours', 'too_late'],
  ])('after %s: %s', async (by, kind) => {
    const of = await refundOf();
    await age(of, by);
    expect(await claim(of)).toMatchObject({ kind });
  });

  // table
  test.each([
    ['40 seconds', 'dispatched'],
    ['8 hours', 'too_late'],
  ])('%s later than its receipt could have been told: %s', async (by, kind) => {
    const of = await refundOf();
    await note(of, 'receipt-asked', POLICY.refund.result_wait_ms);
    await age(of, `${POLICY.refund.result_wait_ms + 14 * MINUTE_MS} milliseconds`);
    await age(of, by);
    expect(await claim(of)).toMatchObject({ kind });
  });

  // table
  test.each([
    ['1 hour', 'dispatched'],
    ['8 hours', 'too_late'],
  ])('a second send that was planned an hour later, after %s: %s', async (by, kind) => {
    const of = await refundOf();
    await claim(of);
    await note(of, 'resend/1', 3_600_000);
    await age(of, by);
    expect(await claim(of, 2)).toMatchObject({ kind });
  });
});
