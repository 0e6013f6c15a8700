import { CancellationScope, condition, isCancellation, patched } from '@temporalio/workflow';
import { questionsWithin, scheduleAt, scheduleFrom } from '../domain/policy.ts';
import type { Book } from './book.ts';
import type { Desk } from './desk.ts';

/**
 * One who asks the provider about a payment or refund, and takes messages meanwhile. The schedule
 * counts from question to question: a message that settles nothing neither brings the next question
 * forward nor puts it off.
 */
export type Asker = {
  readonly inbox: Pick<Desk, 'hasNews' | 'newsWithin'>;
  handleMessages(): Promise<void>;
  /** Whether an answer is still wanted. */
  isWanted(): boolean;
};

/** Waits the whole time and handles messages meanwhile. True when an answer is still wanted. */
export async function waitWhileWanted(
  asker: Asker,
  waitMs: number,
  summary: string,
): Promise<boolean> {
  if (!asker.isWanted()) return false;
  const until = Date.now() + waitMs;
  for (let leftMs = waitMs; leftMs > 0; leftMs = until - Date.now()) {
    if (!(await asker.inbox.newsWithin(leftMs, summary))) break;
    await asker.handleMessages();
    if (!asker.isWanted()) return false;
  }
  return asker.isWanted();
}

/**
 * Runs one question and handles messages meanwhile. The question goes on, at its own pace, until it
 * is answered or no longer wanted.
 * @returns undefined when no answer is wanted any more.
 */
export async function askWhileWanted<T>(
  asker: Asker,
  ask: () => Promise<T>,
): Promise<T | undefined> {
  const { hasNews } = asker.inbox;
  const scope = new CancellationScope();
  const asking = scope.run(ask).catch((error: unknown) => {
    if (isCancellation(error)) return undefined;
    throw error;
  });
  for (;;) {
    const first = await Promise.race([asking, condition(hasNews).then(() => undefined)]);
    if (!hasNews()) return first;
    // Earlier versions canceled the question for any message, and began it anew.
    if (!patched('ask-on')) {
      scope.cancel();
      return first;
    }
    await asker.handleMessages();
    if (!asker.isWanted()) {
      scope.cancel();
      return undefined;
    }
    if (first !== undefined) return first;
  }
}

/** Asks with this schedule for so long; null when that time ended without an answer. */
type Ask<T> = (everyMs: readonly number[], windowMs: number) => Promise<T | null>;

/**
 * Asks until an answer settles it or the time is over. An answer that changes nothing is followed
 * by the pause of the schedule, like any other.
 * @returns false when the last question's time ended without an answer.
 */
export async function askAtPace<T>(
  asker: Asker,
  schedule: readonly number[],
  untilMs: number,
  ask: Ask<T>,
  apply: (answer: T) => Promise<void>,
): Promise<boolean> {
  let [asked, pauseMs] = [0, 0];
  while (asker.isWanted() && untilMs > Date.now()) {
    const restMs = Math.min(pauseMs, untilMs - Date.now());
    const isAsked = await waitWhileWanted(asker, restMs, 'pause before the next question');
    const windowMs = untilMs - Date.now();
    if (!isAsked || windowMs <= 0) continue;
    const begunMs = Date.now();
    const everyMs = scheduleFrom(schedule, asked);
    const answer = await askWhileWanted(asker, () => ask(everyMs, windowMs));
    if (answer === null) return false;
    if (answer !== undefined) await apply(answer);
    if (asker.inbox.hasNews()) await asker.handleMessages();
    asked += questionsWithin(everyMs, Date.now() - begunMs);
    pauseMs = scheduleAt(schedule, asked - 1);
  }
  return true;
}

/** By what the provider is asked about a payment's current attempt. */
export function askedOf(book: Pick<Book, 'attemptOrdinal' | 'providerPaymentId'>) {
  return {
    attemptOrdinal: book.attemptOrdinal(),
    providerPaymentId: book.providerPaymentId(),
  };
}
