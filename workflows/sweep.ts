import { proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import type { SweepInput } from './messages.ts';

type Rounds = Pick<Activities, 'sweepUnstarted' | 'sweepUndelivered' | 'sweepLookBacks'>;
const activities = proxyActivities<Rounds>({
  startToCloseTimeout: '12s',
  retry: { maximumAttempts: 3 },
});

/**
 * Run by a Schedule: picks up what a crash left between two systems. Its activities time out soon:
 * one that was lost with a server must not hold up the next round. One after the other, so that a
 * round that is on its way during a deploy goes on; and none waits for the other's success.
 */
export async function sweep(input: SweepInput): Promise<void> {
  const faults: Error[] = [];
  const { sweepUnstarted, sweepUndelivered, sweepLookBacks } = activities;
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
