import type { LookupResult } from '../../domain/outcome.ts';
import { policy } from '../../providers/mpesa/policy.ts';
import { paymentStart } from '../../temporal/start.ts';
import { providerEventSignal } from '../../workflows/messages.ts';
import {
  delivered,
  type Harness,
  lateEvent,
  openHarness,
  outcome,
  PENDING,
  STANDING,
} from './harness.ts';
import { untilIdle } from './test-server.ts';

/** From an amount on, a callback of success counts when the status query says so too. */
let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

const CONFIRMED = { confirm_callback_from_minor: 5_000 };
const SUCCESS = delivered(outcome('succeeded'));

/** A payment whose prompt rings, and what the status query says by question, from 1. */
async function ring(lookup: (question: number) => LookupResult | null, amountMinor = 10_000) {
  const { input, story } = harness.prepare({ charge: () => PENDING, lookup }, CONFIRMED, {
    amountMinor,
  });
  const handle = await harness.env.client.workflow.start('payment', paymentStart(input));
  await untilIdle(handle);
  return { handle, story, input, tell: () => handle.signal(providerEventSignal, SUCCESS) };
}

it('a ringing prompt confirms nothing: forged success while it rings is not believed', async () => {
  const { story, handle, tell } = await ring((question) =>
    question < 4 ? null : outcome('declined', { providerCode: '1037' }),
  );
  await tell();
  await harness.env.sleep('10s');
  expect(story.status).toBe('processing');
  expect(story.entries.at(-1)).toMatchObject({
    action: 'payment.callback_unclear',
    cause: 'the callback says succeeded; the status query does not confirm it yet',
    waitingFor: 'lookup',
  });
  while (story.status === 'processing') await harness.env.sleep('5s');
  expect([story.status, story.entries.at(-1)?.reviewReason]).toEqual([
    'needs_review',
    'contradiction',
  ]);
  expect(story.entries.at(-1)?.webhook).toMatchObject({ status: 'parked' });
  await handle.terminate();
});

it('is believed as soon as the query says so too', async () => {
  const { story, handle, tell } = await ring((question) =>
    question < 3 ? null : outcome('succeeded', { money: null, receipt: null }),
  );
  await tell();
  expect(await handle.result()).toEqual({ status: 'succeeded' });
  expect(story.questions).toBe(3);
  expect(story.entries.at(-1)).toMatchObject({
    outcome: { receipt: 'UJ7A1B2C3D' },
    webhook: { eventId: SUCCESS.eventId, status: 'applied' },
  });
});

it('is believed when the query tells nothing until the prompt’s life is over', async () => {
  const { story, handle, tell } = await ring(() => null);
  await tell();
  await harness.env.sleep((policy.lookup.prompt_life_ms ?? 0) - 10_000);
  expect(story.status).toBe('processing');
  expect(await handle.result()).toEqual({ status: 'succeeded' });
  // By the schedule: 0, 15, 30, 60, 120 s, and once more at the end.
  expect(story.questions).toBeLessThanOrEqual(6);
});

it('what else is told meanwhile is handled at once', async () => {
  const { story, handle, tell } = await ring(() => null);
  await tell();
  await harness.env.sleep('40s');
  expect(story.status).toBe('processing');
  await handle.signal(providerEventSignal, delivered(outcome('canceled')));
  expect(await handle.result()).toEqual({ status: 'canceled' });
  expect(story.entries.at(-1)?.event).toBe('canceled');
});

it('below the amount nobody is asked', async () => {
  const { story, handle } = await ring(() => null, 4_900);
  await handle.signal(
    providerEventSignal,
    delivered(outcome('succeeded', { money: { amountMinor: 4_900, currency: 'KES' } })),
  );
  expect(await handle.result()).toEqual({ status: 'succeeded' });
  expect(story.questions).toBe(0);
});

it('of a payment that lost its workflow as well', async () => {
  const { input, story } = harness.prepare(
    { charge: () => PENDING, lookup: (question) => (question < 3 ? null : outcome('declined')) },
    CONFIRMED,
  );
  story.status = 'processing';
  const start = lateEvent({ ...input, standing: STANDING }, SUCCESS);
  const handle = await harness.env.client.workflow.signalWithStart('payment', start);
  while (story.status === 'processing') await harness.env.sleep('1s');
  expect(story.status).toBe('needs_review');
  expect(story.entries.map(({ reviewReason }) => reviewReason)).toContain('contradiction');
  await handle.terminate();
});
