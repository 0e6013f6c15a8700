import { allHandlersFinished, condition, patched, workflowInfo } from '@temporalio/workflow';
import { RUN_LIMITS, type RunLimits } from '../domain/run-limits.ts';

const HOUR_MS = 3_600_000;
const HANDLERS_MS = 1_000;
/** When to ask again what is refused because the run is long. */
const LONG_RETRY_MS = 60_000;

/** Counts what a run was sent, and tells when it should go on as a new one. */
export type RunCount = {
  update(): void;
  signal(): void;
  verify(): void;
  /** How long a verify has to wait; 0: it may be made now. */
  verifyWaitMs(): number;
  isLong(): boolean;
};

/** Opens the count of this run. */
export function openRunCount(limits: RunLimits = RUN_LIMITS): RunCount {
  let [updates, signals] = [0, 0];
  const verifiedAt: number[] = [];
  const isLong = () => {
    const { continueAsNewSuggested, historyLength } = workflowInfo();
    const isFull = updates >= limits.updates || signals >= limits.signals;
    return isFull || historyLength >= limits.events || continueAsNewSuggested;
  };
  return {
    update() {
      updates += 1;
    },
    signal() {
      signals += 1;
    },
    verify() {
      verifiedAt.push(Date.now());
      if (verifiedAt.length > limits.verifiesPerHour) verifiedAt.shift();
    },
    verifyWaitMs() {
      if (isLong()) return LONG_RETRY_MS;
      const [first] = verifiedAt;
      if (first === undefined || verifiedAt.length < limits.verifiesPerHour) return 0;
      return Math.max(first + HOUR_MS - Date.now(), 0);
    },
    isLong,
  };
}

/**
 * True when a run is long and nobody waits for an answer of it, nor lies any message unread: then
 * it may go on as a new one, which loses nothing.
 */
export async function mayRenew(count: RunCount, hasNews: () => boolean): Promise<boolean> {
  if (!count.isLong() || hasNews() || !patched('renew-long-runs')) return false;
  // Those whose answer is there finish by themselves; a decision that closed nothing does not.
  if (!allHandlersFinished()) await condition(allHandlersFinished, HANDLERS_MS);
  return allHandlersFinished() && !hasNews();
}
