import type { WorkflowHandle } from '@temporalio/client';
import type { ControlAction } from '../../domain/control.ts';
import { ProviderError } from '../../domain/error.ts';
import type { ProviderPolicy } from '../../domain/policy.ts';
import { policy } from '../../providers/mpesa/policy.ts';
import { paymentReopen, paymentStart } from '../../temporal/start.ts';
import {
  cancelUpdate,
  captureUpdate,
  controlSignal,
  providerEventSignal,
  verifyUpdate,
} from '../../workflows/messages.ts';
import {
  CAN,
  chargeFailure,
  delivered,
  type Harness,
  openHarness,
  outcome,
  PENDING,
  type Script,
  STANDING,
} from './harness.ts';

/** What operators ask of open payments: to be looked up now, to be held, to go on. */
let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

async function start(script: Partial<Script>, changes: Partial<ProviderPolicy> = {}) {
  const full: Script = { charge: () => PENDING, lookup: () => null, ...script };
  const { input, story } = harness.prepare(full, changes);
  const handle = await harness.env.client.workflow.start('payment', paymentStart(input));
  const ask = (action: ControlAction) =>
    handle.signal(controlSignal, { action, by: 'opr_1', reason: 'the provider is down' });
  const actions = () => story.entries.map(({ action }) => action);
  const until = async (action: string) => {
    while (!actions().some((it) => it === action)) await harness.env.sleep('1s');
  };
  return { handle, story, ask, actions, until };
}

test('a paused payment asks nobody, however long; then it goes on and is asked about', async () => {
  const { handle, story, ask, until } = await start({ lookup: () => outcome('succeeded') });
  await until('payment.provider_accepted');
  await ask('pause');
  await until('payment.paused');
  await harness.env.sleep('3d');
  expect([story.questions, story.status]).toEqual([0, 'processing']);
  expect(story.entries.at(-1)).toMatchObject({
    actor: 'operator',
    cause: 'opr_1: the provider is down',
    waitingFor: 'resume',
  });
  await ask('resume');
  expect(await handle.result()).toEqual({ status: 'succeeded' });
  expect(story.questions).toBe(1);
});

test('a paused payment takes its callback', async () => {
  const { handle, ask, until } = await start({});
  await until('payment.provider_accepted');
  await ask('pause');
  await until('payment.paused');
  await handle.signal(providerEventSignal, delivered(outcome('succeeded')));
  expect(await handle.result()).toEqual({ status: 'succeeded' });
});

test('a pause between two sends holds the next one back, and a cancel ends it', async () => {
  const unsent = () => {
    throw chargeFailure(new ProviderError('unsent', 'busy'), true);
  };
  const { handle, story, ask, until } = await start({ charge: unsent });
  await until('payment.resend_planned');
  await ask('pause');
  await until('payment.paused');
  await harness.env.sleep('1d');
  expect(story.sends).toBe(1);
  expect(await handle.executeUpdate(cancelUpdate)).toBe('canceled');
  expect(await handle.result()).toEqual({ status: 'canceled' });
  expect(story.sends).toBe(1);
});

test('what goes on tells how long it still waits', async () => {
  const { handle, story, ask, until } = await start({});
  await until('payment.provider_accepted');
  const told = story.entries.at(-1)?.waitMs ?? 0;
  await ask('pause');
  await until('payment.paused');
  await ask('resume');
  await until('payment.resumed');
  const left = story.entries.at(-1)?.waitMs ?? 0;
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThanOrEqual(told);
  await handle.signal(providerEventSignal, delivered(outcome('declined')));
  expect(await handle.result()).toEqual({ status: 'failed' });
});

test('a look-up is made at once, before the callback’s time is over', async () => {
  const soon = { callback_wait_ms: policy.callback_wait_ms * 10 };
  const { handle, story, ask, until } = await start({ lookup: () => outcome('succeeded') }, soon);
  await until('payment.provider_accepted');
  await ask('look_up');
  expect(await handle.result()).toEqual({ status: 'succeeded' });
  expect(story.entries.at(-1)?.cause).toContain('asked for by opr_1');
});

test('asked twice, each changes something once; what is not paused does not go on', async () => {
  const { handle, ask, actions, until } = await start({});
  await until('payment.provider_accepted');
  for (const action of ['resume', 'pause', 'pause', 'resume', 'resume', 'pause'] as const) {
    await ask(action);
  }
  while (actions().length < 4) await harness.env.sleep('1s');
  await handle.signal(providerEventSignal, delivered(outcome('declined')));
  expect(await handle.result()).toEqual({ status: 'failed' });
  expect(actions()).toEqual([
    'payment.provider_accepted',
    'payment.paused',
    'payment.resumed',
    'payment.paused',
    'payment.failed',
  ]);
});

describe('while an operator holds a payment', () => {
  async function hold() {
    const held = outcome('authorized');
    const full: Script = {
      charge: () => held,
      lookup: () => outcome('succeeded'),
      capture: () => outcome('succeeded'),
      cancel: () => outcome('canceled'),
    };
    const changes = { can: CAN, captureMethod: 'manual' } as const;
    const { input, story } = harness.prepare(full, {}, changes);
    const handle = await harness.env.client.workflow.start('payment', paymentStart(input));
    const ask = (action: ControlAction) =>
      handle.signal(controlSignal, { action, by: 'opr_1', reason: 'the provider is down' });
    while (story.status !== 'authorized') await harness.env.sleep('1s');
    await ask('pause');
    while (story.entries.at(-1)?.action !== 'payment.paused') await harness.env.sleep('1s');
    return { handle, story, ask };
  }
  const refused = {
    cause: { type: 'paused', message: 'an operator paused it: the provider is down' },
  };
  const capture = (handle: WorkflowHandle) =>
    handle.executeUpdate(captureUpdate, { args: [{ amountMinor: 10_000 }] });

  it('it is neither captured nor verified, and a look-up of all asks nobody', async () => {
    const { handle, story, ask } = await hold();
    await expect(handle.executeUpdate(verifyUpdate)).rejects.toMatchObject(refused);
    await expect(capture(handle)).rejects.toMatchObject(refused);
    await ask('look_up');
    await harness.env.sleep('1h');
    expect([story.questions, story.settlements, story.status]).toEqual([0, [], 'authorized']);
    await ask('resume');
    while (story.entries.at(-1)?.action !== 'payment.resumed') await harness.env.sleep('1s');
    expect(await capture(handle)).toBe('succeeded');
  });

  it('it can still be canceled', async () => {
    const { handle, story } = await hold();
    expect(await handle.executeUpdate(cancelUpdate)).toBe('canceled');
    expect(story.settlements).toEqual(['cancel 10000']);
  });
});

test('a payment whose run is lost while it is paused stays paused', async () => {
  const { input, story } = harness.prepare({
    charge: () => PENDING,
    lookup: () => outcome('declined'),
  });
  story.status = 'processing';
  const found = { ...input, standing: { ...STANDING, isPaused: true } };
  const handle = await harness.env.client.workflow.start('payment', paymentReopen(found));
  await harness.env.sleep('3d');
  expect([story.questions, story.status]).toEqual([0, 'processing']);
  await handle.signal(controlSignal, { action: 'resume', by: 'opr_1', reason: 'it is back' });
  expect(await handle.result()).toEqual({ status: 'failed' });
});
