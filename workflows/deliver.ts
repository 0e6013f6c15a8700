import { ActivityFailure, proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import type { DeliveryInput } from '../domain/outgoing-event.ts';
import { DELIVERY_TASK_QUEUE } from './messages.ts';

/**
 * Tells one endpoint of one event, by the policy's schedule. However often it is tried, the history
 * grows by one activity: the pause before the next try is the activity's own word.
 */
export async function deliver(input: DeliveryInput): Promise<void> {
  const { timeout_ms, schedule_ms } = input.policy;
  const { deliver: send } = proxyActivities<Pick<Activities, 'deliver'>>({
    taskQueue: DELIVERY_TASK_QUEUE,
    startToCloseTimeout: timeout_ms + 10_000,
    retry: { initialInterval: '5s', maximumAttempts: schedule_ms.length + 1 },
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
