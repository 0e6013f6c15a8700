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
import { openRow } from './row.ts';

export type Entry = Pick<RecordRequest, 'key' | 'action' | 'cause'> &
  Partial<Omit<RecordRequest, 'paymentId' | 'attemptId'>>;

type Step = Omit<RecordRequest, 'paymentId' | 'attemptId'>;

/** What the workflow knows of its payment, and its pen: every change goes through it. */
export type Book = {
  status(): PaymentStatus;
  /** Of its row; another one than it was started for, where that one is gone. */
  paymentId(): string;
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
  /** What a success took, in this run; null while there is none. */
  takenMinor(): number | null;
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
  const ids = openIds(input);
  const wait = openWait();
  let taken: number | null = null;
  const send = openSend(status === 'created');
  const row = openRow(input, ids.current);
  return {
    status: () => current,
    paymentId: row.paymentId,
    attemptId: () => row.attempt().id,
    route: () => row.attempt().route,
    attemptOrdinal: () => row.attempt().ordinal,
    providerPaymentId: ids.current,
    reviewReason: () => reviewReason,
    ownerOf: ids.ownerOf,
    takenMinor: () => taken,
    numbered: openNumbers(),
    ordinals: { capture: 1, cancel: 1 },
    isOut: send.isOut,
    mayBeSent: send.mayBeSent,
    setOut: send.setOut,
    sendAfterMs: send.afterMs,
    waitLeftMs: wait.leftMs,
    async write(entry) {
      const request = stepOf(entry, send.mayBeSent());
      ids.learn(request.providerPaymentId ?? request.outcome?.providerPaymentId ?? null);
      const result = await row.write((of) => record({ ...request, ...of(entry.key) }));
      current = result.status;
      wait.follow(request);
      const told = result.reviewReason ?? request.reviewReason;
      reviewReason = reasonAfter(current, told, reviewReason);
      taken = takenBy(input, request, result) ?? taken;
      if (request.isSilent !== true) setCurrentDetails(describe(current, request));
      return result;
    },
    async openAttempt(entry) {
      const request = stepOf(entry, send.mayBeSent());
      const route = nextRoute(input, row.attempt());
      const opened = await row.write((of) =>
        recordReattempt({ ...request, ...of(entry.key), route }),
      );
      // Results of earlier versions hold the id alone.
      current = opened.status ?? current;
      send.plan(opened.isOpened === false ? null : (request.waitMs ?? 0));
      if (opened.isOpened === false) return;
      wait.follow(request);
      ids.learn(entry.outcome.providerPaymentId);
      ids.leave();
      row.openAttempt(opened.attemptId, route);
      send.setOut(false);
      setCurrentDetails(describe(current, request));
    },
  };
}

/** Who gives up without an outcome of its own does not say that nothing was sent. */
function stepOf(entry: Entry, mayBeSent: boolean): Step {
  const mayBeAtProvider = mayBeSent || (entry.outcome ?? null) === null;
  return { ...BLANK, mayBeAtProvider, ...entry };
}

function takenBy({ amountMinor }: PaymentInput, { outcome }: Step, to: RecordResult) {
  return to.changed && to.status === 'succeeded' ? takenMinor(amountMinor, outcome) : null;
}

/** Where the attempt after this one goes. */
function nextRoute({ fallbacks }: PaymentInput, attempt: { ordinal: number; route: Route }): Route {
  const { provider, credentialsRef, policy, can } =
    fallbacks?.[attempt.ordinal - 1] ?? attempt.route;
  return { provider, credentialsRef, policy, ...(can ? { can } : {}) };
}

/** How far the current attempt is on its way. @param isDue whether it is to be sent now. */
function openSend(isDue: boolean) {
  let isOut = false;
  let mayBeSent = false;
  let afterMs: number | null = isDue ? 0 : null;
  return {
    isOut: () => isOut,
    mayBeSent: () => mayBeSent,
    afterMs: () => afterMs,
    plan(ms: number | null) {
      afterMs = ms;
    },
    setOut: (out: boolean, sent = out) => {
      isOut = out;
      mayBeSent = sent;
      if (out) afterMs = null;
    },
  };
}

/** The provider's ids of the current attempt and of those before. */
function openIds({ standing }: PaymentInput) {
  let current = standing?.providerPaymentId ?? null;
  const earlier = new Set(standing?.earlierProviderIds);
  return {
    current: () => current,
    ownerOf: (id: string | null) => {
      if (id !== null && earlier.has(id)) return 'earlier';
      return id === null || current === null || id === current ? 'current' : 'unknown';
    },
    learn(id: string | null) {
      current ??= id;
    },
    leave() {
      if (current !== null) earlier.add(current);
      current = null;
    },
  };
}

/** Until when the payment said that it waits. */
function openWait() {
  let untilMs: number | null = null;
  return {
    leftMs: () => (untilMs === null ? null : Math.max(untilMs - Date.now(), 0)),
    /** A note without a wait changes none, and a pause only holds one up. */
    follow({ event, waitingFor, waitMs }: Step) {
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
function describe(status: PaymentStatus, { cause, waitingFor, waitMs }: Step): string {
  const waits = waitingFor === null ? '' : `\n\nWaits for: ${waitingFor}`;
  const until = waitMs === null ? '' : `, ${Math.round(waitMs / 1000)} s at most`;
  return `**${status}** — ${cause}${waits}${until}`;
}
