import { setTimeout as sleep } from 'node:timers/promises';

/** Gives a call to Temporal a deadline. */
export type Within = <T>(ms: number, call: () => Promise<T>) => Promise<T>;

/** The result of the work; where it takes longer, that of `otherwise`, and the work goes on. */
export async function endWithin<T>(
  ms: number,
  work: Promise<T>,
  otherwise: () => T | Promise<T>,
): Promise<T> {
  const ended = new AbortController();
  const over = sleep(ms, undefined, { signal: ended.signal });
  try {
    return await Promise.race([work, over.then(otherwise)]);
  } finally {
    ended.abort();
  }
}
