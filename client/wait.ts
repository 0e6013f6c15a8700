import { setTimeout as sleep } from 'node:timers/promises';
import type { RequestOptions } from './send.ts';

export type WaitOptions = RequestOptions & {
  /** Default: two minutes. */
  readonly timeoutMs?: number;
  /** Between two looks; default: a second. */
  readonly pollIntervalMs?: number;
};

/** Looks until `isWaiting` says no or time is over. @returns what was seen last. */
export async function waitWhile<T>(
  look: () => Promise<T>,
  isWaiting: (seen: T) => boolean,
  { timeoutMs = 120_000, pollIntervalMs = 1_000, signal }: WaitOptions,
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    const leftMs = endMs - performance.now();
    if (!isWaiting(seen) || leftMs <= 0) return seen;
    // When the caller gives up meanwhile, the next look says so.
    await sleep(Math.min(pollIntervalMs, leftMs), undefined, { signal }).catch(() => undefined);
  }
}
