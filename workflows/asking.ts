import { CancellationScope, condition, isCancellation, patched } from '@temporalio/workflow';
import { questionsWithin, scheduleAt, scheduleFrom } from '../domain/policy.ts';
import type { Desk } from './desk.ts';
import type { UnclearNotes } from './unclear.ts';

/**
 * One who asks the provider about a payment or refund, and takes messages meanwhile. The schedule
 * counts from question to question: a message that settles nothing neither brings the next question
 * forward nor puts it off.
 */
export type Asker = {
  readonly inbox: Pick<Desk, 'hasNews' | 'newsWithin'>;
  handleMessages(): Promise<void>;
  /** What concluded nothing, and may ask for the next question at once. */
  readonly unclear: Pick<UnclearNotes, 'isAskDue' | 'takeAsk'>;
  /** Goes on in a new run where this one has become long. */
  renew(): Promise<void>;
  /** Whether an answer is still wanted. */
  isWanted(): boolean;
};

/**
 * Waits, and handles messages meanwhile: the whole time, or until one of them asks for the next
 * question at once. True when an answer is still wanted.
 */
export async function waitWhileWanted(
  asker: Asker,
  waitMs: number,
  summary: string,
): Promise<boolean> {
  if (!asker.isWanted()) return false;
  const until = Date.now() + waitMs;
  for (let leftMs = waitMs; !asker.unclear.takeAsk() && leftMs > 0; leftMs = until - Date.now()) {
    await asker.renew();
    if (!(await asker.inbox.newsWithin(leftMs, summary))) break;
    await asker.handleMessages();
    if (!asker.isWanted()) return false;
  }
  return asker.isWanted();
}

/** Waits without a question, for messages alone, until its time is over. */
export async function waitUntil(
  asker: Asker,
  untilMs: () => number,
  summary: string,
): Promise<void> {
  while (asker.isWanted() && untilMs() > Date.now()) {
    await waitWhileWanted(asker, untilMs() - Date.now(), summary);
  }
}

/**
 * Runs one question and handles messages meanwhile. The question goes on, at its own pace, until it
 * is answered or no longer wanted, or until a message asks for a new one at once.
 * @returns undefined when no answer to this question is wanted any more.
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
    if (first !== undefined && asker.isWanted()) return first;
    if (!asker.isWanted() || asker.unclear.isAskDue()) {
      scope.cancel();
      return undefined;
    }
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
  untilMs: () => number,
  ask: Ask<T>,
  apply: (answer: T) => Promise<void>,
): Promise<boolean> {
  let [asked, pauseMs] = [0, 0];
  while (asker.isWanted() && untilMs() > Date.now()) {
    const restMs = Math.min(pauseMs, untilMs() - Date.now());
    const isAsked = await waitWhileWanted(asker, restMs, 'pause before the next question');
    const windowMs = untilMs() - Date.now();
    if (!isAsked || windowMs <= 0) continue;
    const begunMs = Date.now();
    const everyMs = scheduleFrom(schedule, asked);
    const answer = await askWhileWanted(asker, () => ask(everyMs, windowMs));
    if (answer === null) return false;
    if (answer !== undefined) {
      await apply(answer);
      // What this answer left unclear is asked about at the pace.
      asker.unclear.takeAsk();
    }
    if (asker.inbox.hasNews()) await asker.handleMessages();
    asked += questionsWithin(everyMs, Date.now() - begunMs);
    pauseMs = scheduleAt(schedule, asked - 1);
  }
  return true;
}
