import type { Inconclusive, LookupResult } from '../../domain/outcome.ts';
import type { ProviderPolicy } from '../../domain/policy.ts';
import { paymentStart } from '../../temporal/start.ts';
import { providerEventSignal } from '../../workflows/messages.ts';
import {
  delivered,
  type Harness,
  lateEvent,
  openHarness,
  outcome,
  PENDING,
  PROVIDER_PAYMENT_ID,
  type Script,
  STANDING,
  type Story,
} from './harness.ts';
import { untilIdle } from './test-server.ts';

/**
 * Callbacks that conclude nothing and come once: one that could not be read brings the question to
 * the provider forward, one with a result that nobody knows brings a person.
 */
let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

const UNREADABLE: Inconclusive = {
  kind: 'unknown',
  providerPaymentId: null,
  providerCode: null,
  message: 'the callback could not be read: not an STK callback',
  unclear: 'unreadable',
};
const WORDS = 'unknown result code 1101: “the prompt is too long”';
const UNKNOWN: Inconclusive = {
  kind: 'unknown',
  providerPaymentId: PROVIDER_PAYMENT_ID,
  providerCode: '1101',
  message: WORDS,
  unclear: 'unknown_result',
};
/** Nobody would notice within this time what is not asked for by itself. */
const PATIENT = { callback_wait_ms: 20 * 3_600_000 };
const MINUTE_MS = 60_000;

async function start(script: Partial<Script>, policy: Partial<ProviderPolicy> = PATIENT) {
  const full: Script = { charge: () => PENDING, lookup: () => null, ...script };
  const { input, story } = harness.prepare(full, policy);
  const handle = await harness.env.client.workflow.start('payment', paymentStart(input));
  await untilIdle(handle);
  const startedMs = await harness.env.currentTimeMs();
  const elapsedMs = async () => (await harness.env.currentTimeMs()) - startedMs;
  return { input, handle, story, elapsedMs };
}
const actionsOf = ({ entries }: Story) => entries.map(({ action }) => action);
const unclearOf = ({ entries }: Story) =>
  entries.filter(({ action }) => action === 'payment.callback_unclear');

it('what could not be read makes its payment ask at once, and stays parked', async () => {
  const { handle, story, elapsedMs } = await start({ lookup: () => outcome('succeeded') });
  await handle.signal(providerEventSignal, delivered(UNREADABLE, 'evt_1'));
  while (story.status !== 'succeeded') await harness.env.sleep('5s');
  expect(await elapsedMs()).toBeLessThan(MINUTE_MS);
  expect(story.questions).toBe(1);
  expect(unclearOf(story)).toMatchObject([
    { cause: UNREADABLE.message, webhook: { eventId: 'evt_1', status: 'parked' } },
  ]);
});

async function untilReviewed(story: { readonly status: string }): Promise<void> {
  while (story.status !== 'needs_review') await harness.env.sleep('10m');
}

it('many that could not be read make it ask a few times, and stay parked silently', async () => {
  const policy = { ...PATIENT, review: { poll_interval_ms: [20 * 3_600_000] } };
  const { handle, story } = await start({ lookup: () => null }, policy);
  await untilReviewed(story);
  await untilIdle(handle);
  const before = story.questions;
  for (let sent = 0; sent < 12; sent += 1) {
    await handle.signal(providerEventSignal, delivered(UNREADABLE));
    await harness.env.sleep('5m');
  }
  // The same again is no step of the story.
  expect(unclearOf(story)).toHaveLength(1);
  expect(story.silent).toHaveLength(11);
  expect(story.silent.every(({ webhook }) => webhook?.status === 'parked')).toBe(true);
  // Each question is made until its window ends: twice in 30 seconds.
  expect(story.questions - before).toBeLessThanOrEqual(9);
  await handle.terminate();
});

it('one that could not be read ends a review by the question that it brings', async () => {
  let answer: LookupResult | null = null;
  const policy = { review: { poll_interval_ms: [20 * 3_600_000] } };
  const { handle, story } = await start({ lookup: () => answer }, policy);
  await untilReviewed(story);
  await untilIdle(handle);
  answer = outcome('declined');
  const signaledMs = await harness.env.currentTimeMs();
  await handle.signal(providerEventSignal, delivered(UNREADABLE));
  while (story.status !== 'failed') await harness.env.sleep('5s');
  expect((await harness.env.currentTimeMs()) - signaledMs).toBeLessThan(MINUTE_MS);
});

it('after a failure one that could not be read is asked about: it may tell of money', async () => {
  const script = { charge: () => PENDING, lookup: () => outcome('succeeded', { money: null }) };
  const { input, story } = harness.prepare(script);
  story.status = 'failed';
  const standing = { ...STANDING, status: 'failed', providerPaymentId: 'p' } as const;
  const begun = lateEvent({ ...input, standing }, delivered(UNREADABLE, 'evt_1'));
  const handle = await harness.env.client.workflow.signalWithStart('payment', begun);
  while (story.status === 'failed') await harness.env.sleep('1s');
  expect(story.status).toBe('needs_review');
  expect(story.entries).toMatchObject([
    { action: 'payment.callback_refused', webhook: { eventId: 'evt_1', status: 'parked' } },
    { action: 'payment.late_outcome', reviewReason: 'late_success', webhook: null },
  ]);
  await handle.terminate();
});

it('a result that nobody knows is asked about once, and then a person is', async () => {
  const { handle, story, elapsedMs } = await start({ lookup: () => UNKNOWN });
  await handle.signal(providerEventSignal, delivered(UNKNOWN));
  while (story.status !== 'needs_review') await harness.env.sleep('5s');
  expect(await elapsedMs()).toBeLessThan(2 * MINUTE_MS);
  expect(story.questions).toBeGreaterThanOrEqual(1);
  expect(story.questions).toBeLessThanOrEqual(3);
  expect(actionsOf(story).slice(-2)).toEqual(['payment.callback_unclear', 'payment.review_needed']);
  expect(story.entries.at(-2)?.cause).toBe(WORDS);
  expect(story.entries.at(-1)?.cause).toContain(WORDS);
  await handle.signal(providerEventSignal, delivered(outcome('succeeded')));
  expect(await handle.result()).toEqual({ status: 'succeeded' });
});

it('so it is while the status query tells nothing', async () => {
  const { handle, story, elapsedMs } = await start({ lookup: () => null });
  await handle.signal(providerEventSignal, delivered(UNKNOWN));
  while (story.status !== 'needs_review') await harness.env.sleep('5s');
  expect(await elapsedMs()).toBeLessThan(2 * MINUTE_MS);
  expect(story.entries.at(-1)).toMatchObject({ reviewReason: 'no_answer' });
  await handle.terminate();
});

it('a result that only the status query names, which nobody knows, brings a person', async () => {
  const { handle, story, elapsedMs } = await start({ lookup: () => UNKNOWN }, {});
  while (story.status !== 'needs_review') await harness.env.sleep('5s');
  expect(await elapsedMs()).toBeLessThan(4 * MINUTE_MS);
  expect(story.questions).toBeLessThanOrEqual(4);
  expect(story.entries.at(-1)?.cause).toContain(WORDS);
  await handle.terminate();
});

it('a result that nobody knows fails nothing: what the status query knows counts', async () => {
  const { handle, story } = await start({ lookup: () => outcome('succeeded', { money: null }) });
  await handle.signal(providerEventSignal, delivered(UNKNOWN));
  expect(await handle.result()).toEqual({ status: 'succeeded' });
  expect(story.questions).toBe(1);
});
