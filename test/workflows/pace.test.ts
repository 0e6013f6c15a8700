import type { WorkflowHandle } from '@temporalio/client';
import type { Inconclusive } from '../../domain/outcome.ts';
import type { RefundInput, RefundResult } from '../../domain/refund.ts';
import { paymentReopen, paymentStart, refundReopen, refundStart } from '../../temporal/start.ts';
import { controlSignal, providerEventSignal, refundEventSignal } from '../../workflows/messages.ts';
import {
  delivered,
  type Harness,
  lateEvent,
  openHarness,
  outcome,
  PENDING,
  STANDING,
} from './harness.ts';
import {
  PENDING as ACCEPTED,
  delivered as deliveredRefund,
  openRefundHarness,
  REFUND_STANDING,
  type RefundHarness,
} from './refund-harness.ts';

/**
 * The policy's schedule counts from question to question. Messages that settle nothing neither
 * bring the next question forward nor put it off, and the same message again is recorded once.
 */
let payments: Harness;
let refunds: RefundHarness;
beforeAll(async () => {
  payments = await openHarness();
  refunds = await openRefundHarness();
});
afterAll(() => Promise.all([payments.close(), refunds.close()]));

const UNCLEAR: Inconclusive = {
  kind: 'unknown',
  providerPaymentId: 'ws_CO_1',
  providerCode: '7777',
  message: 'unknown result code 7777',
};
const UNCLEAR_REFUND: RefundResult = { ...ACCEPTED, kind: 'unknown', message: 'Daraja says: ?' };
const ASYNC: Partial<RefundInput> = {
  can: {
    dedupes_by_our_id: false,
    looks_up_by_our_id: false,
    capture: false,
    cancel: false,
    looks_up_refunds: 'async',
  },
};

/** What is counted of one payment or refund that is being asked about. */
type Asked = {
  readonly handle: WorkflowHandle;
  /** How often the provider was asked. */
  readonly questions: () => number;
  readonly entries: () => readonly { readonly action: string }[];
  readonly tell: () => Promise<void>;
  readonly sleep: (ms: number) => Promise<void>;
};

async function askPayment(kind: 'payment' | 'reopened', beforeMs: number): Promise<Asked> {
  const { input, story } = payments.prepare({ charge: () => PENDING, lookup: () => null });
  const { workflow } = payments.env.client;
  if (kind === 'reopened') story.status = 'processing';
  const handle =
    kind === 'payment'
      ? await workflow.start('payment', paymentStart(input))
      : await workflow.start('payment', paymentReopen({ ...input, standing: STANDING }));
  await payments.env.sleep(beforeMs);
  return {
    handle,
    questions: () => story.questions,
    entries: () => story.entries,
    tell: () => handle.signal(providerEventSignal, delivered(UNCLEAR)),
    sleep: (ms) => payments.env.sleep(ms),
  };
}

async function askRefund(kind: 'refund' | 'reopened', beforeMs: number): Promise<Asked> {
  const script = { refund: () => ACCEPTED, lookupRefund: () => null };
  const { input, story } = refunds.prepare(script, {}, ASYNC);
  const { workflow } = refunds.env.client;
  const recovered = { status: 'pending', providerRefundId: 're_1' } as const;
  const handle =
    kind === 'refund'
      ? await workflow.start('refund', refundStart(input))
      : await workflow.start(
          'refund',
          refundReopen({ ...input, standing: { ...REFUND_STANDING, ...recovered } }),
        );
  await refunds.env.sleep(beforeMs);
  return {
    handle,
    questions: () => story.questions,
    entries: () => story.entries,
    tell: () => handle.signal(refundEventSignal, deliveredRefund(UNCLEAR_REFUND)),
    sleep: (ms) => refunds.env.sleep(ms),
  };
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** By the policy of M-Pesa: see providers/mpesa/policy.ts. */
// table
// biome-ignore format: table, one loop a line
const LOOPS = [
  { loop: 'a payment that waits for its callback', open: () => askPayment('payment', 2 * SECOND_MS), tellMs: 1 * SECOND_MS, most: 1 },
  { loop: 'a payment that is asked about', open: () => askPayment('payment', 35 * SECOND_MS), tellMs: 1 * SECOND_MS, most: 2 },
  { loop: 'a payment in review', open: () => askPayment('payment', 20 * MINUTE_MS), tellMs: 10 * MINUTE_MS, most: 4 },
  { loop: 'a recovered payment', open: () => askPayment('reopened', 1 * SECOND_MS), tellMs: 1 * SECOND_MS, most: 2 },
  { loop: 'a recovered payment in review', open: () => askPayment('reopened', 20 * MINUTE_MS), tellMs: 10 * MINUTE_MS, most: 4 },
  { loop: 'a refund that waits for its result', open: () => askRefund('refund', 2 * SECOND_MS), tellMs: 2 * SECOND_MS, most: 1 },
  { loop: 'a refund that is asked about', open: () => askRefund('refund', 61 * SECOND_MS), tellMs: 1 * SECOND_MS, most: 1 },
  { loop: 'a refund in review', open: () => askRefund('refund', 40 * MINUTE_MS), tellMs: 10 * MINUTE_MS, most: 2 },
  { loop: 'a recovered refund', open: () => askRefund('reopened', 1 * SECOND_MS), tellMs: 1 * SECOND_MS, most: 1 },
  { loop: 'a recovered refund in review', open: () => askRefund('reopened', 40 * MINUTE_MS), tellMs: 10 * MINUTE_MS, most: 2 },
] as const;

const MESSAGES = 20;

describe.each(LOOPS)('$loop', ({ open, tellMs, most }) => {
  it('keeps its pace, whatever unclear messages say', async () => {
    const asked = await open();
    const [before, written] = [asked.questions(), asked.entries().length];
    for (let nth = 0; nth < MESSAGES; nth += 1) {
      await asked.tell();
      await asked.sleep(tellMs);
    }
    expect(asked.questions() - before).toBeLessThanOrEqual(most);
    // A review is asked about after an hour all the same.
    if (tellMs >= 10 * MINUTE_MS) expect(asked.questions()).toBeGreaterThan(before);
    const unclear = asked
      .entries()
      .slice(written)
      .map(({ action }) => action);
    expect(unclear.filter((action) => action.endsWith('callback_unclear'))).toHaveLength(1);
    await asked.handle.terminate();
  });
});

it('a refund that waits for its receipt asks once, and records the same message once', async () => {
  let questions = 0;
  const learnReceipt = () => {
    questions += 1;
    const question = { conversation: 'c', receivers: [] };
    return { kind: 'asked', question } as const;
  };
  const script = { refund: () => ACCEPTED, lookupRefund: () => null, learnReceipt };
  const toLearn = { providerReceipt: null, receiptToLearn: { capturedMinor: 10_000 } };
  const { input, story } = refunds.prepare(script, {}, { ...ASYNC, ...toLearn });
  const handle = await refunds.env.client.workflow.start('refund', refundStart(input));
  for (let nth = 0; nth < MESSAGES; nth += 1) {
    await handle.signal(refundEventSignal, deliveredRefund(UNCLEAR_REFUND));
    await refunds.env.sleep(SECOND_MS);
  }
  expect(questions).toBe(1);
  expect(story.entries.map(({ action }) => action)).toEqual([
    'refund.receipt_asked',
    'refund.callback_unclear',
  ]);
  await handle.terminate();
});

it('late money is asked about when it comes, not for each time that it is told again', async () => {
  const success = outcome('succeeded');
  const { input, story } = payments.prepare({ charge: () => PENDING, lookup: () => success });
  story.status = 'failed';
  const { workflow } = payments.env.client;
  const first = lateEvent(input, delivered(success));
  const handle = await workflow.signalWithStart('payment', first);
  for (let nth = 0; nth < MESSAGES; nth += 1) {
    await handle.signal(providerEventSignal, delivered(success));
    await payments.env.sleep(SECOND_MS);
  }
  expect(story.questions).toBe(1);
  expect(story.entries.map(({ action }) => action)).toEqual([
    'payment.late_outcome',
    'payment.callback_unclear',
  ]);
  await handle.terminate();
});

it('batches of look-ups that follow each other ask no faster than the policy', async () => {
  const { input, story } = payments.prepare({ charge: () => PENDING, lookup: () => null });
  const { workflow } = payments.env.client;
  const handle = await workflow.start('payment', paymentStart(input));
  await payments.env.sleep(2 * SECOND_MS);
  for (let nth = 0; nth < MESSAGES; nth += 1) {
    await handle.signal(controlSignal, { action: 'look_up', by: 'opr_1', reason: 'again' });
    await payments.env.sleep(SECOND_MS);
  }
  expect(story.questions).toBeGreaterThanOrEqual(1);
  expect(story.questions).toBeLessThanOrEqual(2);
  await handle.terminate();
});

it('unclear answers to the status query of a refund do not hurry the next one', async () => {
  const tells: Promise<void>[] = [];
  const script = {
    refund: () => ACCEPTED,
    lookupRefund: () => {
      tells.push(handle.signal(refundEventSignal, deliveredRefund(UNCLEAR_REFUND)));
      return null;
    },
  };
  const { input, story } = refunds.prepare(script, {}, ASYNC);
  const handle = await refunds.env.client.workflow.start('refund', refundStart(input));
  await refunds.env.sleep(24 * HOUR_MS);
  await Promise.all(tells);
  // 1, 2, 7, 12, 17, 22, 27 minutes; then in review after 1 hour, 6 more, 24 more.
  expect(story.questions).toBeGreaterThanOrEqual(8);
  expect(story.questions).toBeLessThanOrEqual(10);
  expect(story.entries.map(({ action }) => action)).toEqual([
    'refund.provider_accepted',
    'refund.callback_unclear',
    'refund.review_needed',
  ]);
  expect((await handle.describe()).historyLength).toBeLessThan(120);
  await handle.terminate();
});
