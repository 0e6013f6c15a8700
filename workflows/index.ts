import { ActivityFailure, proxyActivities, setCurrentDetails } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import type { DeliveryInput } from '../domain/outgoing-event.ts';
import type { SealedWebhookEvent } from '../domain/webhook-event.ts';
import { storeWebhookEvent } from './activities.ts';
import { DELIVERY_TASK_QUEUE, type SweepInput } from './messages.ts';

/** Every workflow of this engine, for the bundle: those of money, and below those beside them. */
export { payment } from './payment.ts';
export { refund } from './refund.ts';

/**
 * Sends one event to one endpoint, by the policy's schedule. However often it is tried, the history
 * grows by one activity: the activity itself sets the pause before the next try, and the end. The
 * retry policy is for what comes between, such as a worker that was killed or a database that is
 * unavailable; it never gives up, since nothing of that is the endpoint's fault.
 */
export async function webhookDelivery(input: DeliveryInput): Promise<void> {
  const { deliver } = proxyActivities<Pick<Activities, 'deliver'>>({
    taskQueue: DELIVERY_TASK_QUEUE,
    startToCloseTimeout: input.policy.timeout_ms + 10_000,
    retry: { initialInterval: '5s', maximumInterval: '1m' },
    summary: 'POST to the endpoint',
  });
  const { giveUpDelivery } = proxyActivities<Pick<Activities, 'giveUpDelivery'>>({
    taskQueue: DELIVERY_TASK_QUEUE,
    startToCloseTimeout: '10s',
  });
  try {
    await deliver(input);
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    await giveUpDelivery(input);
  }
}

/**
 * Holds a callback that the database could not store and that no running workflow could take: a
 * late, a malformed or a signed one. It waits, however long, until it is stored; the sweeper sees
 * to the rest.
 */
export async function storeCallback(event: SealedWebhookEvent): Promise<void> {
  setCurrentDetails(
    `The callback ${event.id} of ${event.provider} is not in PostgreSQL yet, and exists only here: do not terminate this workflow. It is tried again until PostgreSQL takes it. The pending activity shows what PostgreSQL says.`,
  );
  await storeWebhookEvent(event);
  setCurrentDetails('The callback is in PostgreSQL.');
}

type Rounds = Pick<Activities, 'sweepUnstarted' | 'sweepUndelivered' | 'sweepLookBacks'>;
const rounds = proxyActivities<Rounds>({
  startToCloseTimeout: '12s',
  retry: { maximumAttempts: 3 },
});

/**
 * Run by a Schedule: picks up what a crash left between two systems. Its activities time out soon:
 * one that was lost with a server must not hold up the next round. One after the other, and none
 * waits for the other's success.
 */
export async function sweep(input: SweepInput): Promise<void> {
  const faults: Error[] = [];
  const { sweepUnstarted, sweepUndelivered, sweepLookBacks } = rounds;
  for (const round of [sweepUnstarted, sweepUndelivered, sweepLookBacks]) {
    try {
      await round(input);
    } catch (error) {
      faults.push(error instanceof Error ? error : new Error(String(error)));
    }
  }
  const [fault] = faults;
  if (fault !== undefined) throw fault;
}
