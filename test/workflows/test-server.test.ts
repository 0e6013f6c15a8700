import { paymentReopen, paymentStart } from '../../temporal/start.ts';
import { controlSignal } from '../../workflows/messages.ts';
import { type Harness, openHarness, outcome, PENDING, STANDING } from './harness.ts';
import { pendingTimersMs, untilIdle } from './test-server.ts';

/** The clock of the test server goes on, whenever a test sends or ends something. */
let harness: Harness;
beforeAll(async () => {
  harness = await openHarness();
});
afterAll(() => harness.close());

it('a message that comes while a timer fires is heard', async () => {
  const slow = new Int32Array(new SharedArrayBuffer(4));
  const { input, story } = harness.prepare({
    charge: () => PENDING,
    lookup: () => outcome('declined'),
    // As a busy machine: the task that cancels the timer takes until after the timer is due.
    beforeRecord: (_tried, { action }) => {
      if (action === 'payment.resumed') Atomics.wait(slow, 0, 0, 400);
    },
  });
  story.status = 'processing';
  const paused = { ...input, standing: { ...STANDING, isPaused: true } };
  const handle = await harness.env.client.workflow.start('payment', paymentReopen(paused));
  await untilIdle(handle);
  const [dueMs = 0] = await pendingTimersMs(handle);
  await harness.env.sleep(dueMs - (await harness.env.currentTimeMs()) - 200);
  await handle.signal(controlSignal, { action: 'resume', by: 'opr_1', reason: 'it is back' });
  expect(await handle.result()).toEqual({ status: 'failed' });
});

it('a run that is terminated before its first task is over leaves the clock going', async () => {
  const { input } = harness.prepare({ charge: () => PENDING, lookup: () => null });
  const handle = await harness.env.client.workflow.start('payment', paymentStart(input));
  await handle.terminate();
  await harness.env.sleep('1h');
});
