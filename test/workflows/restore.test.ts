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
import { openSweepStage, type SweepStage } from './sweep-stage.ts';
import { untilIdle } from './test-server.ts';

/** PostgreSQL was put back to an earlier time, and Temporal knows what has happened since. */
let stage: SweepStage;
beforeAll(async () => {
  stage = await openSweepStage();
});
beforeEach(() => stage.reset());
afterEach(() => freeReceipts(stage.database));
afterAll(() => stage.close());

const QUICK = {
  ...POLICY,
  callback_wait_ms: 1_000,
  lookup: { timeout_ms: 1_000, every_ms: [200], window_ms: 5_000 },
};
const store = () =>
  storePayment(stage.pool, { provider: 'stripe', credentialsRef: 'env:stripe', policy: QUICK });

/** The row as it was when the payment was stored, two hours ago. */
async function forgetSend({ id, attemptId }: Payment): Promise<void> {
  await stage.own(
    `UPDATE payments SET status = 'created', amount_captured = 0, provider_payment_id = NULL,
       provider_receipt = NULL, provider_code = NULL, waiting_for = NULL, wait_until = NULL,
       completed_at = NULL, updated_at = now() - interval '2 hours' WHERE id = $1`,
    [id],
  );
  await stage.own(
    `UPDATE attempts SET status = 'prepared', dispatch_count = 0, dispatch_nonce = NULL,
       dispatched_at = NULL, settled_at = NULL, provider_payment_id = NULL WHERE id = $1`,
    [attemptId],
  );
  await stage.database.asRestore(
    `DELETE FROM audit_entries WHERE payment_id = '${id}' AND key <> 'created'`,
  );
}

const statusOf = async (payment: Payment) => (await reread(stage.pool, payment)).status;
const untilStatus = (payment: Payment, status: PaymentStatus) =>
  stage.until(async () => (await statusOf(payment)) === status, `${payment.id} is ${status}`);
const untilMoved = (payment: Payment) =>
  stage.until(async () => (await statusOf(payment)) !== 'created', `${payment.id} has moved`);

/** A payment whose own run has completed. */
async function complete(): Promise<Payment> {
  const payment = await store();
  // As M-Pesa's status query: it names no receipt, so payments before it that ask too take none.
  stage.provider.lookup = makeOutcome('succeeded', { receipt: null });
  const start = paymentStart(paymentInput(payment, capabilitiesOf));
  expect(await stage.temporal.workflow.execute('payment', start)).toEqual({ status: 'succeeded' });
  expect(stage.sendsOf(payment)).toBe(1);
  return payment;
}

describe('a payment whose run has completed, and whose row says that it was never sent', () => {
  it('is asked about, and settled by the answer', async () => {
    const payment = await complete();
    const before = stage.asksOf(payment);
    await forgetSend(payment);
    await stage.sweep();
    await untilStatus(payment, 'succeeded');
    expect([stage.sendsOf(payment), stage.asksOf(payment) > before]).toEqual([1, true]);
    const entries = await stage.own(
      'SELECT cause FROM audit_entries WHERE payment_id = $1 AND action = $2',
      [payment.id, 'payment.recovered'],
    );
    expect(entries).toEqual([{ cause: expect.stringContaining('completed as succeeded') }]);
  });

  it('needs a person when nobody tells', async () => {
    const payment = await complete();
    await forgetSend(payment);
    stage.reset();
    await stage.sweep();
    await untilStatus(payment, 'needs_review');
    const { reviewReason, failureCode } = await reread(stage.pool, payment);
    expect([reviewReason, failureCode, stage.sendsOf(payment)]).toEqual(['history_lost', null, 1]);
  });

  it('by a late callback needs a person as well, and is not given back as late money', async () => {
    const payment = await complete();
    await forgetSend(payment);
    const { workflowId, provider } = payment;
    const event = makeWebhookEvent({ workflowId, provider, event: makeOutcome('succeeded') });
    await insertWebhookEvent(stage.pool, event);
    await stage.own(
      `UPDATE webhook_events SET received_at = now() - interval '1 hour' WHERE id = $1`,
      [event.id],
    );
    await stage.own('UPDATE payments SET updated_at = now() WHERE id = $1', [payment.id]);
    stage.reset();
    await stage.sweep();
    await untilMoved(payment);
    expect(await reread(stage.pool, payment)).toMatchObject({
      status: 'needs_review',
      reviewReason: 'history_lost',
    });
  });
});

it('the run of another payment under the same key proves that one was forgotten', async () => {
  const forgotten = await complete();
  const { id, workflowId } = forgotten;
  await stage.database.asRestore(
    `DELETE FROM outgoing_events WHERE payment_id = '${id}'`,
    `DELETE FROM audit_entries WHERE payment_id = '${id}'`,
    `DELETE FROM attempts WHERE payment_id = '${id}'`,
    `DELETE FROM payments WHERE id = '${id}'`,
  );
  const again = await storePayment(stage.pool, {
    provider: 'stripe',
    credentialsRef: 'env:stripe',
    workflowId,
  });
  await stage.own(`UPDATE payments SET updated_at = now() - interval '2 hours' WHERE id = $1`, [
    again.id,
  ]);
  await stage.sweep();
  await untilStatus(again, 'succeeded');
  expect(stage.sendsOf(again)).toBe(1);
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
    const payment = await storePaymentIn(stage.pool, 'succeeded', changes);
    const request = makeNewRefund(payment);
    const { id } = request;
    await insertRefund(stage.pool, request);
    await stage.own(`UPDATE refunds SET ${age} WHERE id = $1`, [id]);
    await stage.sweep();
    await stage.until(() => Promise.resolve(stage.sendsOf(request) === 1), 'it is sent');
    return { payment, request, id };
  }
  const statusIs = (id: string, status: string) => async () =>
    (await stage.own('SELECT status FROM refunds WHERE id = $1', [id]))[0]?.status === status;

  it('whose run has completed, and whose row calls it unsent, is asked about', async () => {
    stage.provider.lookupRefund = GIVEN_BACK;
    const { payment, request, id } = await storeRefund();
    await stage.until(statusIs(id, 'succeeded'), 'the refund has succeeded');
    await stage.database.asRestore(
      `UPDATE payments SET amount_refunded = 0, amount_reserved = 4000 WHERE id = '${payment.id}'`,
      `UPDATE refunds SET status = 'pending', dispatch_count = 0, dispatch_nonce = NULL,
         dispatched_at = NULL, provider_refund_id = NULL, waiting_for = NULL, wait_until = NULL,
         completed_at = NULL, swept_at = NULL, ${age} WHERE id = '${id}'`,
      `DELETE FROM audit_entries WHERE payment_id = '${payment.id}' AND key LIKE '${id}/%'
         AND key <> '${id}/created'`,
    );
    await stage.sweep();
    await stage.until(statusIs(id, 'succeeded'), 'the refund is known again');
    expect(stage.sendsOf(request)).toBe(1);
  });

  it.each([{ isRepeated: true }, { isRepeated: false }])(
    'whose row is gone is not lost; the merchant has repeated it: $isRepeated',
    async ({ isRepeated }) => {
      const { payment, request, id } = await storeRefund();
      await untilIdle(stage.temporal.workflow.getHandle(request.workflowId));
      await stage.database.asRestore(
        `DELETE FROM outgoing_events WHERE refund_id = '${id}'`,
        `DELETE FROM refunds WHERE id = '${id}'`,
        `UPDATE payments SET amount_reserved = 0 WHERE id = '${payment.id}'`,
        `DELETE FROM audit_entries WHERE payment_id = '${payment.id}' AND key LIKE '${id}/%'`,
      );
      const again = { ...request, id: newId('refund') };
      if (isRepeated) await insertRefund(stage.pool, again);
      stage.provider.lookupRefund = GIVEN_BACK;
      await stage.env.sleep('2 hours');
      const known = isRepeated ? again.id : id;
      await stage.until(statusIs(known, 'succeeded'), 'the refund has succeeded');
      const { amountRefundedMinor, amountReservedMinor } = await reread(stage.pool, payment);
      expect([amountRefundedMinor, amountReservedMinor]).toEqual([4_000, 0]);
      expect(await insertRefund(stage.pool, again)).toMatchObject({
        kind: 'replayed',
        refund: { id: known, fingerprint: request.fingerprint },
      });
      expect(stage.sendsOf(request)).toBe(1);
    },
  );
});

/** A payment that waits for its callback, and whose rows the database forgot since. */
async function startForgotten(changes = {}): Promise<Payment> {
  const payment = await storePayment(stage.pool, {
    provider: 'stripe',
    credentialsRef: 'env:stripe',
    ...changes,
  });
  const start = paymentStart(paymentInput(payment, capabilitiesOf));
  const handle = await stage.temporal.workflow.start('payment', start);
  await stage.until(() => Promise.resolve(stage.sendsOf(payment) === 1), 'it is sent');
  await untilIdle(handle);
  await forgetRows(payment);
  return payment;
}

const forgetRows = ({ id }: Payment) =>
  stage.database.asRestore(
    ...['outgoing_events', 'webhook_events', 'audit_entries', 'attempts'].map(
      (table) => `DELETE FROM ${table} WHERE payment_id = '${id}'`,
    ),
    `DELETE FROM payments WHERE id = '${id}'`,
  );
/** Once its next wait is over. */
async function resultOf({ workflowId }: Payment): Promise<unknown> {
  await stage.env.sleep('15 minutes');
  return await stage.temporal.workflow.getHandle(workflowId).result();
}

describe('a payment whose row is gone while its run goes on', () => {
  it('is built of what the run knows, and found again under its key', async () => {
    const payment = await startForgotten();
    stage.provider.lookup = makeOutcome('succeeded');
    expect(await resultOf(payment)).toEqual({ status: 'succeeded' });
    const { workflowId, idempotencyKey } = payment;
    expect(await reread(stage.pool, payment)).toMatchObject({
      status: 'succeeded',
      amountCapturedMinor: payment.amountMinor,
      providerPaymentId: 'ws_CO_1',
    });
    const request = { workflowId, idempotencyKey, reference: 'ORDER-77' };
    const other = makeNewPayment({ ...request, amountMinor: 1 });
    const refused = await insertPayment(stage.pool, other);
    expect([refused.payment.id, refused.payment.fingerprint]).toEqual([payment.id, '']);
    for (const fingerprint of ['1', '2']) {
      const again = makeNewPayment({ ...request, fingerprint: fingerprint.repeat(64) });
      const { inserted, payment: known } = await insertPayment(stage.pool, again);
      expect([inserted, known.id, known.reference]).toEqual([false, payment.id, 'ORDER-77']);
      expect(known.fingerprint).toBe('1'.repeat(64));
    }
    expect(stage.sendsOf(payment)).toBe(1);
  });

  it('goes on with the row that the merchant’s repeated request made', async () => {
    const payment = await startForgotten();
    const { workflowId, idempotencyKey } = payment;
    const changes = { provider: 'stripe', credentialsRef: 'env:stripe' };
    const again = await storePayment(stage.pool, { ...changes, workflowId, idempotencyKey });
    stage.provider.lookup = makeOutcome('succeeded');
    expect(await resultOf(payment)).toEqual({ status: 'succeeded' });
    expect(await statusOf(again)).toBe('succeeded');
    expect(stage.sendsOf(payment)).toBe(1);
  });

  it('is told of that row by the sweeper, when nothing else is to be written', async () => {
    const changes = { policy: { ...POLICY, callback_wait_ms: 7 * 24 * 3_600_000 } };
    const payment = await startForgotten(changes);
    const { workflowId, idempotencyKey } = payment;
    const again = await storePayment(stage.pool, {
      provider: 'stripe',
      credentialsRef: 'env:stripe',
      workflowId,
      idempotencyKey,
    });
    const age = `UPDATE payments SET updated_at = now() - interval '2 hours' WHERE id = $1`;
    await stage.own(age, [again.id]);
    stage.provider.lookup = makeOutcome('succeeded');
    await stage.sweep();
    await untilStatus(again, 'succeeded');
    expect(stage.sendsOf(again)).toBe(1);
  });

  it('waits in sight while its merchant is gone as well', async () => {
    const merchant = { id: newId('merchant'), name: 'Forgotten' };
    await ensureMerchant(stage.pool, merchant);
    const payment = await startForgotten({ merchantId: merchant.id });
    await stage.database.asRestore(`DELETE FROM merchants WHERE id = '${merchant.id}'`);
    stage.provider.lookup = makeOutcome('succeeded');
    await stage.env.sleep('10 minutes');
    const { status } = await stage.temporal.workflow.getHandle(payment.workflowId).describe();
    expect(status.name).toBe('RUNNING');
    await ensureMerchant(stage.pool, merchant);
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
    await insertWebhookEvent(stage.pool, stored);
    const age = `UPDATE webhook_events SET received_at = now() - interval '1 hour' WHERE id = $1`;
    await stage.own(age, [stored.id]);
    await stage.sweep();
    if (provider === 'stripe') stage.provider.lookup = makeOutcome('succeeded');
    expect(await resultOf(payment)).toEqual({ status: 'succeeded' });
    const fate = async () =>
      (await stage.own('SELECT status FROM webhook_events WHERE id = $1', [stored.id]))[0]?.status;
    await stage.sweep();
    await stage.until(async () => (await fate()) === 'applied', 'the callback is applied');
  });
});

it('an answer that comes after Temporal gave its run up still tells what to ask by', async () => {
  const payment = await storePayment(stage.pool, { policy: QUICK });
  // As a stopped process: no heartbeat leaves for longer than Temporal waits for one.
  stage.provider.whileSent = () => {
    stage.provider.whileSent = undefined;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 8_000);
  };
  stage.provider.lookup = makeOutcome('succeeded');
  const start = paymentStart(paymentInput(payment, capabilitiesOf));
  expect(await stage.temporal.workflow.execute('payment', start)).toEqual({ status: 'succeeded' });
  expect(await stage.actionsOf(payment)).toContain('payment.answer_lost');
  expect([stage.sendsOf(payment), stage.asksOf(payment) > 0]).toEqual([1, true]);
});
