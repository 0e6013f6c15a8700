import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { ProviderError } from '../../domain/error.ts';
import type { LookupResult } from '../../domain/outcome.ts';
import type { PaymentInput } from '../../domain/payment.ts';
import type { ProviderPolicy } from '../../domain/policy.ts';
import { RUN_LIMITS, type RunLimits } from '../../domain/run-limits.ts';
import { paymentStart } from '../../temporal/start.ts';
import {
  cancelUpdate,
  captureUpdate,
  controlSignal,
  decideUpdate,
  providerEventSignal,
  verifyUpdate,
} from '../../workflows/messages.ts';
import {
  CAN,
  chargeFailure,
  delivered,
  type Harness,
  lateEvent,
  openHarness,
  outcome,
  PROVIDER_PAYMENT_ID,
  type Script,
  type Story,
} from './harness.ts';
import { untilIdle } from './test-server.ts';

/** Long waits go on in a new run before they near Temporal's limits, here much lowered ones. */
let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

const held = outcome('authorized');
const refuses = (): LookupResult => {
  throw chargeFailure(new ProviderError('misconfigured', 'the key was revoked'), true);
};
const DECISION = { decision: 'failed', by: 'ops', reason: 'not there', receipt: null } as const;
const PENDING_EVENT = {
  kind: 'pending',
  providerPaymentId: PROVIDER_PAYMENT_ID,
  providerCode: null,
  message: 'busy',
} as const;

async function startHeld(
  limits: Partial<RunLimits>,
  script: Partial<Script> = {},
  policy: Partial<ProviderPolicy> = {},
) {
  const full: Script = { charge: () => held, lookup: () => held, ...script };
  const changes: Partial<PaymentInput> = {
    can: CAN,
    captureMethod: 'manual',
    limits: { ...RUN_LIMITS, ...limits },
  };
  const { input, story } = harness.prepare(full, policy, changes);
  const handle = await harness.env.client.workflow.start('payment', paymentStart(input));
  while (story.status !== 'authorized') await sleep(20);
  await untilIdle(handle);
  // Of the newest run, whichever that is.
  return { input, story, handle: harness.env.client.workflow.getHandle(input.workflowId) };
}
const capture = (handle: WorkflowHandle) =>
  handle.executeUpdate(captureUpdate, { args: [{ amountMinor: 10_000 }] });
const runOf = async (handle: WorkflowHandle) => {
  const { runId, type } = await handle.describe();
  return { runId, type };
};
async function untilRenewed(handle: WorkflowHandle, firstRunId: string) {
  while ((await handle.describe()).runId === firstRunId) await sleep(20);
  await untilIdle(handle);
}
const actionsOf = ({ entries }: Story) => entries.map(({ action }) => action);

it('is verified so often within an hour; captures are taken all the same', async () => {
  const taken = outcome('succeeded');
  const { handle } = await startHeld({ verifiesPerHour: 3 }, { capture: () => taken });
  for (const _question of [1, 2, 3]) {
    expect(await handle.executeUpdate(verifyUpdate)).toMatchObject({
      status: 'authorized',
      isAsked: true,
    });
  }
  const error = await handle.executeUpdate(verifyUpdate).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    cause: { type: 'rate_limited', details: [{ retryAfterMs: expect.any(Number) }] },
  });
  const { events } = await handle.fetchHistory();
  const accepted = events?.filter((it) => it.workflowExecutionUpdateAcceptedEventAttributes);
  expect(accepted).toHaveLength(3);
  await harness.env.sleep('61m');
  expect(await handle.executeUpdate(verifyUpdate)).toMatchObject({
    status: 'authorized',
    isAsked: true,
  });
  expect(await capture(handle)).toBe('succeeded');
});

it('captures that are refused fill no run; the key of the next one is another', async () => {
  let isRevoked = true;
  const script = { capture: () => (isRevoked ? refuses() : outcome('succeeded')) };
  const { handle, story } = await startHeld({ updates: 4 }, script);
  const first = await runOf(handle);
  for (let round = 0; round < 4; round += 1) {
    await expect(capture(handle)).rejects.toMatchObject({ cause: { type: 'capture_refused' } });
  }
  await untilRenewed(handle, first.runId);
  isRevoked = false;
  expect(await capture(handle)).toBe('succeeded');
  expect(story.settlements.at(-1)).toBe('capture 10000, key 5');
  expect(actionsOf(story)).toEqual(['payment.authorized', 'payment.succeeded']);
});

it('a hold that goes on ends when it would have ended, and is let go once', async () => {
  const script = { capture: refuses, cancel: () => outcome('canceled') };
  const policy = { authorization: { expires_after_ms: 4 * 3_600_000 } };
  const { handle, story } = await startHeld({ updates: 1 }, script, policy);
  const first = await runOf(handle);
  await harness.env.sleep('2h');
  await expect(capture(handle)).rejects.toMatchObject({ cause: { type: 'capture_refused' } });
  await untilRenewed(handle, first.runId);
  await harness.env.sleep('90m');
  expect(story.status).toBe('authorized');
  await harness.env.sleep('45m');
  while (story.status === 'authorized') await sleep(20);
  expect(story.status).toBe('canceled');
  expect(story.settlements.filter((it) => it.startsWith('cancel'))).toHaveLength(1);
});

it('signals fill no run: all are applied, and a cancel comes through', async () => {
  const { handle, story } = await startHeld({ signals: 5 }, { cancel: () => outcome('canceled') });
  const first = await runOf(handle);
  for (let round = 0; round < 12; round += 1) {
    await handle.signal(providerEventSignal, delivered(PENDING_EVENT));
  }
  await untilRenewed(handle, first.runId);
  while (story.silent.length < 12) await sleep(20);
  expect(await handle.executeUpdate(cancelUpdate)).toBe('canceled');
});

it('what is paused stays so, and what ends its pause is heard', async () => {
  const { handle, story } = await startHeld(
    { signals: 1 },
    { capture: () => outcome('succeeded') },
  );
  const first = await runOf(handle);
  const ask = (action: 'pause' | 'resume') =>
    handle.signal(controlSignal, { action, by: 'opr_1', reason: 'a test' });
  await ask('pause');
  await untilRenewed(handle, first.runId);
  await expect(capture(handle)).rejects.toMatchObject({ cause: { type: 'paused' } });
  await ask('resume');
  while (!actionsOf(story).includes('payment.resumed')) await sleep(20);
  expect(await capture(handle)).toBe('succeeded');
});

it('a review of months stays far from the limit of events, and asks at its pace', async () => {
  const unclear = { capture: refuses, lookup: () => PENDING_EVENT } as const;
  const policy = { review: { poll_interval_ms: [3_600_000, 6 * 3_600_000] } };
  const script = { ...unclear, charge: () => PENDING_EVENT };
  const limits = { ...RUN_LIMITS, events: 100 };
  const soon = {
    callback_wait_ms: 1_000,
    lookup: { timeout_ms: 500, poll_interval_ms: [500], window_ms: 500 },
  };
  const { input, story } = harness.prepare(script, { ...policy, ...soon }, { can: CAN, limits });
  await harness.env.client.workflow.start('payment', paymentStart(input));
  const handle = harness.env.client.workflow.getHandle(input.workflowId);
  while (story.status !== 'needs_review') await harness.env.sleep('1m');
  const first = await runOf(handle);
  await harness.env.sleep('30d');
  const { runId, type } = await runOf(handle);
  expect([runId === first.runId, type]).toEqual([false, 'payment']);
  expect((await handle.describe()).historyLength).toBeLessThan(140);
  // Four questions a day, and some more in the first hours of each run.
  expect(story.questions).toBeLessThan(30 * 4 * 2);
  expect(actionsOf(story)).not.toContain('payment.reopened');
  expect(await handle.executeUpdate(decideUpdate, { args: [DECISION] })).toBe('failed');
});

it('late money goes on waiting for its decision', async () => {
  const limits = { ...RUN_LIMITS, signals: 3 };
  const success = outcome('succeeded');
  const { input, story } = harness.prepare(
    { charge: () => success, lookup: () => success },
    {},
    { limits },
  );
  Object.assign(story, { status: 'canceled' });
  const start = lateEvent(input, delivered(success), 'canceled');
  await harness.env.client.workflow.signalWithStart('payment', start);
  const handle = harness.env.client.workflow.getHandle(start.workflowId);
  const first = await runOf(handle);
  for (let round = 0; round < 4; round += 1) {
    await handle.signal(providerEventSignal, delivered(outcome('declined')));
  }
  while ((await runOf(handle)).runId === first.runId) await sleep(20);
  expect((await runOf(handle)).type).toBe('payment');
  expect(story.status).toBe('needs_review');
  expect(await handle.executeUpdate(decideUpdate, { args: [DECISION] })).toBe('failed');
});
