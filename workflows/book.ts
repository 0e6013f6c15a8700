import { setCurrentDetails } from '@temporalio/workflow';
import { takenMinor } from '../domain/capture.ts';
import type { Outcome } from '../domain/outcome.ts';
import type {
  PaymentInput,
  RecordRequest,
  RecordResult,
  RecoveryInput,
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
  /** Its ids of the attempts before. */
  earlierProviderIds(): readonly string[];
  /** Whose charge the provider speaks of by this id: the attempt's, an earlier one's, nobody's. */
  ownerOf(providerPaymentId: string | null): 'current' | 'earlier' | 'unknown';
  /** What came and concluded nothing, as far as it asks for more than patience. */
  readonly unclear: UnclearNotes;
  /** What a success took, in this run; null while there is none. */
  takenMinor(): number | null;
  /** What messages without a consequence said so far: the same again gets no entry. */
  readonly noted: Set<string>;
  /** The key, numbered from the second time on: a status may come again, a key may not. */
  numbered(key: string): string;
  /** Which of our keys a capture or cancel goes by; another one only after a proof. */
  readonly ordinals: Record<'capture' | 'cancel', number>;
  /** True when the provider has the charge, or may have it. */
  isOut(): boolean;
  /** @param mayBeSent false where no run told that it claimed the send: then the row decides. */
  setOut(isOut: boolean, mayBeSent?: boolean): void;
  /** True when this run sent the charge, or may have, whatever the row remembers. */
  mayBeSent(): boolean;
  /** So many sends of the current attempt are proven to have done nothing. */
  provenUnsent(): number;
  countUnsent(): void;
  /** Since when, by this run's knowledge; null while it is not. */
  outSinceMs(): number | null;
  /** A callback's success that the provider is asked about; `apply` is there once that is done. */
  confirmation: { apply: (() => Promise<void>) | null } | null;
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
  const wait = openWait(input);
  let taken: number | null = null;
  const sends = openSends(status);
  return {
    status: () => current,
    attemptId: () => attempt.id,
    route: () => attempt.route,
    attemptOrdinal: () => attempt.ordinal,
    ...ids.known,
    reviewReason: () => reviewReason,
    takenMinor: () => taken,
    ...openMemory(),
    isOut: sends.isOut,
    mayBeSent: sends.mayBeSent,
    setOut: sends.setOut,
    provenUnsent: sends.provenUnsent,
    countUnsent: sends.countUnsent,
    outSinceMs: sends.outSinceMs,
    sendAfterMs: sends.afterMs,
    waitLeftMs: wait.leftMs,
    async write(entry) {
      // Who gives up without an outcome of its own does not say that nothing was sent.
      const mayBeAtProvider = sends.mayBeSent() || (entry.outcome ?? null) === null;
      const request = requestOf(input, attempt, { mayBeAtProvider, ...entry });
      ids.learn(request.providerPaymentId ?? request.outcome?.providerPaymentId ?? null);
      const result = await record(request);
      current = result.status;
      if (result.mayBeAtProvider === true) return result;
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
      sends.plan(opened.isOpened === false ? null : (request.waitMs ?? 0));
      if (opened.mayBeAtProvider === true) sends.setOut(true);
      if (opened.isOpened === false) return;
      wait.follow(request);
      ids.learn(entry.outcome.providerPaymentId);
      ids.leave();
      attempt = { id: opened.attemptId, ordinal: attempt.ordinal + 1, route };
      sends.begin();
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

/** What is known of the current attempt's sends. */
function openSends(status: PaymentStatus) {
  let outSinceMs: number | null = null;
  let mayBeSent = false;
  let provenUnsent = 0;
  let afterMs: number | null = status === 'created' ? 0 : null;
  return {
    isOut: () => outSinceMs !== null,
    outSinceMs: () => outSinceMs,
    mayBeSent: () => mayBeSent,
    setOut(isOut: boolean, mayNowBeSent = isOut) {
      outSinceMs = isOut ? (outSinceMs ?? Date.now()) : null;
      mayBeSent = mayNowBeSent;
      if (isOut) afterMs = null;
    },
    provenUnsent: () => provenUnsent,
    countUnsent() {
      provenUnsent += 1;
    },
    afterMs: () => afterMs,
    plan(pauseMs: number | null) {
      afterMs = pauseMs;
    },
    /** Of the next attempt. */
    begin() {
      outSinceMs = null;
      mayBeSent = false;
      provenUnsent = 0;
    },
  };
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
    known: {
      providerPaymentId: () => current,
      earlierProviderIds: () => [...earlier],
      ownerOf,
      unclear,
    },
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
function openWait({ leftMs = null }: PaymentInput & Partial<Pick<RecoveryInput, 'leftMs'>>) {
  let untilMs = leftMs === null ? null : Date.now() + leftMs;
  return {
    leftMs: () => (untilMs === null ? null : Math.max(untilMs - Date.now(), 0)),
    /** A note without a wait changes none, and a pause only holds one up. */
    follow({ event, waitingFor, waitMs }: RecordRequest) {
      const isKept = waitingFor === 'resume' || (event === null && waitingFor === null);
      if (!isKept) untilMs = waitMs === null ? null : Date.now() + waitMs;
    },
  };
}

/** What a run remembers beside where its payment stands. */
function openMemory(): Pick<Book, 'confirmation' | 'noted' | 'numbered' | 'ordinals'> {
  const ordinals = { capture: 1, cancel: 1 };
  return { confirmation: null, noted: new Set(), numbered: openNumbers(), ordinals };
}

/** Numbers what was named before. */
export function openNumbers() {
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
