import type { Inconclusive, LookupResult, Unclear } from '../domain/outcome.ts';

/** What a payment or refund makes of words that conclude nothing and ask for more than patience. */
export type UnclearNotes = {
  /**
   * Takes note of a callback or an answer. False for one that brings no further question: a sender
   * of rubbish must not set our pace.
   */
  note(told: { readonly message: string; readonly unclear?: Unclear }): boolean;
  /** Whether the provider is to be asked now rather than at the policy's pace. */
  isAskDue(): boolean;
  /** The same, and true once for each note: to be called by who then asks. */
  takeAsk(): boolean;
  /** True once after the provider named a result that nobody knows: a person looks soon. */
  takeResult(): boolean;
  /** Why a person has to look: the provider's words for that result, else `plain`. */
  causeOr(plain: string): string;
  /** Forgets all of it: another attempt begins. */
  forget(): void;
};

/** So many callbacks in one run bring a question forward. */
const ASKS_MAX = 3;

export function openUnclearNotes(): UnclearNotes {
  let noted = 0;
  let isDue = false;
  let isResult = false;
  let words: string | null = null;
  return {
    note({ message, unclear }) {
      if (unclear === undefined) return true;
      if (unclear === 'unknown_result') {
        isResult = true;
        words = message;
      }
      noted += 1;
      isDue ||= noted <= ASKS_MAX;
      return noted <= ASKS_MAX;
    },
    isAskDue: () => isDue,
    takeAsk() {
      const wasDue = isDue;
      isDue = false;
      return wasDue;
    },
    takeResult() {
      const wasResult = isResult;
      isResult = false;
      return wasResult;
    },
    causeOr: (plain) =>
      words === null ? plain : `the provider named a result that is not known here: ${words}`,
    forget() {
      isDue = false;
      isResult = false;
      words = null;
    },
  };
}

type Limits = {
  readonly lookup: { readonly timeout_ms: number; readonly every_ms: readonly number[] };
};

/** What is left of a wait: after a result that nobody knows, the time of one question or two. */
export function shortenWait(untilMs: number, notes: UnclearNotes, { lookup }: Limits): number {
  return notes.takeResult() ? Math.min(untilMs, Date.now() + lookup.timeout_ms * 2) : untilMs;
}

/** When a wait of so long is over; a result that nobody knows shortens it. */
export function deadlineOf(waitMs: number, notes: UnclearNotes, limits: Limits): () => number {
  let untilMs = Date.now() + waitMs;
  return () => {
    untilMs = shortenWait(untilMs, notes, limits);
    return untilMs;
  };
}

/** True for an answer that would be given again if it were asked for at once. */
export function isUnknownResult(answer: LookupResult | null | undefined): answer is Inconclusive {
  return answer?.kind === 'unknown' && answer.unclear === 'unknown_result';
}
