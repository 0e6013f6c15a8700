import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../config/log.ts';
import type { OutageLog } from '../config/outage-log.ts';
import { createWarningLog, type Warning } from '../config/warnings.ts';
import { findDatabaseRisks } from '../db/deployment.ts';
import type { Pool } from '../db/pool.ts';
import { ensureNamespace, type NamespaceParts } from './namespace.ts';

/** Looks after what the worker needs from outside; it may be lost while the worker runs. */
export type Watch = {
  /** What the last look found. */
  readonly warnings: () => readonly Warning[];
  /** One look. Throws when Temporal does not answer. */
  look(): Promise<void>;
  /** Looks again and again until the signal comes; throws nothing. */
  run(signal: AbortSignal): Promise<void>;
};

const LOOK_EVERY_MS = 60_000;
const RETRY_MS = 3_000;

/**
 * @param own what was wrong from the start.
 * @param everyMs shorter in tests.
 */
export function createWatch(
  namespace: NamespaceParts,
  { pool, own }: { readonly pool: Pool; readonly own: readonly Warning[] },
  { log, outage }: { readonly log: Log; readonly outage: OutageLog },
  everyMs = LOOK_EVERY_MS,
): Watch {
  const tell = createWarningLog(log);
  let warnings: readonly Warning[] = [];
  let risks: readonly Warning[] = [];
  let isFirst = true;
  let isBehind = true;
  const look = async () => {
    const { added, faults } = await ensureNamespace(namespace, isBehind);
    if (added.length > 0 && !isFirst) {
      log.warn({ added }, 'the Temporal namespace had lost what payments need; it was added again');
    }
    isFirst = false;
    // Where the schedule could not be changed, each look tries again.
    isBehind = faults.some(({ code }) => code === 'schedule_outdated');
    // Without the database its settings are as they were; its absence is told elsewhere.
    risks = await findDatabaseRisks(pool).catch(() => risks);
    warnings = [...faults, ...risks, ...own];
    tell(warnings);
  };
  return {
    warnings: () => warnings,
    look,
    async run(signal) {
      let pauseMs = everyMs;
      for (;;) {
        await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
        if (signal.aborted) return;
        try {
          await look();
          outage.worked();
          pauseMs = everyMs;
        } catch (error) {
          outage.failed(error);
          pauseMs = Math.min(everyMs, RETRY_MS);
        }
      }
    },
  };
}
