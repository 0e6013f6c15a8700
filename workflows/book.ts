import { setCurrentDetails } from '@temporalio/workflow';
import { takenMinor } from '../domain/capture.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { PaymentInput, ReviewReason, Route } from '../domain/payment.ts';
import type { RecordRequest, RecordResult } from '../domain/payment-record.ts';
import type { PaymentStatus } from '../domain/payment-states.ts';
import { reasonAfter } from '../domain/review.ts';
import { record, recordReattempt } from './proxies.ts';
import { openRow } from './row.ts';
import { openIds, openMemory, openSends, openWait } from './run-memory.ts';
import type { UnclearNotes } from './unclear.ts';

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
  let taken: number | null = null;
  const ids = openIds(input);
  const row = openRow(input, ids.known.providerPaymentId);
  const wait = openWait(input);
  const sends = openSends(status);
  return {
    status: () => current,
    paymentId: row.paymentId,
    attemptId: () => row.attempt().id,
    route: () => row.attempt().route,
    attemptOrdinal: () => row.attempt().ordinal,
    reviewReason: () => reviewReason,
    takenMinor: () => taken,
    waitLeftMs: wait.leftMs,
    ...ids.known,
    ...sends.known,
    ...openMemory(),
    async write(entry) {
      const request = stepOf(entry, sends.known.mayBeSent());
      ids.learn(request.providerPaymentId ?? request.outcome?.providerPaymentId ?? null);
      const result = await row.write((of) => record({ ...request, ...of(entry.key) }));
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
      const request = stepOf(entry, sends.known.mayBeSent());
      const route = nextRoute(input, row.attempt());
      const opened = await row.write((of) =>
        recordReattempt({ ...request, ...of(entry.key), route }),
      );
      // Results of earlier versions hold the id alone.
      current = opened.status ?? current;
      sends.plan(opened.isOpened === false ? null : (request.waitMs ?? 0));
      if (opened.mayBeAtProvider === true) sends.known.setOut(true);
      if (opened.isOpened === false) return;
      wait.follow(request);
      ids.learn(entry.outcome.providerPaymentId);
      ids.leave();
      row.openAttempt(opened.attemptId, route);
      sends.begin();
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

/** Shown at the head of the workflow's page in the Web UI. */
function describe(status: PaymentStatus, { cause, waitingFor, waitMs }: Step): string {
  const waits = waitingFor === null ? '' : `\n\nWaits for: ${waitingFor}`;
  const until = waitMs === null ? '' : `, ${Math.round(waitMs / 1000)} s at most`;
  return `**${status}** — ${cause}${waits}${until}`;
}
