import { ActivityFailure, proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import type { DeliveryInput } from '../domain/outgoing-event.ts';
import { DELIVERY_TASK_QUEUE } from './messages.ts';

/**
 * Tells one endpoint of one event, by the policy's schedule. However often it is tried, the history
 * grows by one activity: the pause before the next try is the activity's own word, and so is the
 * end. The retry policy is for what comes between, such as a worker that was killed or a database
 * that is away; it never gives up, since nothing of that is the endpoint's fault.
 */
export async function deliver(input: DeliveryInput): Promise<void> {
  const { deliver: send } = proxyActivities<Pick<Activities, 'deliver'>>({
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
    await send(input);
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    await giveUpDelivery(input);
  }
}
