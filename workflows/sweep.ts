import { proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import type { SweepInput } from './messages.ts';

const activities = proxyActivities<Pick<Activities, 'sweepUnstarted' | 'sweepUndelivered'>>({
  startToCloseTimeout: '12s',
  retry: { maximumAttempts: 3 },
});

/**
 * Run by a Schedule: picks up what a crash left between two systems. Its activities time out soon:
 * one that was lost with a server must not hold up the next round.
 */
export async function sweep(input: SweepInput): Promise<void> {
  await activities.sweepUnstarted(input);
  await activities.sweepUndelivered(input);
}
