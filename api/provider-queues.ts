import type { Connection } from '@temporalio/client';
import { Gauge, type Registry } from 'prom-client';
import { CALL_PRIORITIES, providerTaskQueue } from '../workflows/messages.ts';

/** What waits in the queue of a provider, by kind of call; Temporal counts it roughly. */
export type QueueFigures = {
  readonly provider: string;
  readonly call: string;
  readonly waiting: number;
  readonly oldestSeconds: number;
};

const ACTIVITY_QUEUE = 2;

/** Throws where Temporal does not answer. */
export async function findQueueFigures(
  { workflowService }: Connection,
  namespace: string,
  providers: readonly string[],
): Promise<readonly QueueFigures[]> {
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

/**
 * Shows them, and nothing where there is nothing to be had.
 * @returns what is told how to find them.
 */
export function addQueueGauges(registry: Registry, everyMs: number) {
  let find: () => Promise<readonly QueueFigures[]> = () => Promise.resolve([]);
  let askedMs = 0;
  let asking: Promise<readonly QueueFigures[]> = Promise.resolve([]);
  // Each gauge is read for itself, so both wait for the one question.
  const ask = () => {
    if (Date.now() - askedMs < everyMs) return asking;
    askedMs = Date.now();
    asking = find().catch(() => []);
    return asking;
  };
  const add = (name: string, help: string, figure: 'waiting' | 'oldestSeconds') =>
    new Gauge({
      name,
      help,
      labelNames: ['provider', 'call'],
      registers: [registry],
      async collect() {
        const queues = await ask();
        this.reset();
        for (const { provider, call, ...figures } of queues) {
          this.set({ provider, call }, figures[figure]);
        }
      },
    });
  const help = 'Calls that wait for their turn at a provider, by kind; roughly, as Temporal counts';
  add('malipo_provider_queue_calls', help, 'waiting');
  add('malipo_provider_queue_oldest_seconds', 'How long the oldest has waited', 'oldestSeconds');
  return (finding: typeof find) => {
    find = finding;
    askedMs = 0;
  };
}
