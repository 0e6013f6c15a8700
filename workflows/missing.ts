import { setCurrentDetails, sleep } from '@temporalio/workflow';
import { scheduleAt } from '../domain/policy.ts';
import type { Missing } from './proxies.ts';

const MINUTE_MS = 60_000;
/** Until a row that cannot be brought back is looked for again; the last one repeats. */
const LOOKS_AGAIN_MS = [MINUTE_MS, 10 * MINUTE_MS, 60 * MINUTE_MS];

/**
 * Writes, and brings the row back first where it is gone. Where that cannot be done yet the run
 * waits in sight, with all its messages, and nothing that it knows is lost.
 * @param restore true when there is a row again.
 */
export async function untilWritten<R>(
  write: () => Promise<R | Missing>,
  restore: () => Promise<boolean>,
): Promise<R> {
  for (let round = 0; ; round += 1) {
    const written = await write();
    if (written !== 'missing') return written;
    if (round === 0 && (await restore())) continue;
    setCurrentDetails(
      '**Its row is gone from the database**, which was put back to an earlier time: see docs/runbook.md. Nothing is lost here; it goes on once its row or its merchant is back.',
    );
    await sleep(scheduleAt(LOOKS_AGAIN_MS, round), { summary: 'its row is gone' });
    await restore();
  }
}
