import type { LookupResult } from '../../domain/outcome.ts';
import type { ReviewReason, Standing } from '../../domain/payment.ts';
import type { PaymentStatus } from '../../domain/payment-states.ts';
import type { ProviderPolicy } from '../../domain/policy.ts';
import type { DeliveredEvent } from '../../domain/webhook-event.ts';
import { lateOutcomeStart } from '../../workflows/messages.ts';
import { delivered, openStage, outcome, PENDING, type Stage } from './stage.ts';

/** Callbacks of a payment whose own workflow was lost before the payment's end. */
let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

const standing = (status: PaymentStatus, reviewReason: ReviewReason | null = null): Standing => ({
  status,
  reviewReason,
  providerPaymentId: outcome('succeeded').providerPaymentId,
  earlierProviderIds: [],
});

/** Its run ends: what is left open is the sweeper's to recover. */
async function arrive(
  stands: Standing,
  event: DeliveredEvent['event'],
  answer: LookupResult | null = null,
  policy: Partial<ProviderPolicy> = {},
) {
  const script = { charge: () => PENDING, lookup: () => answer };
  const { input, story } = stage.prepare(script, policy, { standing: stands });
  story.status = stands.status;
  const start = lateOutcomeStart(input, delivered(event));
  const handle = await stage.env.client.workflow.signalWithStart('lateOutcome', start);
  return { result: await handle.result(), story };
}

const UNPRICED = outcome('succeeded', { money: null });

// table
it.each([
  ['says nothing', null],
  ['says that it was declined', outcome('declined')],
])('a success that names no amount takes nothing while the provider %s', async (_what, answer) => {
  const { result, story } = await arrive(standing('processing'), UNPRICED, answer);
  expect(result).toEqual({ status: 'processing' });
  expect(story.entries).toMatchObject([
    { action: 'payment.callback_unclear', event: null, outcome: null, waitingFor: 'lookup' },
  ]);
});

it('a success of the right amount counts', async () => {
  const { result } = await arrive(standing('processing'), outcome('succeeded'));
  expect(result).toEqual({ status: 'succeeded' });
});

it('a success that the policy’s check contradicts needs review', async () => {
  const policy = { confirm_callback_from_minor: 5_000 };
  const stands = standing('processing');
  const { result, story } = await arrive(stands, outcome('succeeded'), outcome('declined'), policy);
  expect(result).toEqual({ status: 'needs_review' });
  expect(story.entries).toMatchObject([
    { reviewReason: 'contradiction', webhook: { status: 'parked' } },
  ]);
});

it('a wrong amount needs review', async () => {
  const wrong = outcome('succeeded', { money: { amountMinor: 5, currency: 'KES' } });
  const { result, story } = await arrive(standing('processing'), wrong);
  expect(result).toEqual({ status: 'needs_review' });
  // Its wait is over, so that the sweeper takes it up and a person can decide.
  expect(story.entries).toMatchObject([
    { reviewReason: 'amount_mismatch', outcome: null, waitingFor: 'review', waitMs: 0 },
  ]);
});

it('a decline ends it, and opens no attempt that nobody here would send', async () => {
  const again = { who: 'payer', after_ms: 1, auto: true } as const;
  const retry = { by_code: { insufficient_funds: again } };
  const reattempt = { max_attempts: 3, fallback: [] };
  const { result, story } = await arrive(standing('processing'), outcome('declined'), null, {
    retry,
    reattempt,
  });
  expect(result).toEqual({ status: 'failed' });
  expect(story.entries.map(({ event }) => event)).toEqual(['declined']);
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
  const { result } = await arrive(standing('needs_review', reason), outcome(kind));
  expect(result).toEqual({ status });
});
