import {
  allHandlersFinished,
  condition,
  setCurrentDetails,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { Inconclusive, LookupResult, Unclear } from '../domain/outcome.ts';
import { scheduleAt } from '../domain/policy.ts';
import { RUN_LIMITS, type RunLimits } from '../domain/run-limits.ts';
import type { Missing } from './activities.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Until a row that cannot be brought back is looked for again; the last one repeats. */
const LOOKS_AGAIN_MS = [MINUTE_MS, 10 * MINUTE_MS, HOUR_MS];
const HANDLERS_MS = 1_000;
/** When to ask again what is refused because the run is long. */
const LONG_RETRY_MS = MINUTE_MS;
/** So many callbacks in one run bring a question forward. */
const ASKS_MAX = 3;

/**
 * Makes keys unique in the trail. The first run of a payment numbers a key from its second use on;
 * a run that was reopened puts its own id before it, since the runs before it used the same keys.
 */
export function openKeys(isReopened: boolean): (key: string) => string {
  const counts = new Map<string, number>();
  const prefix = isReopened ? `reopened/${workflowInfo().runId}/` : '';
  return (key) => {
    const nth = (counts.get(key) ?? 0) + 1;
    counts.set(key, nth);
    return nth === 1 ? `${prefix}${key}` : `${prefix}${key}/${nth}`;
  };
}

/** Shown at the head of a workflow's page in the Web UI. */
export function detailsOf(
  status: string,
  step: {
    readonly cause: string;
    readonly waitingFor: string | null;
    readonly waitMs: number | null;
  },
): string {
  const { cause, waitingFor, waitMs } = step;
  const waits = waitingFor === null ? '' : `\n\nWaits for: ${waitingFor}`;
  const until = waitMs === null ? '' : `, ${Math.round(waitMs / 1000)} s at most`;
  return `**${status}** — ${cause}${waits}${until}`;
}

/**
 * Records, and brings the row back first where it is gone. Where that cannot be done yet the run
 * waits in sight, with all its messages, and nothing that it knows is lost.
 * @param restore true when there is a row again.
 */
export async function untilRecorded<R>(
  record: () => Promise<R | Missing>,
  restore: () => Promise<boolean>,
): Promise<R> {
  for (let round = 0; ; round += 1) {
    const recorded = await record();
    if (recorded !== 'missing') return recorded;
    if (round === 0 && (await restore())) continue;
    setCurrentDetails(
      '**Its row is gone from the database**, which was put back to an earlier time: see docs/runbook.md. Nothing is lost here; it goes on once its row or its merchant is back.',
    );
    await sleep(scheduleAt(LOOKS_AGAIN_MS, round), { summary: 'its row is gone' });
    await restore();
  }
}

/** Why a run was reopened, for the trail. */
export function reopenedCause(lostHistory: string | null): string {
  const why =
    lostHistory === null
      ? 'its workflow had ended before it'
      : `${lostHistory}: the database lost what was written`;
  return `${why}; it is asked about, and not sent again`;
}

const MESSAGE_WAIT_MS = MINUTE_MS;

/** What has ended is reopened by a message, which comes with the start. */
export async function untilReopened(
  isOpen: boolean,
  { hasMessages }: { readonly hasMessages: () => boolean },
): Promise<void> {
  if (!isOpen && !hasMessages()) await condition(hasMessages, MESSAGE_WAIT_MS);
}

/** Counts what a run was sent, and tells when it should go on as a new one. */
export type RunCount = {
  readonly update: () => void;
  readonly signal: () => void;
  readonly verify: () => void;
  /** How long a verify has to wait; 0: it may be made now. */
  readonly verifyWaitMs: () => number;
  readonly isLong: () => boolean;
};

export function openRunCount(limits: RunLimits = RUN_LIMITS): RunCount {
  let [updates, signals] = [0, 0];
  const verifiedAt: number[] = [];
  const isLong = () => {
    const { continueAsNewSuggested, historyLength } = workflowInfo();
    const isFull = updates >= limits.updates || signals >= limits.signals;
    return isFull || historyLength >= limits.events || continueAsNewSuggested;
  };
  return {
    update: () => {
      updates += 1;
    },
    signal: () => {
      signals += 1;
    },
    verify: () => {
      verifiedAt.push(Date.now());
      if (verifiedAt.length > limits.verifiesPerHour) verifiedAt.shift();
    },
    verifyWaitMs: () => {
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
export async function mayContinueAsNew(
  count: RunCount,
  hasMessages: () => boolean,
): Promise<boolean> {
  if (!count.isLong() || hasMessages()) return false;
  // Those whose answer is there finish by themselves; a decision that closed nothing does not.
  if (!allHandlersFinished()) await condition(allHandlersFinished, HANDLERS_MS);
  return allHandlersFinished() && !hasMessages();
}

/**
 * What a run makes of callbacks and answers that conclude nothing and ask for more than patience.
 */
export type UnclearNotes = {
  /**
   * Takes note of a callback or an answer. False for one that brings no further question: a sender
   * of rubbish must not set our pace.
   */
  note(event: { readonly message: string; readonly unclear?: Unclear }): boolean;
  /** Whether the provider is to be asked now rather than at the policy's pace. */
  isAskDue(): boolean;
  /** The same, and true once for each note: to be called by who then asks. */
  takeAsk(): boolean;
  /** True once after the provider named a result that nobody knows: a person looks soon. */
  takeResult(): boolean;
  /** Why a person has to look: the provider's text for that result, else `plain`. */
  causeOr(plain: string): string;
  /** Forgets all of it: another attempt begins. */
  forget(): void;
};

export function openUnclearNotes(): UnclearNotes {
  let noted = 0;
  let isDue = false;
  let isResult = false;
  let text: string | null = null;
  return {
    note({ message, unclear }) {
      if (unclear === undefined) return true;
      if (unclear === 'unknown_result') {
        isResult = true;
        text = message;
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
      text === null ? plain : `the provider named a result that is not known here: ${text}`,
    forget() {
      isDue = false;
      isResult = false;
      text = null;
    },
  };
}

type Limits = { readonly lookup: { readonly timeout_ms: number } };

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
