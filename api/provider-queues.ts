import { Gauge, type Registry } from 'prom-client';
import type { QueueMetrics } from '../temporal/queues.ts';

/**
 * Shows them, and nothing where there is nothing to be had.
 * @returns what is told how to find them.
 */
export function addQueueGauges(registry: Registry, everyMs: number) {
  let find: () => Promise<readonly QueueMetrics[]> = () => Promise.resolve([]);
  let askedMs = 0;
  let asking: Promise<readonly QueueMetrics[]> = Promise.resolve([]);
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
