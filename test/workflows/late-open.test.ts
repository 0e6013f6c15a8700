import type { LookupResult } from '../../domain/outcome.ts';
import type { ReviewReason, Standing } from '../../domain/payment.ts';
import type { PaymentStatus } from '../../domain/payment-states.ts';
import type { ProviderPolicy } from '../../domain/policy.ts';
import type { DeliveredEvent } from '../../domain/webhook-event.ts';
import {
  delivered,
  type Harness,
  lateEvent,
  openHarness,
  outcome,
  PENDING,
  STANDING,
} from './harness.ts';

/** Callbacks of a payment whose run was lost before the payment's end: they reopen it. */
let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

const standing = (status: PaymentStatus, reviewReason: ReviewReason | null = null): Standing => ({
  ...STANDING,
  status,
  reviewReason,
});

async function arrive(
  stands: Standing,
  event: DeliveredEvent['event'],
  answer: LookupResult | null = null,
  policy: Partial<ProviderPolicy> = {},
) {
  const script = { charge: () => PENDING, lookup: () => answer };
  const { input, story } = harness.prepare(script, policy, { standing: stands });
  story.status = stands.status;
  const start = lateEvent(input, delivered(event));
  const handle = await harness.env.client.workflow.signalWithStart('payment', start);
  return { handle, story };
}

const UNPRICED = outcome('succeeded', { money: null });

// table
it.each([
  ['says nothing', null, 'needs_review'],
  ['says that it was declined', outcome('declined'), 'failed'],
  ['says that it was paid', UNPRICED, 'succeeded'],
] as const)(
  'a success that names no amount, where the provider %s, is %s by that',
  async (_what, answer, status) => {
    const { handle, story } = await arrive(standing('processing'), UNPRICED, answer);
    while (story.status === 'processing') await harness.env.sleep('1m');
    expect(story.status).toBe(status);
    expect(story.entries.slice(0, 2)).toMatchObject([
      { action: 'payment.reopened' },
      { action: 'payment.callback_unclear', event: null, outcome: null, waitingFor: 'lookup' },
    ]);
    expect(story.sends).toBe(0);
    await handle.terminate().catch(() => undefined);
  },
);

it('a success of the right amount counts, and nobody is asked', async () => {
  const { handle, story } = await arrive(standing('processing'), outcome('succeeded'));
  expect(await handle.result()).toEqual({ status: 'succeeded' });
  expect([story.sends, story.questions]).toEqual([0, 0]);
});

it('a success that the policy’s check contradicts needs review', async () => {
  const policy = { confirm_callback_from_minor: 5_000 };
  const said = outcome('declined');
  const { handle, story } = await arrive(
    standing('processing'),
    outcome('succeeded'),
    said,
    policy,
  );
  while (story.status === 'processing') await harness.env.sleep('1s');
  expect(story.entries[1]).toMatchObject({
    reviewReason: 'contradiction',
    webhook: { status: 'parked' },
  });
  await handle.terminate();
});

it('a wrong amount needs review, and a person can decide', async () => {
  const wrong = outcome('succeeded', { money: { amountMinor: 5, currency: 'KES' } });
  const { handle, story } = await arrive(standing('processing'), wrong);
  while (story.status === 'processing') await harness.env.sleep('1s');
  expect(story.entries[1]).toMatchObject({
    reviewReason: 'amount_mismatch',
    outcome: null,
    waitingFor: 'review',
  });
  expect((await handle.describe()).status.name).toBe('RUNNING');
  await handle.terminate();
});

it('a decline ends it, and opens no attempt that nobody here would send', async () => {
  const retry = { by_code: { insufficient_funds: { who: 'payer', auto: true } } } as const;
  const reattempt = { max_attempts: 3, fallback: [] };
  const { handle, story } = await arrive(standing('processing'), outcome('declined'), null, {
    retry,
    reattempt,
  });
  expect(await handle.result()).toEqual({ status: 'failed' });
  expect(story.entries.map(({ event }) => event)).toEqual([null, 'declined']);
});

it('of what was never sent sends nothing, and a person looks', async () => {
  const lostHistory = 'a callback came for it';
  const noise = { ...outcome('declined'), kind: 'pending', message: 'busy' } as const;
  const { handle, story } = await arrive({ ...standing('created'), lostHistory }, noise);
  while (story.status === 'created') await harness.env.sleep('1s');
  expect([story.status, story.sends]).toEqual(['needs_review', 0]);
  await handle.terminate();
});

// table
it.each([
  ['no_answer', 'declined', 'failed'],
  ['no_answer', 'succeeded', 'succeeded'],
  ['history_lost', 'canceled', 'canceled'],
  ['amount_mismatch', 'succeeded', 'succeeded'],
  ['amount_mismatch', 'declined', 'needs_review'],
  ['contradiction', 'declined', 'needs_review'],
] as const)('in review for %s, %s makes it %s', async (reason, kind, status) => {
  const { handle, story } = await arrive(standing('needs_review', reason), outcome(kind));
  while (story.entries.length < 2) await harness.env.sleep('1s');
  expect(story.status).toBe(status);
  await handle.terminate().catch(() => undefined);
});
