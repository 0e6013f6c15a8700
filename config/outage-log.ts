import type { Log } from './log.ts';

/** Tells the log of something that is unavailable and tried again and again. */
export type OutageLog = {
  /** To be called with the error of each try, or with a reason in words. */
  readonly failed: (error: unknown) => void;
  /** To be called when it works; it is told only after it did not. */
  readonly worked: () => void;
};

/** The first short line comes after so long, and each further one after twice as long. */
const FIRST_LINE_MS = 10_000;
const LONGEST_MS = 600_000;
/** Errors that are told with their stack: a server may fail in more ways than one. */
const STACKS_MAX = 5;

/**
 * An outage that lasts for hours must not bury the rest of the log: each kind of error is told once
 * with its stack, then a short line says at growing intervals that it lasts, then one that it is
 * over.
 * @param texts what is logged while it fails, and when it works again.
 * @param now in milliseconds; tests pass a clock of their own.
 */
export function createOutageLog(
  log: Log,
  texts: { readonly failing: string; readonly working: string },
  now: () => number = () => performance.now(),
): OutageLog {
  const told = new Set<string>();
  let outage: { sinceMs: number; lineMs: number; pauseMs: number; tries: number } | null = null;
  return {
    failed(error) {
      const nowMs = now();
      outage ??= { sinceMs: nowMs, lineMs: nowMs, pauseMs: FIRST_LINE_MS, tries: 0 };
      outage.tries += 1;
      const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      if (!told.has(reason) && told.size < STACKS_MAX) {
        told.add(reason);
        outage.lineMs = nowMs;
        log.error(error instanceof Error ? { err: error } : { reason }, texts.failing);
        return;
      }
      if (nowMs - outage.lineMs < outage.pauseMs) return;
      outage.lineMs = nowMs;
      outage.pauseMs = Math.min(outage.pauseMs * 2, LONGEST_MS);
      log.warn({ ...lengthOf(outage, nowMs), reason }, texts.failing);
    },
    worked() {
      if (outage === null) return;
      log.info(lengthOf(outage, now()), texts.working);
      outage = null;
      told.clear();
    },
  };
}

function lengthOf({ sinceMs, tries }: { sinceMs: number; tries: number }, nowMs: number) {
  return { seconds: Math.round((nowMs - sinceMs) / 1000), tries };
}
