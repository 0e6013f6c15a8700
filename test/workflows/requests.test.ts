import { setTimeout as sleep } from 'node:timers/promises';
import { createLog } from '../../config/log.ts';
import { newId } from '../../db/ids.ts';
import { findRefundByWorkflow } from '../../db/refunds.ts';
import { reopenedInput, reopenedRefundInput } from '../../domain/inputs.ts';
import type { Payment } from '../../domain/payment.ts';
import type { PaymentStatus } from '../../domain/payment-states.ts';
import { capabilitiesOf } from '../../providers/index.ts';
import { createEngine, type Engine } from '../../temporal/engine.ts';
import { freeReceipts, makeOutcome, reread, storePaymentIn, storeRefund } from '../factories.ts';
import { lateEvent } from './harness.ts';
import { openSweepHarness, type SweepHarness } from './sweep-harness.ts';

/** What callers ask of a payment or refund whose own workflow is gone, as the API asks it. */
let harness: SweepHarness;
let engine: Engine;
beforeAll(async () => {
  harness = await openSweepHarness();
  engine = createEngine(
    harness.temporal,
    harness.env.connection,
    null,
    createLog('test', 'silent'),
  );
});
beforeEach(() => harness.reset());
afterEach(() => freeReceipts(harness.database));
afterAll(() => harness.close());

const store = (status: PaymentStatus) =>
  storePaymentIn(harness.pool, status, { provider: 'stripe', credentialsRef: 'env:stripe' });
const load = (payment: Payment) => async () =>
  reopenedInput(await reread(harness.pool, payment), capabilitiesOf, { nowMs: Date.now() });
const statusOf = async (payment: Payment) => (await reread(harness.pool, payment)).status;
const BY_PERSON = { by: 'ops', reason: 'seen in the statement', receipt: null } as const;

it.each([false, true])(
  'a decision recovers the payment that it is about at once (a run had ended: %s)',
  async (hasRun) => {
    const payment = await store('needs_review');
    if (hasRun) await harness.endRun(payment.workflowId);
    const decision = { ...BY_PERSON, decision: 'failed' } as const;
    const { workflowId } = payment;
    const answer = await engine.decidePayment(workflowId, decision, load(payment));
    expect([answer, await statusOf(payment)]).toEqual([{ kind: 'done' }, 'failed']);
    expect(await harness.actionsOf(payment)).toContain('payment.reopened');
  },
);

it('a capture recovers the payment that it is about, and takes its money once', async () => {
  const payment = await store('authorized');
  harness.provider.settlement = makeOutcome('succeeded');
  const answer = await engine.capturePayment(payment.workflowId, 10_000, load(payment));
  expect([answer, await statusOf(payment)]).toEqual([{ kind: 'done' }, 'succeeded']);
  expect(harness.provider.settled).toEqual(['capture 10000']);
});

it('a verify recovers the payment that it is about at once, and asks', async () => {
  const payment = await store('authorized');
  harness.provider.lookup = makeOutcome('succeeded');
  expect(await engine.verifyPayment(payment.workflowId, load(payment))).toMatchObject({
    kind: 'done',
    verified: { isAsked: true, message: null },
  });
  expect(harness.asksOf(payment)).toBeGreaterThan(0);
});

it('nothing is recovered where there is nothing to recover', async () => {
  const payment = await store('authorized');
  const answer = await engine.verifyPayment(payment.workflowId, async () => null);
  expect(answer).toEqual({ kind: 'not_running' });
});

it('a decision recovers the refund that it is about at once', async () => {
  const payment = await store('succeeded');
  const { id, workflowId } = await storeRefund(harness.pool, payment);
  await harness.own(
    `UPDATE refunds SET status = 'needs_review', review_reason = 'no_answer',
       dispatch_count = 1, dispatched_at = now() WHERE id = $1`,
    [id],
  );
  const decision = { ...BY_PERSON, decision: 'failed' } as const;
  const answer = await engine.decideRefund(workflowId, decision, async () => {
    const found = await findRefundByWorkflow(harness.pool, workflowId);
    if (found === null) throw new Error('it is gone');
    const { refund, payment } = found;
    return reopenedRefundInput(refund, payment, capabilitiesOf('stripe'), { isSent: true });
  });
  expect(answer).toEqual({ kind: 'done' });
  expect(await harness.own('SELECT status FROM refunds WHERE id = $1', [id])).toEqual([
    { status: 'failed' },
  ]);
});

describe('late money in review, which its own workflow holds', () => {
  async function storeLate(): Promise<Payment> {
    const payment = await store('failed');
    harness.provider.lookup = makeOutcome('succeeded');
    const input = await load(payment)();
    const delivered = { eventId: newId('event'), event: makeOutcome('succeeded'), unstored: null };
    await harness.temporal.workflow.signalWithStart('payment', lateEvent(input, delivered));
    while ((await statusOf(payment)) !== 'needs_review') await sleep(20);
    return payment;
  }

  it('can be verified: the provider is asked', async () => {
    const payment = await storeLate();
    const before = harness.asksOf(payment);
    expect(await engine.verifyPayment(payment.workflowId, load(payment))).toMatchObject({
      kind: 'done',
      verified: { isAsked: true },
    });
    expect([await statusOf(payment), harness.asksOf(payment)]).toEqual([
      'needs_review',
      before + 1,
    ]);
  });

  it('is not canceled, by which way it ever is held: a person decides', async () => {
    const payment = await storeLate();
    const cancel = () => engine.cancelPayment(payment.workflowId, load(payment));
    const refusal = {
      kind: 'refused',
      type: 'in_review',
      message: expect.stringMatching(/person/),
    };
    expect(await cancel()).toMatchObject(refusal);
    // With the run that held it gone as well.
    await harness.temporal.workflow.getHandle(payment.workflowId).cancel();
    expect(await cancel()).toMatchObject(refusal);
    expect(harness.provider.settled).not.toContain('cancel ws_CO_1');
  });
});

it('verifies in a loop are one question within some seconds', async () => {
  const payment = await store('authorized');
  harness.provider.lookup = makeOutcome('authorized');
  await engine.verifyPayment(payment.workflowId, load(payment));
  const before = harness.asksOf(payment);
  const answers = await Promise.all(
    Array.from({ length: 30 }, () => engine.verifyPayment(payment.workflowId, load(payment))),
  );
  expect(new Set(answers.map(({ kind }) => kind))).toEqual(new Set(['done']));
  // Two where the seconds of one slot ended meanwhile.
  expect(harness.asksOf(payment) - before).toBeLessThanOrEqual(2);
});
