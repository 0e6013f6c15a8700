import { newId } from '../../db/ids.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { insertPayment } from '../../db/payments.ts';
import { insertRefund } from '../../db/refunds.ts';
import { insertWebhookEvent } from '../../db/webhook-events.ts';
import { paymentInput } from '../../domain/inputs.ts';
import type { Payment } from '../../domain/payment.ts';
import type { PaymentStatus } from '../../domain/payment-states.ts';
import { capabilitiesOf } from '../../providers/index.ts';
import { paymentStart } from '../../temporal/start.ts';
import {
  freeReceipts,
  makeNewPayment,
  makeNewRefund,
  makeOutcome,
  makeWebhookEvent,
  POLICY,
  reread,
  storePayment,
  storePaymentIn,
} from '../factories.ts';
import { openSweepHarness, type SweepHarness } from './sweep-harness.ts';
import { untilIdle } from './test-server.ts';

/** PostgreSQL was put back to an earlier time, and Temporal knows what has happened since. */
let harness: SweepHarness;
beforeAll(async () => {
  harness = await openSweepHarness();
});
beforeEach(() => harness.reset());
afterEach(() => freeReceipts(harness.database));
afterAll(() => harness.close());

const QUICK = {
  ...POLICY,
  callback_wait_ms: 1_000,
  lookup: { timeout_ms: 1_000, poll_interval_ms: [200], window_ms: 5_000 },
};
const store = () =>
  storePayment(harness.pool, { provider: 'stripe', credentialsRef: 'env:stripe', policy: QUICK });

/** The row as it was when the payment was stored, two hours ago. */
async function forgetSend({ id, attemptId }: Payment): Promise<void> {
  await harness.own(
    `UPDATE payments SET status = 'created', amount_captured = 0, provider_payment_id = NULL,
       provider_receipt = NULL, provider_code = NULL, waiting_for = NULL, wait_until = NULL,
       completed_at = NULL, updated_at = now() - interval '2 hours' WHERE id = $1`,
    [id],
  );
  await harness.own(
    `UPDATE attempts SET status = 'prepared', dispatch_count = 0, dispatch_nonce = NULL,
       dispatched_at = NULL, settled_at = NULL, provider_payment_id = NULL WHERE id = $1`,
    [attemptId],
  );
  await harness.database.asRestore(
    `DELETE FROM audit_entries WHERE payment_id = '${id}' AND key <> 'created'`,
  );
}

const statusOf = async (payment: Payment) => (await reread(harness.pool, payment)).status;
const untilStatus = (payment: Payment, status: PaymentStatus) =>
  harness.until(async () => (await statusOf(payment)) === status, `${payment.id} is ${status}`);
const untilMoved = (payment: Payment) =>
  harness.until(async () => (await statusOf(payment)) !== 'created', `${payment.id} has moved`);

/** A payment whose own run has completed. */
async function complete(): Promise<Payment> {
  const payment = await store();
  // As M-Pesa's status query: it names no receipt, so payments before it that ask too take none.
  harness.provider.lookup = makeOutcome('succeeded', { receipt: null });
  const start = paymentStart(paymentInput(payment, capabilitiesOf));
  expect(await harness.temporal.workflow.execute('payment', start)).toEqual({
    status: 'succeeded',
  });
  expect(harness.sendsOf(payment)).toBe(1);
  return payment;
}

describe('a payment whose run has completed, and whose row says that it was never sent', () => {
  it('is asked about, and settled by the answer', async () => {
    const payment = await complete();
    const before = harness.asksOf(payment);
    await forgetSend(payment);
    await harness.sweep();
    await untilStatus(payment, 'succeeded');
    expect([harness.sendsOf(payment), harness.asksOf(payment) > before]).toEqual([1, true]);
    const entries = await harness.own(
      'SELECT cause FROM audit_entries WHERE payment_id = $1 AND action = $2',
      [payment.id, 'payment.reopened'],
    );
    expect(entries).toEqual([{ cause: expect.stringContaining('completed as succeeded') }]);
  });

  it('needs a person when nobody tells', async () => {
    const payment = await complete();
    await forgetSend(payment);
    harness.reset();
    await harness.sweep();
    await untilStatus(payment, 'needs_review');
    const { reviewReason, failureCode } = await reread(harness.pool, payment);
    expect([reviewReason, failureCode, harness.sendsOf(payment)]).toEqual([
      'history_lost',
      null,
      1,
    ]);
  });

  it('by a late callback needs a person as well, and is not given back as late money', async () => {
    const payment = await complete();
    await forgetSend(payment);
    const { workflowId, provider } = payment;
    const event = makeWebhookEvent({ workflowId, provider, event: makeOutcome('succeeded') });
    await insertWebhookEvent(harness.pool, event);
    await harness.own(
      `UPDATE webhook_events SET received_at = now() - interval '1 hour' WHERE id = $1`,
      [event.id],
    );
    await harness.own('UPDATE payments SET updated_at = now() WHERE id = $1', [payment.id]);
    harness.reset();
    await harness.sweep();
    await untilMoved(payment);
    expect(await reread(harness.pool, payment)).toMatchObject({
      status: 'needs_review',
      reviewReason: 'history_lost',
    });
  });
});

it('the run of another payment under the same key proves that one was forgotten', async () => {
  const forgotten = await complete();
  const { id, workflowId } = forgotten;
  await harness.database.asRestore(
    `DELETE FROM outgoing_events WHERE payment_id = '${id}'`,
    `DELETE FROM audit_entries WHERE payment_id = '${id}'`,
    `DELETE FROM attempts WHERE payment_id = '${id}'`,
    `DELETE FROM payments WHERE id = '${id}'`,
  );
  const again = await storePayment(harness.pool, {
    provider: 'stripe',
    credentialsRef: 'env:stripe',
    workflowId,
  });
  await harness.own(`UPDATE payments SET updated_at = now() - interval '2 hours' WHERE id = $1`, [
    again.id,
  ]);
  await harness.sweep();
  await untilStatus(again, 'succeeded');
  expect(harness.sendsOf(again)).toBe(1);
});

describe('a refund', () => {
  const GIVEN_BACK = {
    kind: 'succeeded',
    providerRefundId: 're_1',
    receipt: null,
    amountMinor: 4_000,
    failure: null,
    providerCode: null,
  } as const;
  const age = `updated_at = now() - interval '2 hours'`;

  async function storeRefund() {
    const changes = { provider: 'stripe', credentialsRef: 'env:stripe', policy: QUICK };
    const payment = await storePaymentIn(harness.pool, 'succeeded', changes);
    const request = makeNewRefund(payment);
    const { id } = request;
    await insertRefund(harness.pool, request);
    await harness.own(`UPDATE refunds SET ${age} WHERE id = $1`, [id]);
    await harness.sweep();
    await harness.until(() => Promise.resolve(harness.sendsOf(request) === 1), 'it is sent');
    return { payment, request, id };
  }
  const statusIs = (id: string, status: string) => async () =>
    (await harness.own('SELECT status FROM refunds WHERE id = $1', [id]))[0]?.status === status;

  it('whose run has completed, and whose row calls it unsent, is asked about', async () => {
    harness.provider.lookupRefund = GIVEN_BACK;
    const { payment, request, id } = await storeRefund();
    await harness.until(statusIs(id, 'succeeded'), 'the refund has succeeded');
    await harness.database.asRestore(
      `UPDATE payments SET amount_refunded = 0, amount_reserved = 4000 WHERE id = '${payment.id}'`,
      `UPDATE refunds SET status = 'pending', dispatch_count = 0, dispatch_nonce = NULL,
         dispatched_at = NULL, provider_refund_id = NULL, waiting_for = NULL, wait_until = NULL,
         completed_at = NULL, swept_at = NULL, ${age} WHERE id = '${id}'`,
      `DELETE FROM audit_entries WHERE payment_id = '${payment.id}' AND key LIKE '${id}/%'
         AND key <> '${id}/created'`,
    );
    await harness.sweep();
    await harness.until(statusIs(id, 'succeeded'), 'the refund is known again');
    expect(harness.sendsOf(request)).toBe(1);
  });

  it.each([{ isRepeated: true }, { isRepeated: false }])(
    'whose row is gone is not lost; the merchant has repeated it: $isRepeated',
    async ({ isRepeated }) => {
      const { payment, request, id } = await storeRefund();
      await untilIdle(harness.temporal.workflow.getHandle(request.workflowId));
      await harness.database.asRestore(
        `DELETE FROM outgoing_events WHERE refund_id = '${id}'`,
        `DELETE FROM refunds WHERE id = '${id}'`,
        `UPDATE payments SET amount_reserved = 0 WHERE id = '${payment.id}'`,
        `DELETE FROM audit_entries WHERE payment_id = '${payment.id}' AND key LIKE '${id}/%'`,
      );
      const again = { ...request, id: newId('refund') };
      if (isRepeated) await insertRefund(harness.pool, again);
      harness.provider.lookupRefund = GIVEN_BACK;
      await harness.env.sleep('2 hours');
      const known = isRepeated ? again.id : id;
      await harness.until(statusIs(known, 'succeeded'), 'the refund has succeeded');
      const { amountRefundedMinor, amountReservedMinor } = await reread(harness.pool, payment);
      expect([amountRefundedMinor, amountReservedMinor]).toEqual([4_000, 0]);
      expect(await insertRefund(harness.pool, again)).toMatchObject({
        kind: 'replayed',
        refund: { id: known, fingerprint: request.fingerprint },
      });
      expect(harness.sendsOf(request)).toBe(1);
    },
  );
});

/** A payment that waits for its callback, and whose rows the database forgot since. */
async function startForgotten(changes = {}): Promise<Payment> {
  const payment = await storePayment(harness.pool, {
    provider: 'stripe',
    credentialsRef: 'env:stripe',
    ...changes,
  });
  const start = paymentStart(paymentInput(payment, capabilitiesOf));
  const handle = await harness.temporal.workflow.start('payment', start);
  await harness.until(() => Promise.resolve(harness.sendsOf(payment) === 1), 'it is sent');
  await untilIdle(handle);
  await forgetRows(payment);
  return payment;
}

const forgetRows = ({ id }: Payment) =>
  harness.database.asRestore(
    ...['outgoing_events', 'webhook_events', 'audit_entries', 'attempts'].map(
      (table) => `DELETE FROM ${table} WHERE payment_id = '${id}'`,
    ),
    `DELETE FROM payments WHERE id = '${id}'`,
  );
/** Once its next wait is over. */
async function resultOf({ workflowId }: Payment): Promise<unknown> {
  await harness.env.sleep('15 minutes');
  return await harness.temporal.workflow.getHandle(workflowId).result();
}

describe('a payment whose row is gone while its run goes on', () => {
  it('is built of what the run knows, and found again under its key', async () => {
    const payment = await startForgotten();
    harness.provider.lookup = makeOutcome('succeeded');
    expect(await resultOf(payment)).toEqual({ status: 'succeeded' });
    const { workflowId, idempotencyKey } = payment;
    expect(await reread(harness.pool, payment)).toMatchObject({
      status: 'succeeded',
      amountCapturedMinor: payment.amountMinor,
      providerPaymentId: 'ws_CO_1',
    });
    const request = { workflowId, idempotencyKey, reference: 'ORDER-77' };
    const other = makeNewPayment({ ...request, amountMinor: 1 });
    const refused = await insertPayment(harness.pool, other);
    expect([refused.payment.id, refused.payment.fingerprint]).toEqual([payment.id, '']);
    for (const fingerprint of ['1', '2']) {
      const again = makeNewPayment({ ...request, fingerprint: fingerprint.repeat(64) });
      const { inserted, payment: known } = await insertPayment(harness.pool, again);
      expect([inserted, known.id, known.reference]).toEqual([false, payment.id, 'ORDER-77']);
      expect(known.fingerprint).toBe('1'.repeat(64));
    }
    expect(harness.sendsOf(payment)).toBe(1);
  });

  it('goes on with the row that the merchant’s repeated request made', async () => {
    const payment = await startForgotten();
    const { workflowId, idempotencyKey } = payment;
    const changes = { provider: 'stripe', credentialsRef: 'env:stripe' };
    const again = await storePayment(harness.pool, { ...changes, workflowId, idempotencyKey });
    harness.provider.lookup = makeOutcome('succeeded');
    expect(await resultOf(payment)).toEqual({ status: 'succeeded' });
    expect(await statusOf(again)).toBe('succeeded');
    expect(harness.sendsOf(payment)).toBe(1);
  });

  it('is told of that row by the sweeper, when nothing else is to be written', async () => {
    const changes = { policy: { ...POLICY, callback_wait_ms: 7 * 24 * 3_600_000 } };
    const payment = await startForgotten(changes);
    const { workflowId, idempotencyKey } = payment;
    const again = await storePayment(harness.pool, {
      provider: 'stripe',
      credentialsRef: 'env:stripe',
      workflowId,
      idempotencyKey,
    });
    const age = `UPDATE payments SET updated_at = now() - interval '2 hours' WHERE id = $1`;
    await harness.own(age, [again.id]);
    harness.provider.lookup = makeOutcome('succeeded');
    await harness.sweep();
    await untilStatus(again, 'succeeded');
    expect(harness.sendsOf(again)).toBe(1);
  });

  it('waits in sight while its merchant is gone as well', async () => {
    const merchant = { id: newId('merchant'), name: 'Forgotten' };
    await ensureMerchant(harness.pool, merchant);
    const payment = await startForgotten({ merchantId: merchant.id });
    await harness.database.asRestore(`DELETE FROM merchants WHERE id = '${merchant.id}'`);
    harness.provider.lookup = makeOutcome('succeeded');
    await harness.env.sleep('10 minutes');
    const { status } = await harness.temporal.workflow.getHandle(payment.workflowId).describe();
    expect(status.name).toBe('RUNNING');
    await ensureMerchant(harness.pool, merchant);
    expect(await resultOf(payment)).toEqual({ status: 'succeeded' });
    expect(await statusOf(payment)).toBe('succeeded');
  });

  it.each([
    { by: 'a token', account: null, provider: 'mpesa', credentialsRef: 'env:mpesa' },
    { by: 'a signature', account: 'env:stripe', provider: 'stripe', credentialsRef: 'env:stripe' },
  ])('takes the callback that $by proves', async ({ account, provider, credentialsRef }) => {
    const payment = await startForgotten({ provider, credentialsRef });
    const { workflowId } = payment;
    const event = { provider, account, workflowId, event: makeOutcome('succeeded') };
    const stored = makeWebhookEvent(event);
    await insertWebhookEvent(harness.pool, stored);
    const age = `UPDATE webhook_events SET received_at = now() - interval '1 hour' WHERE id = $1`;
    await harness.own(age, [stored.id]);
    await harness.sweep();
    if (provider === 'stripe') harness.provider.lookup = makeOutcome('succeeded');
    expect(await resultOf(payment)).toEqual({ status: 'succeeded' });
    const fate = async () =>
      (await harness.own('SELECT status FROM webhook_events WHERE id = $1', [stored.id]))[0]
        ?.status;
    await harness.sweep();
    await harness.until(async () => (await fate()) === 'applied', 'the callback is applied');
  });
});

it('an answer that comes after Temporal gave its run up still tells what to ask by', async () => {
  const payment = await storePayment(harness.pool, { policy: QUICK });
  // As a stopped process: no heartbeat leaves for longer than Temporal waits for one.
  harness.provider.whileSent = () => {
    harness.provider.whileSent = undefined;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 8_000);
  };
  harness.provider.lookup = makeOutcome('succeeded');
  const start = paymentStart(paymentInput(payment, capabilitiesOf));
  expect(await harness.temporal.workflow.execute('payment', start)).toEqual({
    status: 'succeeded',
  });
  expect(await harness.actionsOf(payment)).toContain('payment.answer_lost');
  expect([harness.sendsOf(payment), harness.asksOf(payment) > 0]).toEqual([1, true]);
});
