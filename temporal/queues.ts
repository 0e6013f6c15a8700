import type { Connection } from '@temporalio/client';
import { CALL_PRIORITIES, providerTaskQueue } from '../workflows/messages.ts';

/** What waits in the queue of a provider, by kind of call; Temporal counts it roughly. */
export type QueueMetrics = {
  readonly provider: string;
  readonly call: string;
  readonly waiting: number;
  readonly oldestSeconds: number;
};

const ACTIVITY_QUEUE = 2;

/** Throws where Temporal does not answer. */
export async function findQueueMetrics(
  { workflowService }: Connection,
  namespace: string,
  providers: readonly string[],
): Promise<readonly QueueMetrics[]> {
  const found = providers.map(async (provider) => {
    const { statsByPriorityKey: stats } = await workflowService.describeTaskQueue({
      namespace,
      taskQueue: { name: providerTaskQueue(provider) },
      taskQueueType: ACTIVITY_QUEUE,
      reportStats: true,
    });
    return Object.entries(CALL_PRIORITIES).map(([call, priority]) => {
      const { approximateBacklogCount: count, approximateBacklogAge: age } = stats[priority] ?? {};
      const waiting = Number(count ?? 0);
      const oldestSeconds = waiting === 0 ? 0 : Number(age?.seconds ?? 0);
      return { provider, call, waiting, oldestSeconds };
    });
  });
  return (await Promise.all(found)).flat();
}
