import { BY_STATUS_QUERY } from '../../db/statistics.ts';
import type { RecordRequest } from '../../domain/payment-record.ts';
import { paymentStart } from '../../temporal/start.ts';
import { providerEventSignal, verifyUpdate } from '../../workflows/messages.ts';
import {
  delivered,
  type Harness,
  openHarness,
  outcome,
  PENDING,
  type Script,
  type Story,
} from './harness.ts';
import { untilIdle } from './test-server.ts';

/** Statistics tell by an entry's key who brought a payment to its end; workflows write the keys. */
let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

const QUERIED = new RegExp(/key ~ '([^']+)'/.exec(BY_STATUS_QUERY.sql)?.[1] ?? 'no such words');
const isQueried = (entry: RecordRequest | undefined) =>
  ['payment.succeeded', 'payment.failed'].includes(entry?.action ?? '') &&
  QUERIED.test(entry?.key ?? '');

async function start(script: Partial<Script>) {
  const full: Script = { charge: () => PENDING, lookup: () => null, ...script };
  const { input, story } = harness.prepare(full);
  const handle = await harness.env.client.workflow.start('payment', paymentStart(input));
  return { handle, story };
}
const lastOf = ({ entries }: Story) => entries.at(-1);

test('a payment that was asked about, since no callback came, counts as rescued', async () => {
  const { handle, story } = await start({
    lookup: () => outcome('succeeded', { money: null }),
  });
  expect(await handle.result()).toEqual({ status: 'succeeded' });
  expect(isQueried(lastOf(story))).toBe(true);
});

test('so does one that was asked about while in review', async () => {
  let isKnown = false;
  const { handle, story } = await start({ lookup: () => (isKnown ? outcome('declined') : null) });
  await harness.env.sleep('30m');
  expect(story.status).toBe('needs_review');
  isKnown = true;
  expect(await handle.result()).toEqual({ status: 'failed' });
  expect(isQueried(lastOf(story))).toBe(true);
});

test('so does one that its merchant had us ask about', async () => {
  let isKnown = false;
  const { handle, story } = await start({ lookup: () => (isKnown ? outcome('succeeded') : null) });
  await untilIdle(handle);
  isKnown = true;
  await handle.executeUpdate(verifyUpdate);
  expect(await handle.result()).toEqual({ status: 'succeeded' });
  expect(isQueried(lastOf(story))).toBe(true);
});

test('one that its callback settled, or the answer itself, does not', async () => {
  const called = await start({});
  await untilIdle(called.handle);
  await called.handle.signal(providerEventSignal, delivered(outcome('succeeded')));
  const answered = await start({ charge: () => outcome('succeeded') });
  for (const { handle, story } of [called, answered]) {
    expect(await handle.result()).toEqual({ status: 'succeeded' });
    expect(story.entries.some(isQueried)).toBe(false);
  }
});
