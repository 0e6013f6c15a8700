import { ProviderError } from '../../domain/error.ts';
import type { Outcome } from '../../domain/outcome.ts';
import type { ProviderPolicy } from '../../domain/policy.ts';
import { policy as mpesa } from '../../providers/mpesa/policy.ts';
import { paymentStart } from '../../temporal/start.ts';
import { providerEventSignal } from '../../workflows/messages.ts';
import {
  chargeFailure,
  delivered,
  type Harness,
  openHarness,
  outcome,
  PENDING,
  type Script,
} from './harness.ts';
import { untilIdle } from './test-server.ts';

/** The database forgot that the charge was claimed: its row says `created`, and it is out. */
let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

const QUICK: Partial<ProviderPolicy> = {
  callback_wait_ms: 1_000,
  lookup: { timeout_ms: 1_000, poll_interval_ms: [5_000], window_ms: 60_000 },
  charge: { ...mpesa.charge, resend_after_ms: [1_000] },
};

async function start(
  script: Partial<Script>,
  policy: Partial<ProviderPolicy> = QUICK,
  isForgotten: (tried: number) => boolean = (tried) => tried === 1,
) {
  const full: Script = { charge: () => PENDING, lookup: () => null, ...script };
  const { input, story } = harness.prepare(
    {
      ...full,
      // As the row stands when the claim is lost, whatever the run does next.
      beforeRecord: (tried) => {
        if (isForgotten(tried)) story.status = 'created';
      },
    },
    policy,
  );
  const handle = await harness.env.client.workflow.start('payment', paymentStart(input));
  return { story, handle };
}

const LOST = () => {
  throw chargeFailure(new ProviderError('ambiguous', 'no answer'), true);
};
const WRONG = outcome('succeeded', { money: { amountMinor: 1, currency: 'KES' } });

describe.each([
  { how: 'answered', charge: () => PENDING },
  { how: 'answered nothing', charge: LOST },
])('a charge that the provider $how, and the row forgot', ({ charge }) => {
  it.each<{ said: Outcome; status: string }>([
    { said: outcome('succeeded'), status: 'needs_review' },
    { said: outcome('authorized'), status: 'needs_review' },
    { said: WRONG, status: 'needs_review' },
    { said: outcome('declined'), status: 'failed' },
    { said: outcome('canceled'), status: 'canceled' },
  ])('by a callback, $said.kind: $status', async ({ said, status }) => {
    const { handle, story } = await start({ charge });
    await untilIdle(handle);
    await handle.signal(providerEventSignal, delivered(said));
    await harness.env.sleep('10m');
    expect(story.status).toBe(status);
    expect(story.entries.map(({ event }) => event)).not.toContain('dispatched');
  });

  it('is not failed when nobody tells, but needs a person', async () => {
    const { story } = await start({ charge });
    while (story.status !== 'needs_review') await harness.env.sleep('10m');
    expect(story.entries.at(-1)?.outcome).toBeNull();
  });
});

it('the provider’s own word ends that review, and is asked for at once', async () => {
  const { handle, story } = await start({ lookup: () => outcome('succeeded', { money: null }) });
  expect(await handle.result()).toEqual({ status: 'succeeded' });
  expect(story.questions).toBe(2);
  expect(story.entries.map(({ reviewReason }) => reviewReason)).toContain('history_lost');
});

it('what the charge itself answered is for review, and is asked about', async () => {
  const { handle, story } = await start({
    charge: () => outcome('succeeded'),
    lookup: () => outcome('succeeded'),
  });
  expect(await handle.result()).toEqual({ status: 'succeeded' });
  expect([story.sends, story.questions]).toEqual([1, 1]);
});

it('a success while the next send waits ends the sending', async () => {
  const charge = () => {
    throw chargeFailure(new ProviderError('rate_limited', 'later'), true);
  };
  const slow = { ...QUICK, charge: { ...mpesa.charge, resend_after_ms: [60_000] } };
  const { handle, story } = await start({ charge }, slow);
  await untilIdle(handle);
  await handle.signal(providerEventSignal, delivered(outcome('succeeded')));
  while (story.status !== 'needs_review') await harness.env.sleep('10s');
  // The next send would have been made by now.
  await harness.env.sleep('5m');
  expect(story.sends).toBe(1);
});

it('a send that was proven to do nothing ends as failed, and is not begun anew', async () => {
  const charge = () => {
    throw chargeFailure(new ProviderError('rate_limited', 'later'), true);
  };
  const { handle, story } = await start({ charge }, QUICK, () => true);
  expect(await handle.result()).toEqual({ status: 'failed' });
  expect(story.sends).toBe(mpesa.charge.max_sends);
});
