import type { WorkflowHandle } from '@temporalio/client';
import { paymentStart, refundStart } from '../../temporal/start.ts';
import { captureUpdate } from '../../workflows/messages.ts';
import { CAN, type Harness, openHarness, outcome, PENDING, type Script } from './harness.ts';
import {
  ASKS,
  openRefundHarness,
  PENDING as REFUND_PENDING,
  type RefundHarness,
  type RefundScript,
  outcome as refundOutcome,
} from './refund-harness.ts';
import { eventsOf, untilIdle } from './test-server.ts';

/** All calls to a provider wait in one queue: which of them Temporal hands out first. */
let harness: Harness;
let refunds: RefundHarness;
beforeAll(async () => {
  [harness, refunds] = await Promise.all([openHarness(), openRefundHarness()]);
});
afterAll(() => Promise.all([harness.close(), refunds.close()]));

/** Name and priority of each call, as the history has them. */
async function callsOf(handle: WorkflowHandle) {
  return (await eventsOf(handle)).flatMap(({ activityTaskScheduledEventAttributes: call }) =>
    call === undefined || call === null
      ? []
      : [`${call.activityType?.name} ${call.priority?.priorityKey}`],
  );
}
async function pay(script: Partial<Script>, changes = {}) {
  const full: Script = { charge: () => PENDING, lookup: () => null, ...script };
  const { input, story } = harness.prepare(full, {}, { can: CAN, ...changes });
  const handle = await harness.env.client.workflow.start('payment', paymentStart(input));
  return { input, handle, story };
}
async function refund(script: Partial<RefundScript>) {
  const full = { refund: () => REFUND_PENDING, lookupRefund: () => null, ...script };
  const { input, story } = refunds.prepare(full, {}, ASKS);
  return { handle: await refunds.env.client.workflow.start('refund', refundStart(input)), story };
}

it('a charge goes first, and a capture before anything else', async () => {
  const script = { charge: () => outcome('authorized'), capture: () => outcome('succeeded') };
  const { input, handle, story } = await pay(script, { captureMethod: 'manual' });
  while (story.status !== 'authorized') await new Promise((resolve) => setTimeout(resolve, 20));
  await untilIdle(handle);
  await handle.executeUpdate(captureUpdate, { args: [{ amountMinor: input.amountMinor }] });
  expect(await callsOf(handle)).toEqual(['charge 1', 'capture 2']);
});

it('a question waits behind what moves money, and one about a review behind all', async () => {
  const inReview = () => story.status === 'needs_review';
  const { handle, story } = await pay({
    lookup: () => (inReview() ? outcome('succeeded') : null),
  });
  await handle.result();
  expect(await callsOf(handle)).toEqual(['charge 1', 'lookup 4', 'lookup 5']);
});

it('a refund waits behind charges and captures, and is asked about as a payment is', async () => {
  const inReview = () => story.status === 'needs_review';
  const { handle, story } = await refund({
    lookupRefund: () => (inReview() ? refundOutcome('succeeded') : null),
  });
  await handle.result();
  expect(await callsOf(handle)).toEqual(['refund 3', 'lookupRefund 4', 'lookupRefund 5']);
});
