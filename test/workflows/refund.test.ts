import { WithStartWorkflowOperation } from '@temporalio/client';
import { ProviderError } from '../../domain/error.ts';
import type { ProviderPolicy } from '../../domain/policy.ts';
import type { RefundInput, RefundResult } from '../../domain/refund.ts';
import { RUN_LIMITS } from '../../domain/run-limits.ts';
import { policy } from '../../providers/mpesa/policy.ts';
import { refundStart } from '../../temporal/start.ts';
import {
  decideRefundUpdate,
  FIRST_STATE_UPDATE_ID,
  firstRefundStateUpdate,
  refundEventSignal,
} from '../../workflows/messages.ts';
import { chargeFailure } from './harness.ts';
import {
  ASKS,
  delivered,
  lateRefundEvent,
  openRefundHarness,
  outcome,
  PENDING,
  type RefundHarness,
  type RefundScript,
} from './refund-harness.ts';
import { untilIdle } from './test-server.ts';

let harness: RefundHarness;
beforeAll(async () => {
  harness = await openRefundHarness();
});
afterAll(() => harness.close());

const NOTHING: RefundScript = { refund: () => PENDING, lookupRefund: () => null };
const fails = (kind: ProviderError['kind']) => () => {
  throw chargeFailure(new ProviderError(kind, kind), true);
};

async function start(
  script: Partial<RefundScript>,
  policy: Partial<ProviderPolicy> = {},
  changes: Partial<RefundInput> = {},
) {
  const { input, story } = harness.prepare(
    { refund: () => PENDING, lookupRefund: () => null, ...script },
    policy,
    changes,
  );
  const handle = await harness.env.client.workflow.start('refund', refundStart(input));
  return { input, story, handle };
}
it('a refund that succeeds at once costs 14 events of history', async () => {
  const { input } = harness.prepare({
    refund: () => outcome('succeeded'),
    lookupRefund: () => null,
  });
  const startWorkflowOperation = new WithStartWorkflowOperation('refund', refundStart(input));
  await harness.env.client.workflow.executeUpdateWithStart(firstRefundStateUpdate, {
    updateId: FIRST_STATE_UPDATE_ID,
    startWorkflowOperation,
  });
  const handle = await startWorkflowOperation.workflowHandle();
  expect(await handle.result()).toEqual({ status: 'succeeded' });
  expect((await handle.describe()).historyLength).toBeLessThanOrEqual(14);
});

it('an asynchronous refund is settled by its result, in 23 events at most', async () => {
  const { handle, story } = await start({});
  while (story.entries.length === 0) await harness.env.sleep('1s');
  await handle.signal(refundEventSignal, delivered(outcome('succeeded', { receipt: 'UJ7R' })));
  expect(await handle.result()).toEqual({ status: 'succeeded' });
  expect((await handle.describe()).historyLength).toBeLessThanOrEqual(23);
});

it('a queue timeout proves nothing: the refund stays open, then needs a person', async () => {
  const { handle, story } = await start({});
  await handle.signal(
    refundEventSignal,
    delivered({ ...PENDING, kind: 'unknown', message: 'queue timeout' }),
  );
  await harness.env.sleep('40m');
  expect(story.status).toBe('needs_review');
  await handle.signal(refundEventSignal, delivered(outcome('failed')));
  expect(await handle.result()).toEqual({ status: 'failed' });
});

const UNREADABLE: RefundResult = {
  kind: 'unknown',
  providerRefundId: null,
  providerCode: null,
  message: 'the callback could not be read: no JSON',
  unclear: 'unreadable',
};
const WORDS = 'unknown result code 99: “ask the help desk”';
const UNKNOWN: RefundResult = { ...UNREADABLE, message: WORDS, unclear: 'unknown_result' };

it('a result that could not be read makes the refund ask soon, and stays parked', async () => {
  const pace = { result_wait_ms: 10 * 3_600_000, poll_interval_ms: [9 * 3_600_000] };
  const { input, handle, story } = await start(
    { lookupRefund: () => outcome('succeeded') },
    { refund: { ...harness.prepare(NOTHING).input.policy.refund, ...pace } },
    ASKS,
  );
  while (story.entries.length === 0) await harness.env.sleep('1s');
  const signaledMs = await harness.env.currentTimeMs();
  await handle.signal(refundEventSignal, delivered(UNREADABLE));
  while (story.status !== 'succeeded') await harness.env.sleep('5s');
  expect((await harness.env.currentTimeMs()) - signaledMs).toBeLessThan(60_000);
  expect(story.questions).toBe(1);
  const parked = story.entries.filter(({ webhook }) => webhook?.status === 'parked');
  expect(parked).toMatchObject([{ refundId: input.refundId, cause: UNREADABLE.message }]);
});

it('a result that could not be read ends a review by the question that it brings', async () => {
  let answer: RefundResult | null = null;
  const review = { poll_interval_ms: [20 * 3_600_000] };
  const { handle, story } = await start({ lookupRefund: () => answer }, { review }, ASKS);
  await harness.env.sleep('40m');
  expect(story.status).toBe('needs_review');
  answer = outcome('failed');
  await handle.signal(refundEventSignal, delivered(UNREADABLE));
  await harness.env.sleep('1m');
  expect(story.status).toBe('failed');
});

it.each([
  ['can be asked', ASKS],
  ['cannot be asked', {}],
])('a result that nobody knows brings a person soon: the provider %s', async (_what, can) => {
  const { handle, story } = await start({}, {}, can);
  while (story.entries.length === 0) await harness.env.sleep('1s');
  const signaledMs = await harness.env.currentTimeMs();
  await handle.signal(refundEventSignal, delivered(UNKNOWN));
  while (story.status !== 'needs_review') await harness.env.sleep('5s');
  expect((await harness.env.currentTimeMs()) - signaledMs).toBeLessThan(2 * 60_000);
  expect(story.entries.at(-1)?.cause).toContain(WORDS);
  await handle.terminate();
});

it.each([
  ['pending', null],
  ['succeeded', 'succeeded'],
])('an answer that was lost is never sent again; asked, the provider says %s', async (_s, kind) => {
  const { handle, story } = await start(
    {
      refund: fails('ambiguous'),
      lookupRefund: (times) => (kind === null || times < 3 ? null : outcome('succeeded')),
    },
    {},
    ASKS,
  );
  if (kind === null) {
    await harness.env.sleep('40m');
    expect(story.status).toBe('needs_review');
    await handle.signal(refundEventSignal, delivered(outcome('succeeded')));
  }
  expect(await handle.result()).toEqual({ status: 'succeeded' });
  expect(story.sends).toBe(1);
});

it('what was proven unsent is sent again, as often as the policy says', async () => {
  const { handle, story } = await start({ refund: fails('rate_limited') });
  expect(await handle.result()).toEqual({ status: 'failed' });
  expect(story.sends).toBe(3);
  expect(story.entries.at(-1)?.outcome?.failure?.code).toBe('provider_unavailable');
});

it('with our own storage away to the end it needs a person; its money stays reserved', async () => {
  const { handle, story } = await start({ refund: fails('not_dispatched') });
  await harness.env.sleep('3h');
  expect(story.status).toBe('needs_review');
  expect(story.entries.map(({ event }) => event)).not.toContain('failed');
  await handle.signal(refundEventSignal, delivered(outcome('succeeded')));
  expect(await handle.result()).toEqual({ status: 'succeeded' });
});

it('with a send that another run claimed it has not failed: it is asked about', async () => {
  const { input, story } = harness.prepare(
    {
      refund: () => {
        story.dispatchCount = 1;
        throw chargeFailure(new ProviderError('misconfigured', 'refused'), false);
      },
      lookupRefund: () => outcome('succeeded'),
    },
    {},
    ASKS,
  );
  const handle = await harness.env.client.workflow.start('refund', refundStart(input));
  expect(await handle.result()).toEqual({ status: 'succeeded' });
  expect(story.entries.map(({ action }) => action)).toEqual([
    'refund.answer_lost',
    'refund.succeeded',
  ]);
});

it('a wrong configuration fails at once', async () => {
  const { handle, story } = await start({ refund: fails('misconfigured') });
  expect(await handle.result()).toEqual({ status: 'failed' });
  expect(story.sends).toBe(1);
});

it.each([
  ['another amount', { amountMinor: 4_001 }],
  ['another refund', { providerRefundId: 're_2' }],
])('a result about %s is not believed', async (_what, changes) => {
  const { handle, story } = await start({});
  while (story.entries.length === 0) await harness.env.sleep('1s');
  await handle.signal(refundEventSignal, delivered(outcome('succeeded', changes)));
  while (story.status !== 'needs_review') await harness.env.sleep('1s');
  await handle.signal(refundEventSignal, delivered(outcome('succeeded')));
  expect(await handle.result()).toEqual({ status: 'succeeded' });
});

it('a review for a wrong amount is not ended by a status query that names none', async () => {
  const lookupRefund = () => outcome('succeeded', { amountMinor: null });
  const { handle, story } = await start({ lookupRefund }, {}, ASKS);
  while (story.entries.length === 0) await harness.env.sleep('1s');
  const wrong = outcome('succeeded', { amountMinor: 4_001 });
  await handle.signal(refundEventSignal, delivered(wrong));
  while (story.status !== 'needs_review') await harness.env.sleep('1s');
  await handle.signal(refundEventSignal, delivered(outcome('failed')));
  await harness.env.sleep('30h');
  expect(story.status).toBe('needs_review');
  const noted = story.entries.filter(({ action }) => action === 'refund.outcome_noted');
  expect(noted.map(({ webhook }) => webhook?.status)).toEqual(['parked', undefined]);
  await handle.signal(refundEventSignal, delivered(outcome('succeeded')));
  expect(await handle.result()).toEqual({ status: 'succeeded' });
});

it('a success that came with the answer of a failure keeps its run open for a person', async () => {
  const script = { refund: () => outcome('failed'), lookupRefund: () => outcome('succeeded') };
  const { input, story } = harness.prepare(script, {}, ASKS);
  const handle = await harness.env.client.workflow.signalWithStart('refund', {
    ...refundStart(input),
    signal: refundEventSignal,
    signalArgs: [delivered(outcome('succeeded'))],
  });
  while (story.status !== 'needs_review') await harness.env.sleep('1s');
  const asked = story.questions;
  await harness.env.sleep('30h');
  // No answer may end it, so nobody is asked again.
  expect([story.status, story.questions]).toEqual(['needs_review', asked]);
  const decision = { decision: 'succeeded', by: 'ops', reason: 'seen', receipt: null } as const;
  expect(await handle.executeUpdate(decideRefundUpdate, { args: [decision] })).toBe('succeeded');
  expect(await handle.result()).toEqual({ status: 'succeeded' });
});

it('comes to review twice in one run, and is decided and asked about each time', async () => {
  const { promise: isDeciding, resolve: tellDeciding } = Promise.withResolvers<void>();
  let failures = 0;
  const { handle, story } = await start(
    {
      lookupRefund: () => null,
      beforeRecord({ action }) {
        if (action !== 'refund.decided' || failures === 4) return;
        failures += 1;
        tellDeciding();
        throw new Error('the database is away');
      },
    },
    {},
    ASKS,
  );
  while (story.status !== 'needs_review') await harness.env.sleep('10m');
  const decide = (decision: 'failed' | 'succeeded') =>
    handle.startUpdate(decideRefundUpdate, {
      args: [{ decision, by: 'ops', reason: 'seen', receipt: null }],
      waitForStage: 'ACCEPTED',
    });
  await untilIdle(handle);
  const first = await decide('failed');
  // The provider’s success comes while that is being recorded: a person has to look again.
  await isDeciding;
  await handle.signal(refundEventSignal, delivered(outcome('succeeded')));
  expect(await first.result()).toBe('failed');
  while (story.status !== 'needs_review') await harness.env.sleep('1s');
  await untilIdle(handle);
  expect(await (await decide('succeeded')).result()).toBe('succeeded');
  const decided = story.entries.filter(({ action }) => action === 'refund.decided');
  expect(decided.map(({ event }) => event)).toEqual(['failed', 'succeeded']);
  expect(new Set(story.entries.map(({ key }) => key)).size).toBe(story.entries.length);
});

// table
it.each([
  ['in review', 'no_answer', 'new'],
  ['with late money', 'late_success', 'reopened'],
] as const)('a refund %s goes on in a new run before this one is full', async (...it) => {
  const [, reason, kind] = it;
  const script = { refund: fails('ambiguous'), lookupRefund: () => null };
  const limits = { ...RUN_LIMITS, signals: 3, events: 80 };
  const soon = { refund: { ...policy.refund, result_wait_ms: 1_000, poll_interval_ms: [500] } };
  const { input, story } = harness.prepare(script, soon, { ...ASKS, limits });
  const success = delivered(outcome('succeeded'));
  const late = lateRefundEvent(input, success);
  if (kind === 'reopened') {
    story.status = 'failed';
    await harness.env.client.workflow.signalWithStart('refund', late);
  } else await harness.env.client.workflow.start('refund', refundStart(input));
  const { workflowId } = input;
  const handle = harness.env.client.workflow.getHandle(workflowId);
  const { runId } = await handle.describe();
  while (story.status !== 'needs_review') await harness.env.sleep('1s');
  expect(story.entries.findLast(({ event }) => event !== null)?.reviewReason).toBe(reason);
  for (let round = 0; round < 4; round += 1) {
    const unclear = { ...PENDING, providerRefundId: null, message: `taken, word ${round}` };
    await handle.signal(refundEventSignal, delivered(unclear));
  }
  while ((await handle.describe()).runId === runId) await harness.env.sleep('1s');
  const actions = story.entries.map(({ action }) => action);
  expect(actions.filter((action) => action === 'refund.callback_unclear')).toHaveLength(4);
  expect(actions).not.toContain('refund.reopened');
  const decision = { decision: 'failed', by: 'ops', reason: 'not there', receipt: null } as const;
  expect(await handle.executeUpdate(decideRefundUpdate, { args: [decision] })).toBe('failed');
});
