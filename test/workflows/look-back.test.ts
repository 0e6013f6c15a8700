import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createSweep } from '../../activities/sweep.ts';
import { recordRefund } from '../../db/record-refund.ts';
import { recordRefundDispatch } from '../../db/refund-dispatch.ts';
import type { Payment } from '../../domain/payment.ts';
import type { PaymentStatus } from '../../domain/payment-states.ts';
import { refundFailed, refundFailure } from '../../domain/refund.ts';
import {
  freeReceipts,
  makeOutcome,
  makeRefundRecord,
  POLICY,
  recordEvent,
  reread,
  storePayment,
  storePaymentIn,
  storeRefund,
  VAULT,
} from '../factories.ts';
import { openSweepHarness, type SweepHarness } from './sweep-harness.ts';

/** What ended without money, though it may have reached the provider, is asked about once more. */
let harness: SweepHarness;
beforeAll(async () => {
  harness = await openSweepHarness();
});
beforeEach(() => harness.reset());
afterEach(() => freeReceipts(harness.database));
afterAll(() => harness.close());

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const policy = { ...POLICY, look_back_after_ms: [5 * MINUTE_MS, DAY_MS] };
const store = (status: PaymentStatus, changes = {}) =>
  storePaymentIn(harness.pool, status, {
    provider: 'stripe',
    credentialsRef: 'env:stripe',
    policy,
    ...changes,
  });

/** When it is due, counted from its end, and how often it was asked about. */
async function dueOf({ id }: { id: string }, table = 'payments') {
  const [row] = await harness.own(
    `SELECT round(extract(epoch FROM look_back_at - completed_at) * 1000)::int AS after_ms,
       look_back_count AS count FROM ${table} WHERE id = $1`,
    [id],
  );
  return row;
}
const makeDue = ({ id }: { id: string }, table = 'payments') =>
  harness.own(`UPDATE ${table} SET look_back_at = now() - interval '1 second' WHERE id = $1`, [id]);

/** One look back, and what came of it. */
async function lookBack(payment: Payment): Promise<Payment> {
  await makeDue(payment);
  await harness.sweep();
  const id = payment.workflowId;
  const handle = harness.temporal.workflow.getHandle(id);
  for (let tries = 0; tries < 800; tries += 1) {
    const { status } = await reread(harness.pool, payment);
    if (status === 'needs_review') break;
    const { status: run } = await handle.describe();
    if (run.name !== 'RUNNING') break;
    await sleep(25);
  }
  return await reread(harness.pool, payment);
}

it.each(['failed', 'canceled'] as const)('a payment that %s is asked about, twice', async (to) => {
  const payment = await store(to);
  expect(await dueOf(payment)).toEqual({ after_ms: 5 * MINUTE_MS, count: 0 });
  const story = await harness.actionsOf(payment);
  harness.provider.lookup = makeOutcome('declined');
  expect((await lookBack(payment)).status).toBe(to);
  expect(await dueOf(payment)).toEqual({ after_ms: DAY_MS, count: 1 });
  expect((await lookBack(payment)).status).toBe(to);
  expect(await dueOf(payment)).toEqual({ after_ms: null, count: 2 });
  expect(harness.asksOf(payment)).toBe(2);
  const late = harness.temporal.workflow.getHandle(payment.workflowId);
  expect((await late.describe()).historyLength).toBeLessThanOrEqual(12);
  // Nothing found leaves no trace.
  expect(await harness.actionsOf(payment)).toEqual(story);
});

it('an answer that is not definite is not asked for again and again', async () => {
  const payment = await store('failed');
  expect((await lookBack(payment)).status).toBe('failed');
  expect(harness.asksOf(payment)).toBe(1);
});

it('money that is found goes to review, as late money does', async () => {
  const payment = await store('failed');
  harness.provider.lookup = makeOutcome('succeeded', { money: null, receipt: null });
  const found = await lookBack(payment);
  expect([found.status, found.reviewReason]).toEqual(['needs_review', 'late_success']);
  expect((await harness.actionsOf(payment)).at(-1)).toBe('payment.late_outcome');
  expect(await dueOf(payment)).toMatchObject({ after_ms: null });
  // Who decides knows of this money: it is not brought up again.
  await recordEvent(harness.pool, payment, 'declined', { action: 'payment.decided' });
  expect(await dueOf(payment)).toMatchObject({ after_ms: null });
});

it('the policy may end that review', async () => {
  const payment = await store('canceled', { policy: { ...policy, late_success: 'accept' } });
  harness.provider.lookup = makeOutcome('succeeded', { money: null });
  await lookBack(payment);
  while ((await reread(harness.pool, payment)).status !== 'succeeded') await sleep(25);
});

it('money of a wrong amount goes to review as a callback of it would', async () => {
  const payment = await store('failed');
  const money = { amountMinor: 7, currency: 'KES' };
  harness.provider.lookup = makeOutcome('succeeded', { money });
  const found = await lookBack(payment);
  expect([found.status, found.reviewReason]).toEqual(['needs_review', 'late_amount_mismatch']);
});

it('what a person decided without knowing of money is asked about too', async () => {
  const payment = await store('needs_review');
  await recordEvent(harness.pool, payment, 'declined', { action: 'payment.decided' });
  expect(await dueOf(payment)).toEqual({ after_ms: 5 * MINUTE_MS, count: 0 });
});

it.each(['late_success', 'late_amount_mismatch'] as const)(
  'what a person decided who knew of late money (%s) is not asked about',
  async (reviewReason) => {
    const payment = await store('failed');
    await recordEvent(harness.pool, payment, 'succeeded', { reviewReason });
    expect(await reread(harness.pool, payment)).toMatchObject({ reviewReason });
    await recordEvent(harness.pool, payment, 'declined', { action: 'payment.decided' });
    expect(await dueOf(payment)).toEqual({ after_ms: null, count: 0 });
  },
);

it('what was never sent, or is paid, or has no such policy, is not looked back at', async () => {
  const unsent = await storePayment(harness.pool, { provider: 'stripe', policy });
  await recordEvent(harness.pool, unsent, 'canceled');
  for (const payment of [
    unsent,
    await store('succeeded'),
    await store('failed', { policy: POLICY }),
  ]) {
    expect(await dueOf(payment)).toEqual({ after_ms: null, count: 0 });
  }
});

it('what nobody can be asked about is let be', async () => {
  const changes = { provider: 'mpesa', credentialsRef: 'env:mpesa' };
  const payment = await store('failed', changes);
  await harness.own('UPDATE payments SET provider_payment_id = NULL WHERE id = $1', [payment.id]);
  await makeDue(payment);
  await harness.sweep();
  expect(await dueOf(payment)).toEqual({ after_ms: null, count: 0 });
});

it('while Temporal is away it stays due', async () => {
  const payment = await store('failed');
  await makeDue(payment);
  const connection = Connection.lazy({ address: '127.0.0.1:1' });
  const away = new Client({ connection });
  await connection.close();
  const sweeper = createSweep({
    pool: harness.pool,
    vault: VAULT,
    temporal: away,
    allowsLoopback: true,
    callbackUrl: () => '',
    refundCallbackUrls: () => ({}),
    clientFor: () => Promise.reject(new Error('not asked here')),
  });
  const round = { unstarted_after_ms: 1, undelivered_after_ms: 1, batch: 10 };
  const activity = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
  expect(await activity.run(() => sweeper.sweepLookBacks(round))).toMatchObject({ failed: 1 });
  expect(await dueOf(payment)).toMatchObject({ count: 0 });
  harness.provider.lookup = makeOutcome('declined');
  await lookBack(payment);
  expect(await dueOf(payment)).toMatchObject({ count: 1 });
});

it('a refund that failed after it was sent is asked about, and may be found', async () => {
  const payment = await store('succeeded');
  const refund = await storeRefund(harness.pool, payment);
  const { id, workflowId } = refund;
  await recordRefundDispatch(harness.pool, {
    refundId: id,
    paymentId: payment.id,
    send: 1,
    nonce: 'n',
  });
  await recordRefund(
    harness.pool,
    makeRefundRecord(refund, {
      event: 'failed',
      outcome: refundFailed(refundFailure('declined')),
      providerRefundId: 're_1',
    }),
  );
  expect(await dueOf({ id }, 'refunds')).toEqual({ after_ms: 5 * MINUTE_MS, count: 0 });
  harness.provider.lookupRefund = {
    kind: 'succeeded',
    providerRefundId: 're_1',
    receipt: null,
    amountMinor: 4_000,
    failure: null,
    providerCode: null,
  };
  await makeDue({ id }, 'refunds');
  await harness.sweep();
  const statusOf = async () =>
    (await harness.own('SELECT status, review_reason FROM refunds WHERE id = $1', [id]))[0];
  for (let tries = 0; tries < 400 && (await statusOf())?.status === 'failed'; tries += 1) {
    await sleep(25);
  }
  expect(await statusOf()).toEqual({ status: 'needs_review', review_reason: 'late_success' });
  await harness.env.client.workflow.getHandle(workflowId).terminate();
});
