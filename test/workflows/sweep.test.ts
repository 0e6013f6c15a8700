import { insertWebhookEvent } from '../../db/webhook-events.ts';
import { reopenedInput } from '../../domain/inputs.ts';
import type { Payment } from '../../domain/payment.ts';
import type { PaymentStatus } from '../../domain/payment-states.ts';
import { capabilitiesOf } from '../../providers/index.ts';
import { captureUpdate, decideRefundUpdate, decideUpdate } from '../../workflows/messages.ts';
import {
  freeReceipts,
  makeOutcome,
  makeWebhookEvent,
  POLICY,
  reread,
  storePayment,
  storePaymentIn,
  storeRefund,
} from '../factories.ts';
import { lateEvent } from './harness.ts';
import { openSweepHarness, type SweepHarness } from './sweep-harness.ts';
import { untilIdle } from './test-server.ts';

let harness: SweepHarness;
beforeAll(async () => {
  harness = await openSweepHarness();
});
beforeEach(() => harness.reset());
afterEach(() => freeReceipts(harness.database));
afterAll(() => harness.close());

const OF_STRIPE = { provider: 'stripe', credentialsRef: 'env:stripe' };
const store = (status: PaymentStatus, changes = {}) =>
  storePaymentIn(harness.pool, status, { ...OF_STRIPE, ...changes });
/** Makes it overdue for long; its wait ends then. */
const age = ({ id }: { id: string }, table = 'payments', waitEnds = '-1 hour') =>
  harness.own(
    `UPDATE ${table} SET updated_at = now() - interval '2 hours',
       wait_until = now() + $2::interval WHERE id = $1`,
    [id, waitEnds],
  );
const statusOf = async (payment: Payment) => (await reread(harness.pool, payment)).status;

const untilStatus = (payment: Payment, status: PaymentStatus) =>
  harness.until(async () => (await statusOf(payment)) === status, `${payment.id} is ${status}`);
const untilRecovered = (payment: Payment) =>
  harness.until(
    async () => (await harness.actionsOf(payment)).includes('payment.reopened'),
    'it is recovered',
  );
const BY_PERSON = { by: 'ops', reason: 'seen in the statement', receipt: null } as const;

async function storeCallback(payment: Payment) {
  const { workflowId, provider } = payment;
  const event = makeWebhookEvent({ workflowId, provider });
  await insertWebhookEvent(harness.pool, event);
  await harness.own(
    `UPDATE webhook_events SET received_at = now() - interval '1 hour' WHERE id = $1`,
    [event.id],
  );
  return async () =>
    (await harness.own('SELECT status FROM webhook_events WHERE id = $1', [event.id]))[0];
}

it('leaves a review alone that its late workflow holds, and goes on with the rest', async () => {
  const reviewed = await store('failed');
  await harness.endRun(reviewed.workflowId);
  const success = makeOutcome('succeeded', { receipt: 'UJ7LATE000' });
  const late = { eventId: 'evt_late', event: success, unstored: null };
  const ended = await reread(harness.pool, reviewed);
  const input = reopenedInput(ended, capabilitiesOf, { nowMs: Date.now() });
  const start = lateEvent(input, late);
  await harness.temporal.workflow.signalWithStart('payment', start);
  await harness.env.sleep('1 minute');
  await untilStatus(reviewed, 'needs_review');
  const unstarted = await storePayment(harness.pool, OF_STRIPE);
  const waiting = await store('processing');
  for (const payment of [reviewed, unstarted, waiting]) await age(payment);
  const fate = await storeCallback(waiting);
  await harness.sweep();
  await untilStatus(unstarted, 'processing');
  await untilStatus(waiting, 'succeeded');
  expect([harness.sendsOf(unstarted), harness.sendsOf(waiting)]).toEqual([1, 0]);
  expect(await fate()).toEqual({ status: 'applied' });
  expect(await statusOf(reviewed)).toBe('needs_review');
  expect(await harness.actionsOf(reviewed)).not.toContain('payment.reopened');
  const holder = harness.temporal.workflow.getHandle(reviewed.workflowId);
  const decision = { ...BY_PERSON, decision: 'succeeded' } as const;
  expect(await holder.executeUpdate(decideUpdate, { args: [decision] })).toBe('succeeded');
});

describe.each([
  { how: 'was terminated by hand', hasRun: true },
  { how: 'was lost with all of Temporal', hasRun: false },
])('a payment whose workflow $how is never sent again:', ({ hasRun }) => {
  const lose = async (payment: Payment, waitEnds?: string) => {
    if (hasRun) await harness.endRun(payment.workflowId);
    await age(payment, 'payments', waitEnds);
    await harness.sweep();
    await untilRecovered(payment);
  };

  it('the provider’s answer settles it', async () => {
    const payment = await store('processing');
    harness.provider.lookup = makeOutcome('succeeded');
    await lose(payment);
    await untilStatus(payment, 'succeeded');
    expect(harness.sendsOf(payment)).toBe(0);
  });

  it('a decline ends it, though the policy allows another attempt', async () => {
    const again = { who: 'payer', after_ms: 1, auto: true } as const;
    const retry = { by_code: { insufficient_funds: again } };
    const reattempt = { max_attempts: 3, fallback: [] };
    const payment = await store('processing', { policy: { ...POLICY, retry, reattempt } });
    harness.provider.lookup = makeOutcome('declined');
    await lose(payment);
    await untilStatus(payment, 'failed');
    const { attemptOrdinal } = await reread(harness.pool, payment);
    expect([attemptOrdinal, harness.sendsOf(payment)]).toEqual([1, 0]);
  });

  it('without an answer a person has to look', async () => {
    const lookup = { timeout_ms: 1_000, poll_interval_ms: [200], window_ms: 5_000 };
    const payment = await store('processing', { policy: { ...POLICY, lookup } });
    harness.provider.lookup = { ...makeOutcome('declined'), kind: 'pending', message: 'not yet' };
    await lose(payment);
    await untilStatus(payment, 'needs_review');
    expect((await reread(harness.pool, payment)).reviewReason).toBe('history_lost');
    expect([harness.sendsOf(payment), harness.asksOf(payment) > 0]).toEqual([0, true]);
  });

  it('a hold is kept, and captured once', async () => {
    const payment = await store('authorized', { captureMethod: 'manual' });
    harness.provider.lookup = makeOutcome('authorized');
    await lose(payment, '1 day');
    await harness.until(() => Promise.resolve(harness.asksOf(payment) > 0), 'it is asked about');
    const taken = makeOutcome('succeeded', { money: { amountMinor: 3_000, currency: 'KES' } });
    harness.provider.settlement = taken;
    const handle = harness.temporal.workflow.getHandle(payment.workflowId);
    const part = { args: [{ amountMinor: 3_000 }] as [{ amountMinor: number }] };
    await untilIdle(handle);
    expect(await handle.executeUpdate(captureUpdate, part)).toBe('succeeded');
    const { amountCapturedMinor } = await reread(harness.pool, payment);
    expect([amountCapturedMinor, harness.sendsOf(payment)]).toEqual([3_000, 0]);
  });

  it.each([
    { status: 'authorized', code: 'authorization_expired' },
    { status: 'requires_action', code: 'prompt_expired' },
  ] as const)('$status is let go when its time is over', async ({ status, code }) => {
    const payment = await store(status, { captureMethod: 'manual' });
    await harness.own(`UPDATE payments SET provider_payment_id = 'pi_9' WHERE id = $1`, [
      payment.id,
    ]);
    const held = { ...makeOutcome('authorized'), providerPaymentId: 'pi_9' };
    harness.provider.lookup =
      status === 'authorized' ? held : { ...held, kind: 'pending', message: 'not yet' };
    harness.provider.settlement = makeOutcome('canceled', { providerPaymentId: 'pi_9' });
    await lose(payment);
    await harness.env.sleep('2 minutes');
    await untilStatus(payment, 'canceled');
    expect((await reread(harness.pool, payment)).failureCode).toBe(code);
    expect(harness.provider.settled).toContain('cancel pi_9');
  });

  it('in review it is asked about', async () => {
    const payment = await store('needs_review');
    harness.provider.lookup = makeOutcome('succeeded');
    await lose(payment);
    await untilStatus(payment, 'succeeded');
  });

  it('in review for late money it listens, and leaves it to a person', async () => {
    const payment = await store('failed');
    await harness.own(
      `UPDATE payments SET status = 'needs_review', review_reason = 'late_success' WHERE id = $1`,
      [payment.id],
    );
    harness.provider.lookup = makeOutcome('succeeded');
    await lose(payment);
    await harness.env.sleep('1 day');
    expect([await statusOf(payment), harness.asksOf(payment)]).toEqual(['needs_review', 0]);
    const handle = harness.temporal.workflow.getHandle(payment.workflowId);
    const decision = { ...BY_PERSON, decision: 'failed' } as const;
    expect(await handle.executeUpdate(decideUpdate, { args: [decision] })).toBe('failed');
  });
});

it('one that was ended by hand before it was sent has failed, and is never sent', async () => {
  const payment = await store('created');
  await harness.endRun(payment.workflowId);
  await age(payment);
  await harness.sweep();
  await untilStatus(payment, 'failed');
  const { failureCode } = await reread(harness.pool, payment);
  expect([failureCode, harness.sendsOf(payment)]).toEqual(['provider_unavailable', 0]);
});

it('one that cannot be handled stops no other', async () => {
  const odd = await storePayment(harness.pool, { ...OF_STRIPE, workflowId: 'payment-odd' });
  const payment = await storePayment(harness.pool, OF_STRIPE);
  for (const one of [odd, payment]) await age(one);
  await harness.sweep();
  await untilStatus(payment, 'processing');
  expect(await statusOf(odd)).toBe('created');
});

it('callbacks are delivered though the other half of the round fails', async () => {
  const payment = await store('processing');
  const fate = await storeCallback(payment);
  await harness.own('ALTER TABLE refunds RENAME COLUMN swept_at TO lost', []);
  try {
    await expect(harness.sweep()).rejects.toThrow();
  } finally {
    await harness.own('ALTER TABLE refunds RENAME COLUMN lost TO swept_at', []);
  }
  await untilStatus(payment, 'succeeded');
  expect(await fate()).toEqual({ status: 'applied' });
});

it('a dispute that overtook its payment is recorded once the payment is known', async () => {
  const payment = await store('processing');
  const dispute = {
    kind: 'dispute',
    providerDisputeId: 'dp_7',
    providerPaymentId: 'pi_7',
    status: 'open',
    amountMinor: 10_000,
    currency: 'KES',
    reason: 'fraudulent',
  } as const;
  const changes = { provider: 'stripe', account: 'env:stripe', event: dispute };
  const event = makeWebhookEvent(changes);
  await insertWebhookEvent(harness.pool, event);
  const look = async () => {
    await harness.own(
      `UPDATE webhook_events SET received_at = now() - interval '1 hour', swept_at = NULL
       WHERE id = $1`,
      [event.id],
    );
    await harness.sweep();
    const [row] = await harness.own('SELECT status FROM webhook_events WHERE id = $1', [event.id]);
    const [known] = (await reread(harness.pool, payment)).disputes;
    return [row?.status, known?.providerDisputeId];
  };
  expect(await look()).toEqual(['parked', undefined]);
  expect(await look()).toEqual(['parked', undefined]);
  await harness.own(`UPDATE attempts SET provider_payment_id = 'pi_7' WHERE id = $1`, [
    payment.attemptId,
  ]);
  expect(await look()).toEqual(['applied', 'dp_7']);
});

describe('a refund', () => {
  async function storeRefundIn(changes: { status: string; reason?: string; isSent: boolean }) {
    const payment = await store('succeeded');
    const refund = await storeRefund(harness.pool, payment);
    await harness.own(
      `UPDATE refunds SET status = $2, review_reason = $3, dispatch_count = $4::boolean::int,
         dispatched_at = CASE WHEN $4::boolean THEN now() END WHERE id = $1`,
      [refund.id, changes.status, changes.reason ?? null, changes.isSent],
    );
    await age(refund, 'refunds');
    return refund;
  }
  const rowOf = async (id: string) =>
    (await harness.own('SELECT status, review_reason FROM refunds WHERE id = $1', [id]))[0];
  const untilRefund = (id: string, status: string) =>
    harness.until(async () => (await rowOf(id))?.status === status, `${id} is ${status}`);
  const asks = ({ workflowId }: { readonly workflowId: string }) =>
    harness.provider.asked.filter((it) => it === workflowId).length;
  const GIVEN_BACK = {
    kind: 'succeeded',
    providerRefundId: 're_1',
    receipt: null,
    amountMinor: 4_000,
    failure: null,
    providerCode: null,
  } as const;

  it('that was never taken up is sent', async () => {
    const refund = await storeRefundIn({ status: 'pending', isSent: false });
    await harness.sweep();
    await harness.until(() => Promise.resolve(harness.sendsOf(refund) === 1), 'it is sent');
  });

  it.each([
    { status: 'pending', hasRun: true },
    { status: 'pending', hasRun: false },
    { status: 'needs_review', reason: 'no_answer', hasRun: true },
    { status: 'needs_review', reason: 'no_answer', hasRun: false },
  ])(
    'in $status that lost its workflow (ended: $hasRun) is asked about, and not sent again',
    async ({ hasRun, ...changes }) => {
      const refund = await storeRefundIn({ ...changes, isSent: true });
      if (hasRun) await harness.endRun(refund.workflowId);
      harness.provider.lookupRefund = GIVEN_BACK;
      await harness.sweep();
      await untilRefund(refund.id, 'succeeded');
      expect(await harness.actionsOf({ id: refund.paymentId })).toContain('refund.reopened');
      expect(harness.sendsOf(refund)).toBe(0);
    },
  );

  it('that was ended by hand before it was sent waits for a person', async () => {
    const refund = await storeRefundIn({ status: 'pending', isSent: false });
    await harness.endRun(refund.workflowId);
    await harness.sweep();
    await untilRefund(refund.id, 'needs_review');
    expect(harness.sendsOf(refund)).toBe(0);
  });

  it('with late money listens, and leaves it to a person', async () => {
    const changes = { status: 'needs_review', reason: 'late_success', isSent: true };
    const refund = await storeRefundIn(changes);
    await harness.endRun(refund.workflowId);
    await harness.sweep();
    await harness.env.sleep('1 day');
    expect([(await rowOf(refund.id))?.status, asks(refund)]).toEqual(['needs_review', 0]);
    const handle = harness.temporal.workflow.getHandle(refund.workflowId);
    const decision = { ...BY_PERSON, decision: 'failed' } as const;
    expect(await handle.executeUpdate(decideRefundUpdate, { args: [decision] })).toBe('failed');
  });
});
