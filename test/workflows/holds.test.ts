import { setTimeout as sleep } from 'node:timers/promises';
import { type WorkflowHandle, WorkflowUpdateFailedError } from '@temporalio/client';
import { ProviderError, type ProviderErrorKind } from '../../domain/error.ts';
import type { ChargeResult, LookupResult } from '../../domain/outcome.ts';
import type { ProviderPolicy } from '../../domain/policy.ts';
import { paymentStart } from '../../temporal/start.ts';
import {
  cancelUpdate,
  captureUpdate,
  decideUpdate,
  providerEventSignal,
} from '../../workflows/messages.ts';
import {
  CAN,
  chargeFailure,
  delivered,
  type Harness,
  openHarness,
  outcome,
  PROVIDER_PAYMENT_ID,
  type Script,
  type Story,
} from './harness.ts';
import { untilIdle } from './test-server.ts';

/** What is held for a capture, when the provider's answer to capture or cancel is lost. */
let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

const fails = (kind: ProviderErrorKind) => (): LookupResult => {
  throw chargeFailure(new ProviderError(kind, `the answer was ${kind}`), true);
};
const taken = (amountMinor: number) =>
  outcome('succeeded', { money: { amountMinor, currency: 'KES' } });
const held = outcome('authorized');
const busy: LookupResult = {
  kind: 'pending',
  providerPaymentId: null,
  providerCode: null,
  message: 'busy',
};

async function startHeld(script: Partial<Script>, policy: Partial<ProviderPolicy> = {}) {
  const full: Script = { charge: () => held, lookup: () => null, ...script };
  const changes = { can: CAN, captureMethod: 'manual' } as const;
  // How long an answer is waited for in real time, which updates do not skip: one that is scripted
  // comes, on a busy machine too.
  const timeout_ms = script.lookup === undefined ? 300 : 15_000;
  const lookup = { timeout_ms, poll_interval_ms: [100], window_ms: 60_000 };
  const { input, story } = harness.prepare(full, { lookup, ...policy }, changes);
  const handle = await harness.env.client.workflow.start('payment', paymentStart(input));
  await untilHeld(handle, story);
  return { story, handle };
}
async function untilHeld(handle: WorkflowHandle, story: Story) {
  await until(story, 'authorized');
  await untilIdle(handle);
}
const until = async (story: Story, status: string) => {
  while (story.status !== status) await sleep(20);
};
const capture = (handle: WorkflowHandle, amountMinor: number) =>
  handle.executeUpdate(captureUpdate, { args: [{ amountMinor }] });
async function refusalOf(update: Promise<unknown>) {
  const error = await update.catch((thrown: unknown) => thrown);
  if (!(error instanceof WorkflowUpdateFailedError)) throw new Error('it was not refused');
  const { cause } = error;
  return { type: cause && 'type' in cause ? cause.type : null, message: cause?.message ?? '' };
}

it.each([0, -5])('a capture event of %s is no success, and leaves the rest alone', async (said) => {
  const { handle, story } = await startHeld({ capture: taken });
  await handle.signal(providerEventSignal, delivered(taken(said)));
  await until(story, 'needs_review');
  expect(story.entries.at(-1)).toMatchObject({ reviewReason: 'amount_mismatch', outcome: null });
  await handle.signal(providerEventSignal, delivered(taken(4_000)));
  expect(await handle.result()).toEqual({ status: 'succeeded' });
});

it('waits for its capture, and for no person', async () => {
  const { story } = await startHeld({});
  const waits = { reviewReason: null, waitingFor: 'capture' };
  expect(story.entries.at(-1)).toMatchObject({ event: 'authorized', ...waits });
});

describe('a capture whose answer was lost', () => {
  it.each([
    ['ambiguous', fails('ambiguous')],
    ['that it is at it', () => busy],
  ])('(%s) counts when the provider, asked, says that it took the money', async (_how, answer) => {
    const { handle, story } = await startHeld({ capture: answer, lookup: () => taken(4_000) });
    expect(await capture(handle, 4_000)).toBe('succeeded');
    expect(story.entries.at(-1)?.outcome?.money?.amountMinor).toBe(4_000);
  });

  it('may be made again, under another key, only when the money is said to be held', async () => {
    const answers = [fails('ambiguous'), () => taken(3_000)];
    const { handle, story } = await startHeld({
      capture: (_amount, times) => answers[times - 1]?.() ?? busy,
      lookup: () => held,
    });
    const { type, message } = await refusalOf(capture(handle, 4_000));
    expect([type, message]).toEqual(['capture_refused', expect.stringContaining('captured again')]);
    expect(story.status).toBe('authorized');
    expect(await capture(handle, 3_000)).toBe('succeeded');
    expect(story.settlements).toEqual(['capture 4000', 'capture 3000, key 2']);
  });

  it('needs a person when nobody can tell', async () => {
    const { handle, story } = await startHeld({ capture: fails('ambiguous') });
    const { type, message } = await refusalOf(capture(handle, 4_000));
    expect([type, message]).toEqual(['capture_refused', expect.stringContaining('review')]);
    expect(message).not.toContain('again');
    expect(story.entries.at(-1)).toMatchObject({ event: 'gave_up', reviewReason: 'no_answer' });
    await handle.signal(providerEventSignal, delivered(taken(4_000)));
    expect(await handle.result()).toEqual({ status: 'succeeded' });
  });

  it('that was refused for sure asks nobody, and may be made again', async () => {
    const answers = [fails('misconfigured'), () => taken(4_000)];
    const { handle, story } = await startHeld({
      capture: (_amount, times) => answers[times - 1]?.() ?? busy,
    });
    expect((await refusalOf(capture(handle, 4_000))).type).toBe('capture_refused');
    expect([story.status, story.questions]).toEqual(['authorized', 0]);
    expect(await capture(handle, 4_000)).toBe('succeeded');
  });
});

describe('of two captures at once', () => {
  it.each([
    ['another amount', 3_000, { type: 'capture_refused', message: 'KES 40.00 (4000) was taken' }],
    ['the same amount', 4_000, null],
  ])('the second, of %s, hears what was taken', async (_what, second, expected) => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const { handle } = await startHeld({
      async capture(amountMinor) {
        await released;
        return taken(amountMinor);
      },
    });
    const ask = (amountMinor: number) =>
      handle.startUpdate(captureUpdate, { args: [{ amountMinor }], waitForStage: 'ACCEPTED' });
    const updates = [await ask(4_000), await ask(second)];
    release();
    expect(await updates[0]?.result()).toBe('succeeded');
    const answer = updates[1]?.result() ?? Promise.reject(new Error('it was not asked'));
    if (expected === null) expect(await answer).toBe('succeeded');
    else expect(await refusalOf(answer)).toEqual(expected);
  });
});

describe('a cancel whose answer was lost', () => {
  const cancel = (handle: WorkflowHandle) => handle.executeUpdate(cancelUpdate);

  it('counts when the provider, asked, says that it let the money go', async () => {
    const { handle, story } = await startHeld({
      cancel: fails('ambiguous'),
      lookup: () => outcome('canceled'),
    });
    expect(await cancel(handle)).toBe('canceled');
    expect(story.entries.at(-1)?.outcome?.failure?.code).toBe('canceled_by_merchant');
  });

  it('is refused when the provider says that the money is held; then made again', async () => {
    const answers = [fails('ambiguous'), () => outcome('canceled')];
    const { handle, story } = await startHeld({
      cancel: (_amount, times) => answers[times - 1]?.() ?? busy,
      lookup: () => held,
    });
    expect((await refusalOf(cancel(handle))).type).toBe('already_sent');
    expect(story.status).toBe('authorized');
    expect(await cancel(handle)).toBe('canceled');
    expect(story.settlements).toEqual(['cancel 10000', 'cancel 10000, key 2']);
  });

  it('needs a person when nobody can tell', async () => {
    const { handle, story } = await startHeld({ cancel: fails('ambiguous') });
    expect((await refusalOf(cancel(handle))).message).toContain('review');
    expect(story.status).toBe('needs_review');
    await handle.signal(providerEventSignal, delivered(outcome('canceled')));
    expect(await handle.result()).toEqual({ status: 'canceled' });
  });

  it('at the end of the hold is asked about as well', async () => {
    const { handle, story } = await startHeld(
      { cancel: fails('ambiguous'), lookup: () => outcome('canceled') },
      { authorization: { expires_after_ms: 600_000 } },
    );
    expect(await handle.result()).toEqual({ status: 'canceled' });
    expect(story.entries.at(-1)?.outcome?.failure?.code).toBe('authorization_expired');
  });
});

describe('in review', () => {
  const decision = { by: 'ops', reason: 'seen in the portal', receipt: null } as const;
  const decide = (handle: WorkflowHandle, amountMinor: number | null) =>
    handle.executeUpdate(decideUpdate, {
      args: [{ ...decision, decision: 'succeeded', amountMinor }],
    });
  async function startReviewed(script: Partial<Script> = {}) {
    const policy = {
      lookup: { timeout_ms: 300, poll_interval_ms: [100], window_ms: 60_000 },
      review: { poll_interval_ms: [3_600_000, 30 * 24 * 3_600_000] },
    };
    const started = await startHeld({ capture: fails('ambiguous'), ...script }, policy);
    await refusalOf(capture(started.handle, 4_000));
    expect(started.story.status).toBe('needs_review');
    return started;
  }

  it.each([
    ['none', null],
    ['more than is held', 10_001],
    ['nothing', 0],
    ['half a cent', 0.5],
  ])('a decision names what was captured: %s is refused', async (_what, amountMinor) => {
    const { handle } = await startReviewed();
    expect((await refusalOf(decide(handle, amountMinor))).type).toBe('invalid_decision');
    await handle.terminate();
  });

  it('a decision ledgers what it names', async () => {
    const { handle, story } = await startReviewed();
    expect(await decide(handle, 4_000)).toBe('succeeded');
    expect(story.entries.at(-1)?.outcome?.money).toEqual({ amountMinor: 4_000, currency: 'KES' });
  });

  it('for the second time, the first answer counts like the first time', async () => {
    const said: (LookupResult | null)[] = [null];
    const { handle, story } = await startReviewed({ lookup: () => said.at(-1) ?? null });
    said.push(held);
    while (story.status !== 'authorized') await harness.env.sleep('30m');
    await untilHeld(handle, story);
    said.push(null);
    await refusalOf(capture(handle, 4_000));
    expect(story.status).toBe('needs_review');
    said.push(taken(4_000));
    await harness.env.sleep('3h');
    expect(story.status).toBe('succeeded');
  });
});

describe('that the provider is at it', () => {
  it.each(['requires_action', 'authorized'] as const)(
    'changes nothing of a payment that is %s',
    async (status) => {
      const action: ChargeResult = {
        kind: 'action_required',
        providerPaymentId: PROVIDER_PAYMENT_ID,
        providerCode: null,
        message: '3-D Secure',
        nextAction: { type: 'redirect_to_url', url: 'https://bank.test/3ds' },
      };
      const charge = () => (status === 'authorized' ? held : action);
      const { input, story } = harness.prepare(
        { charge, lookup: () => null },
        {},
        { can: CAN, captureMethod: 'manual' },
      );
      const handle = await harness.env.client.workflow.start('payment', paymentStart(input));
      await until(story, status);
      const before = story.entries.length;
      await handle.signal(providerEventSignal, delivered(busy));
      while (story.silent.length === 0) await harness.env.sleep('1s');
      expect(story.entries).toHaveLength(before);
      expect(story.silent).toMatchObject([{ event: null, webhook: { status: 'applied' } }]);
      await handle.signal(providerEventSignal, delivered(outcome('declined')));
      expect(await handle.result()).toEqual({ status: 'failed' });
    },
  );
});
