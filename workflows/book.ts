import { setCurrentDetails } from '@temporalio/workflow';
import { takenMinor } from '../domain/capture.ts';
import type { Outcome } from '../domain/outcome.ts';
import type {
  PaymentInput,
  RecordRequest,
  RecordResult,
  ReviewReason,
  Route,
} from '../domain/payment.ts';
import type { PaymentStatus } from '../domain/payment-states.ts';
import { reasonAfter } from '../domain/review.ts';
import { record, recordReattempt } from './proxies.ts';
import { openUnclearNotes, type UnclearNotes } from './unclear.ts';

export type Entry = Pick<RecordRequest, 'key' | 'action' | 'cause'> &
  Partial<Omit<RecordRequest, 'paymentId' | 'attemptId'>>;

/** What the workflow knows of its payment, and its pen: every change goes through it. */
export type Book = {
  status(): PaymentStatus;
  attemptId(): string;
  /** Who takes the current attempt. */
  route(): Route;
  /** From 1. */
  attemptOrdinal(): number;
  providerPaymentId(): string | null;
  /** Why it is in review; null when it is not, or when that is not known. */
  reviewReason(): ReviewReason | null;
  /** Whose charge the provider speaks of by this id: the attempt's, an earlier one's, nobody's. */
  ownerOf(providerPaymentId: string | null): 'current' | 'earlier' | 'unknown';
  /** What came and concluded nothing, as far as it asks for more than patience. */
  readonly unclear: UnclearNotes;
  /** What a success took, in this run; null while there is none. */
  takenMinor(): number | null;
  /** The key, numbered from the second time on: a status may come again, a key may not. */
  numbered(key: string): string;
  /** Which of our keys a capture or cancel goes by; another one only after a proof. */
  readonly ordinals: Record<'capture' | 'cancel', number>;
  /** True when the provider has the charge, or may have it. */
  isOut(): boolean;
  setOut(isOut: boolean): void;
  /** After which pause the current attempt is to be sent; null when that was done. */
  sendAfterMs(): number | null;
  /** What is left of the wait that it last told of, a pause aside; null when that had no end. */
  waitLeftMs(): number | null;
  write(entry: Entry): Promise<RecordResult>;
  /** Ends the current attempt and opens the next one, which is then due. */
  openAttempt(entry: Entry & { readonly outcome: Outcome }): Promise<void>;
};

const BLANK = {
  actor: 'workflow',
  event: null,
  outcome: null,
  nextAction: null,
  providerPaymentId: null,
  reviewReason: null,
  waitingFor: null,
  waitMs: null,
  webhook: null,
} as const;

/** @param status where the payment stands when the workflow takes it up, and why in review. */
export function openBook(
  input: PaymentInput,
  status: PaymentStatus,
  review: ReviewReason | null = null,
): Book {
  let current = status;
  let reviewReason = review;
  let attempt: Attempt = { id: input.attemptId, ordinal: input.attemptOrdinal ?? 1, route: input };
  const ids = openIds(input);
  const wait = openWait();
  let taken: number | null = null;
  let out = false;
  let sendAfterMs: number | null = status === 'created' ? 0 : null;
  return {
    status: () => current,
    attemptId: () => attempt.id,
    route: () => attempt.route,
    attemptOrdinal: () => attempt.ordinal,
    reviewReason: () => reviewReason,
    ...ids.known,
    takenMinor: () => taken,
    numbered: openNumbers(),
    ordinals: { capture: 1, cancel: 1 },
    isOut: () => out,
    setOut(isOut) {
      out = isOut;
      if (isOut) sendAfterMs = null;
    },
    sendAfterMs: () => sendAfterMs,
    waitLeftMs: wait.leftMs,
    async write(entry) {
      const request = requestOf(input, attempt, entry);
      ids.learn(request.providerPaymentId ?? request.outcome?.providerPaymentId ?? null);
      const result = await record(request);
      current = result.status;
      wait.follow(request);
      const told = result.reviewReason ?? request.reviewReason;
      reviewReason = reasonAfter(current, told, reviewReason);
      taken = takenBy(input, request, result) ?? taken;
      if (request.isSilent !== true) setCurrentDetails(describe(current, request));
      return result;
    },
    async openAttempt(entry) {
      const request = requestOf(input, attempt, entry);
      const route = onlyRoute(input.fallbacks?.[attempt.ordinal - 1] ?? attempt.route);
      const opened = await recordReattempt({ ...request, route });
      // Results of earlier versions hold the id alone.
      current = opened.status ?? current;
      sendAfterMs = opened.isOpened === false ? null : (request.waitMs ?? 0);
      if (opened.isOpened === false) return;
      wait.follow(request);
      ids.learn(entry.outcome.providerPaymentId);
      ids.leave();
      attempt = { id: opened.attemptId, ordinal: attempt.ordinal + 1, route };
      out = false;
      setCurrentDetails(describe(current, request));
    },
  };
}

type Attempt = { readonly id: string; readonly ordinal: number; readonly route: Route };

/** The first attempt's entries have plain keys; each later attempt has its own. */
function requestOf({ paymentId }: PaymentInput, { id, ordinal }: Attempt, entry: Entry) {
  const key = ordinal === 1 ? entry.key : `${ordinal}/${entry.key}`;
  return { ...BLANK, ...entry, key, paymentId, attemptId: id } satisfies RecordRequest;
}

function takenBy({ amountMinor }: PaymentInput, { outcome }: RecordRequest, to: RecordResult) {
  return to.changed && to.status === 'succeeded' ? takenMinor(amountMinor, outcome) : null;
}

function onlyRoute({ provider, credentialsRef, policy, can }: Route): Route {
  return { provider, credentialsRef, policy, ...(can ? { can } : {}) };
}

/** The provider's ids of the current attempt and of those before, and its unclear words of it. */
function openIds({ standing }: PaymentInput) {
  let current = standing?.providerPaymentId ?? null;
  const earlier = new Set(standing?.earlierProviderIds);
  const unclear = openUnclearNotes();
  const ownerOf: Book['ownerOf'] = (id) => {
    if (id !== null && earlier.has(id)) return 'earlier';
    return id === null || current === null || id === current ? 'current' : 'unknown';
  };
  return {
    known: { providerPaymentId: () => current, ownerOf, unclear },
    learn(id: string | null) {
      current ??= id;
    },
    leave() {
      if (current !== null) earlier.add(current);
      current = null;
      unclear.forget();
    },
  };
}

/** Until when the payment said that it waits. */
function openWait() {
  let untilMs: number | null = null;
  return {
    leftMs: () => (untilMs === null ? null : Math.max(untilMs - Date.now(), 0)),
    /** A note without a wait changes none, and a pause only holds one up. */
    follow({ event, waitingFor, waitMs }: RecordRequest) {
      const isKept = waitingFor === 'resume' || (event === null && waitingFor === null);
      if (!isKept) untilMs = waitMs === null ? null : Date.now() + waitMs;
    },
  };
}

/** Numbers what was named before. */
function openNumbers() {
  const counts = new Map<string, number>();
  return (key: string) => {
    const nth = (counts.get(key) ?? 0) + 1;
    counts.set(key, nth);
    return nth === 1 ? key : `${key}/${nth}`;
  };
}

/** Shown at the head of the workflow's page in the Web UI. */
function describe(status: PaymentStatus, { cause, waitingFor, waitMs }: RecordRequest): string {
  const waits = waitingFor === null ? '' : `\n\nWaits for: ${waitingFor}`;
  const until = waitMs === null ? '' : `, ${Math.round(waitMs / 1000)} s at most`;
  return `**${status}** — ${cause}${waits}${until}`;
}
