import type { WorkflowHandle } from '@temporalio/client';
import type { Decision } from '../../domain/decision.ts';
import { ProviderError } from '../../domain/error.ts';
import type { LookupResult } from '../../domain/outcome.ts';
import type { ProviderPolicy } from '../../domain/policy.ts';
import { paymentStart } from '../../temporal/start.ts';
import { decideUpdate, providerEventSignal, verifyUpdate } from '../../workflows/messages.ts';
import {
  chargeFailure,
  delivered,
  type Harness,
  lateEvent,
  openHarness,
  outcome,
  PENDING,
  type Script,
  type Story,
} from './harness.ts';
import { untilIdle } from './test-server.ts';

/** What may end a review, and what is only noted: nothing is guessed while a person is asked. */
let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

async function start(script: Partial<Script>, policy: Partial<ProviderPolicy> = {}) {
  const { input, story } = harness.prepare(
    { charge: () => PENDING, lookup: () => null, ...script },
    policy,
  );
  const handle = await harness.env.client.workflow.start('payment', paymentStart(input));
  return { input, story, handle };
}

const noted = ({ entries }: Story) =>
  entries.filter(({ action }) => action === 'payment.outcome_noted');
const reasonOf = ({ entries }: Story) =>
  entries.findLast(({ event }) => event !== null)?.reviewReason;
const UNPRICED = outcome('succeeded', { money: null });
const DECISION: Decision = {
  decision: 'succeeded',
  by: 'ops',
  reason: 'seen in the portal',
  receipt: null,
};
const decide = (handle: WorkflowHandle) => handle.executeUpdate(decideUpdate, { args: [DECISION] });

it('for a wrong amount is not ended by a status query that names none', async () => {
  const { handle, story } = await start({ lookup: () => UNPRICED });
  while (story.sends === 0) await harness.env.sleep('1s');
  const wrong = outcome('succeeded', { money: { amountMinor: 1, currency: 'KES' } });
  await handle.signal(providerEventSignal, delivered(wrong));
  while (story.status !== 'needs_review') await harness.env.sleep('1s');
  expect(await handle.executeUpdate(verifyUpdate)).toMatchObject({
    status: 'needs_review',
    isAsked: true,
  });
  await harness.env.sleep('30h');
  expect([story.status, reasonOf(story)]).toEqual(['needs_review', 'amount_mismatch']);
  expect(noted(story)[0]?.cause).toMatch(/says succeeded; in review \(amount_mismatch\)/);
  await handle.signal(providerEventSignal, delivered(outcome('succeeded')));
  expect(await handle.result()).toEqual({ status: 'succeeded' });
});

it('for a contradiction is not ended by the same contradiction', async () => {
  const { handle, story } = await start(
    { lookup: () => outcome('declined') },
    { confirm_callback_from_minor: 5_000 },
  );
  while (story.status === 'created') await harness.env.sleep('1s');
  await handle.signal(providerEventSignal, delivered(outcome('succeeded')));
  await harness.env.sleep('90h');
  expect([story.status, reasonOf(story)]).toEqual(['needs_review', 'contradiction']);
  // Asked many times, written once.
  expect(story.questions).toBeGreaterThan(3);
  expect(noted(story)).toHaveLength(1);
  expect(await decide(handle)).toBe('succeeded');
});

// table
it.each([
  ['succeeded', 'succeeded', 'contradiction'],
  ['declined', 'needs_review', 'contradiction'],
] as const)(
  'for another phone than the payer’s, and the query says %s: %s',
  async (said, to, why) => {
    const lookup = () => (story.status === 'needs_review' ? outcome(said, { money: null }) : null);
    const { handle, story } = await start({ lookup });
    while (story.sends === 0) await harness.env.sleep('1s');
    const forged = outcome('succeeded', { payerMismatch: true });
    await handle.signal(providerEventSignal, delivered(forged));
    while (story.status !== 'needs_review') await harness.env.sleep('1s');
    expect(reasonOf(story)).toBe(why);
    expect(story.entries.at(-1)?.cause).toBe('the payer does not match');
    await harness.env.sleep('90h');
    expect(story.status).toBe(to);
    if (to === 'needs_review') await decide(handle);
    expect(await handle.result()).toEqual({ status: 'succeeded' });
  },
);

/** A run that hears of a cancel and of money at once, while it still hands its charge over. */
async function startLate(
  policy: Partial<ProviderPolicy>,
  said: LookupResult,
  can = {},
  late = outcome('succeeded'),
) {
  let answer = () => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const charge = async () => {
    await answered;
    return PENDING;
  };
  const script = { charge, lookup: () => said };
  const { input, story } = harness.prepare(script, policy, can);
  const handle = await harness.env.client.workflow.start('payment', paymentStart(input));
  await handle.signal(providerEventSignal, delivered(outcome('canceled')));
  await handle.signal(providerEventSignal, delivered(late));
  answer();
  return { handle, story };
}

it('for money that came after a cancel, in one run, waits for a person', async () => {
  const { handle, story } = await startLate({}, outcome('canceled'));
  while (story.status !== 'needs_review') await harness.env.sleep('1s');
  const asked = story.questions;
  await harness.env.sleep('30h');
  expect([story.status, reasonOf(story)]).toEqual(['needs_review', 'late_success']);
  // No answer may end it, so nobody is asked again.
  expect(story.questions).toBe(asked);
  expect(await decide(handle)).toBe('succeeded');
});

it('for a wrong amount is decided with the amount only', async () => {
  const { handle, story } = await start({});
  while (story.sends === 0) await harness.env.sleep('1s');
  const wrong = outcome('succeeded', { money: { amountMinor: 1, currency: 'KES' } });
  await handle.signal(providerEventSignal, delivered(wrong));
  while (story.status !== 'needs_review') await harness.env.sleep('1s');
  const refused = { cause: { type: 'invalid_decision' } };
  await expect(decide(handle)).rejects.toMatchObject(refused);
  const named = { ...DECISION, amountMinor: 1 };
  expect(await handle.executeUpdate(decideUpdate, { args: [named] })).toBe('succeeded');
  expect(story.entries.at(-1)?.outcome?.money).toEqual({ amountMinor: 1, currency: 'KES' });
});

it('for money of a wrong amount after a cancel, in one run, waits for a person', async () => {
  const money = { amountMinor: 1, currency: 'KES' };
  const late = outcome('succeeded', { money });
  const { handle, story } = await startLate({ late_success: 'accept' }, late, {}, late);
  while (story.status !== 'needs_review') await harness.env.sleep('1s');
  await harness.env.sleep('30h');
  expect([story.status, reasonOf(story)]).toEqual(['needs_review', 'late_amount_mismatch']);
  const named = { ...DECISION, amountMinor: 1 };
  expect(await handle.executeUpdate(decideUpdate, { args: [named] })).toBe('succeeded');
});

describe('money that came after a cancel, in one run, is judged as later money is:', () => {
  const can = {
    dedupes_by_our_id: false,
    looks_up_by_our_id: false,
    capture: false,
    cancel: false,
    refund_needs: 'provider_receipt',
  };

  it.each([
    { late_success: 'accept', givenBack: 0 },
    { late_success: 'refund', givenBack: 1 },
  ] as const)('$late_success', async ({ late_success, givenBack }) => {
    const { handle, story } = await startLate({ late_success }, outcome('succeeded'), { can });
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(story.givenBack).toBe(givenBack);
    expect(story.entries.at(-1)?.cause).toBe(`policy late_success: ${late_success}`);
  });

  it('but not where the provider says otherwise', async () => {
    const policy = { late_success: 'accept' } as const;
    const { handle, story } = await startLate(policy, outcome('canceled'), { can });
    while (story.status !== 'needs_review') await harness.env.sleep('1s');
    await harness.env.sleep('1h');
    expect([story.status, reasonOf(story)]).toEqual(['needs_review', 'late_success']);
    expect(await decide(handle)).toBe('succeeded');
  });
});

it('money that came late to a second attempt is judged by the policy of that one', async () => {
  let answer = () => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const second = { providerPaymentId: 'ws_CO_2' };
  const charge = async () => {
    if (story.sends === 1) return outcome('declined');
    await answered;
    return outcome('declined', second);
  };
  const again = { who: 'payer', after_ms: 1_000, auto: true } as const;
  const retry = { by_provider_code: { '1': again } };
  const reattempt = { max_attempts: 2, fallback: ['mpesa'] };
  const script = { charge, lookup: () => outcome('succeeded', second) };
  const { input, story } = harness.prepare(script, { retry, reattempt });
  const { provider, policy, can } = input;
  const accepts = { ...policy, late_success: 'accept' } as const;
  const fallbacks = [{ provider, can, credentialsRef: 'env:other', policy: accepts }];
  const begun = paymentStart({ ...input, fallbacks });
  const handle = await harness.env.client.workflow.start('payment', begun);
  while (story.sends < 2) await harness.env.sleep('1s');
  await handle.signal(providerEventSignal, delivered(outcome('succeeded', second)));
  answer();
  expect(await handle.result()).toEqual({ status: 'succeeded' });
  expect(story.entries.at(-1)?.cause).toBe('policy late_success: accept');
});

it('for a wrong amount is noted once, however often a status query repeats it', async () => {
  const wrong = outcome('succeeded', { money: { amountMinor: 1, currency: 'KES' } });
  const { handle, story } = await start({ lookup: () => wrong });
  while (story.sends === 0) await harness.env.sleep('1s');
  await handle.signal(providerEventSignal, delivered(wrong));
  while (story.status !== 'needs_review') await harness.env.sleep('1s');
  await harness.env.sleep('90h');
  expect(story.questions).toBeGreaterThan(3);
  expect(story.entries.map(({ action }) => action).slice(-2)).toEqual([
    'payment.review_needed',
    'payment.outcome_noted',
  ]);
  const named = { ...DECISION, amountMinor: 1 };
  expect(await handle.executeUpdate(decideUpdate, { args: [named] })).toBe('succeeded');
});

it('for late money is not ended by a word that tells of none', async () => {
  const success = outcome('succeeded');
  const { input, story } = harness.prepare({ charge: () => PENDING, lookup: () => success });
  Object.assign(story, { status: 'canceled' });
  const first = lateEvent(input, delivered(success), 'canceled');
  const handle = await harness.env.client.workflow.signalWithStart('payment', first);
  while (story.status !== 'needs_review') await harness.env.sleep('1s');
  await handle.signal(providerEventSignal, delivered(outcome('declined')));
  await handle.signal(providerEventSignal, delivered(outcome('canceled')));
  await harness.env.sleep('1h');
  expect(story.status).toBe('needs_review');
  expect(story.entries.slice(1).map(({ event }) => event)).toEqual([null, null]);
  expect(await decide(handle)).toBe('succeeded');
});

describe('a callback of success that names no amount', () => {
  it('is asked about, and settled by the answer', async () => {
    const { handle, story } = await start({ lookup: () => UNPRICED });
    await untilIdle(handle);
    await handle.signal(providerEventSignal, delivered(UNPRICED));
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(story.questions).toBeGreaterThan(0);
    expect(story.entries.at(-1)?.cause).toBe('the provider’s status query');
  });

  it('needs review when the provider does not tell', async () => {
    const { handle, story } = await start({});
    await untilIdle(handle);
    await handle.signal(providerEventSignal, delivered(UNPRICED));
    while (story.status !== 'needs_review') await harness.env.sleep('1m');
    expect(story.entries.map(({ action }) => action)).not.toContain('payment.succeeded');
    await handle.terminate();
  });
});

it('a charge that nobody took to the provider fails with a reason', async () => {
  const lost = () => {
    throw chargeFailure(new ProviderError('ambiguous', 'no worker took it'), false);
  };
  const { handle, story } = await start({ charge: lost });
  story.status = 'created';
  expect(await handle.result()).toEqual({ status: 'failed' });
  expect(story.entries.at(-1)).toMatchObject({
    action: 'payment.failed',
    outcome: { kind: 'declined', failure: { code: 'provider_unavailable' } },
  });
});
