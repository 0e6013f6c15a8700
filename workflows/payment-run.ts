import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import { capturedMinor } from '../domain/capture.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { Continued, PaymentInput, ReviewReason } from '../domain/payment.ts';
import {
  attemptKey,
  NOTE_ONLY,
  type RecordRequest,
  type RecordResult,
} from '../domain/payment-record.ts';
import type { PaymentStatus } from '../domain/payment-states.ts';
import { scheduleAt, withoutReattempts } from '../domain/policy.ts';
import { reasonAfter } from '../domain/review.ts';
import { record, recordReattempt, restorePayment } from './activities.ts';
import { type Inbox, WAITING_FOR, waitOffThePath } from './messages.ts';
import {
  detailsOf,
  openKeys,
  openRunCount,
  openUnclearNotes,
  type RunCount,
  type UnclearNotes,
  untilRecorded,
} from './run.ts';

export type Entry = Pick<RecordRequest, 'key' | 'action' | 'cause'> &
  Partial<Omit<RecordRequest, 'paymentId' | 'attemptId'>>;
type Step = Omit<RecordRequest, 'paymentId' | 'attemptId'>;

/**
 * One run of a payment's workflow: what it knows, and how it records. Every change of the payment
 * goes through {@link record} or {@link openAttempt}.
 */
export class PaymentRun {
  /** As it was started, with the row, the attempt and the route that hold now. */
  input: PaymentInput;
  readonly inbox: Inbox;
  readonly count: RunCount;
  /** True for a run of a payment that had one before: it never sends a charge. */
  readonly isReopened: boolean;
  /** Whether nobody can tell what the runs before this one did. */
  readonly hasLostHistory: boolean;
  /** Set where a run that had become long goes on in this one. */
  readonly continued: Continued | null;
  status: PaymentStatus;
  /** Why it is in review; null when it is not. */
  reviewReason: ReviewReason | null;
  providerPaymentId: string | null;
  /** Its ids of the attempts before. */
  readonly earlierProviderIds: Set<string>;
  /** What a success took, in this run; null while there is none. */
  capturedMinor: number | null = null;
  /** What came and concluded nothing, as far as it asks for more than patience. */
  readonly unclear: UnclearNotes = openUnclearNotes();
  /** The texts of messages without a consequence so far: the same again gets no entry. */
  readonly noted = new Set<string>();
  /** The key, numbered where it was used before: a status may come again, a key may not. */
  readonly numbered: (key: string) => string;
  /** Which of our keys a capture or cancel goes by; another one only after a proof. */
  readonly ordinals: Record<'capture' | 'cancel', number>;
  /** A callback's success that the provider is asked about; `apply` is set once that is done. */
  confirmation: { apply: (() => Promise<void>) | null } | null = null;
  /** Whether a charge is on its way to the provider; while it is, nothing can be canceled. */
  isSending = false;
  /** Whether the first caller may have the payment's state. */
  isAnswerable: boolean;
  /** Whether an operator paused the payment: nothing is sent, nobody is asked. */
  isPaused: boolean;
  /** Why it was paused, in the operator's words; null when that is not known. */
  pausedFor: string | null = null;
  /** When an operator last had the provider asked; null for never. */
  lookedUpMs: number | null = null;
  /** After which pause the current attempt is to be sent; null when that was done. */
  sendAfterMs: number | null;
  /** So many sends of the current attempt are proven to have done nothing. */
  provenUnsent = 0;
  /** Whether this run sent the charge, or may have, whatever the row remembers. */
  mayBeSent: boolean;
  /**
   * Since when the provider may have the charge, by this run's knowledge; null while it has not.
   */
  sentSinceMs: number | null;
  /** What the Web UI's list says that the payment waits for, off the ordinary path. */
  #shownWait: string | null;
  #waitUntilMs: number | null = null;

  /** To be called before the workflow's first await: it takes messages from then on. */
  constructor(started: PaymentInput, openInbox: (run: PaymentRun) => Inbox) {
    const { standing } = started;
    this.continued = standing?.continued ?? null;
    this.isReopened = standing !== undefined;
    this.hasLostHistory = this.isReopened && this.continued?.wasReopened !== false;
    this.input = this.isReopened
      ? { ...started, policy: withoutReattempts(started.policy) }
      : started;
    this.status = standing?.status ?? 'created';
    this.reviewReason = standing?.reviewReason ?? null;
    this.providerPaymentId = standing?.providerPaymentId ?? null;
    this.earlierProviderIds = new Set(standing?.earlierProviderIds);
    this.isPaused = standing?.isPaused ?? false;
    this.isAnswerable = this.isReopened;
    this.numbered = openKeys(this.isReopened);
    this.ordinals = { ...(this.continued?.ordinals ?? { capture: 1, cancel: 1 }) };
    this.sendAfterMs = this.isReopened ? null : 0;
    this.mayBeSent = this.isReopened;
    this.sentSinceMs = this.isReopened ? Date.now() : null;
    this.#followWait(standing?.leftMs ?? null);
    this.#shownWait = this.continued === null ? null : this.#waitOffThePath();
    this.count = openRunCount(started.limits);
    this.inbox = openInbox(this);
  }

  /** True when the provider has the charge, or may have it. */
  get mayBeAtProvider(): boolean {
    return this.sentSinceMs !== null;
  }

  /** @param mayBeSent false where no run reported that it claimed the send: the row decides. */
  markSent(mayBeSent = true): void {
    this.sentSinceMs ??= Date.now();
    this.mayBeSent = mayBeSent;
    this.sendAfterMs = null;
  }

  /** Whose charge the provider speaks of by this id: the attempt's, an earlier one's, nobody's. */
  ownerOf(providerPaymentId: string | null): 'current' | 'earlier' | 'unknown' {
    if (providerPaymentId !== null && this.earlierProviderIds.has(providerPaymentId)) {
      return 'earlier';
    }
    const own = this.providerPaymentId;
    const isOwn = providerPaymentId === null || own === null || providerPaymentId === own;
    return isOwn ? 'current' : 'unknown';
  }

  /** What is left of the wait that was last recorded, a pause aside; null when it had no end. */
  waitLeftMs(): number | null {
    return this.#waitUntilMs === null ? null : Math.max(this.#waitUntilMs - Date.now(), 0);
  }

  /** Records one step, with the change of status that goes with it. */
  async record(entry: Entry): Promise<RecordResult> {
    const step = this.#stepOf(entry);
    this.providerPaymentId ??= step.providerPaymentId ?? step.outcome?.providerPaymentId ?? null;
    const result = await untilRecorded(
      () => record({ ...step, ...this.#placeOf(entry.key) }),
      () => this.#restore(),
    );
    this.status = result.status;
    if (result.mayBeAtProvider === true) return result;
    this.#followStep(step);
    this.reviewReason = reasonAfter(
      result.status,
      result.reviewReason ?? step.reviewReason,
      this.reviewReason,
    );
    if (result.changed && result.status === 'succeeded') {
      this.capturedMinor = capturedMinor(this.input.amountMinor, step.outcome);
    }
    if (step.isWithoutAuditEntry !== true) this.#show(step);
    return result;
  }

  /** Ends the current attempt and opens the next one, which is then due. */
  async openAttempt(entry: Entry & { readonly outcome: Outcome }): Promise<void> {
    const step = this.#stepOf(entry);
    const { fallbacks, attemptOrdinal } = this.input;
    const { provider, credentialsRef, policy, can } = fallbacks[attemptOrdinal - 1] ?? this.input;
    const route = { provider, credentialsRef, policy };
    const opened = await untilRecorded(
      () => recordReattempt({ ...step, ...this.#placeOf(entry.key), route }),
      () => this.#restore(),
    );
    this.status = opened.status;
    this.sendAfterMs = opened.isOpened ? (step.waitMs ?? 0) : null;
    if (opened.mayBeAtProvider === true) this.markSent();
    if (!opened.isOpened) return;
    this.#followStep(step);
    const formerId = this.providerPaymentId ?? entry.outcome.providerPaymentId;
    if (formerId !== null) this.earlierProviderIds.add(formerId);
    this.providerPaymentId = null;
    this.unclear.forget();
    const { attemptId } = opened;
    const ordinal = attemptOrdinal + 1;
    this.input = { ...this.input, ...route, can, attemptId, attemptOrdinal: ordinal };
    this.sentSinceMs = null;
    this.mayBeSent = false;
    this.provenUnsent = 0;
    this.#show(step);
  }

  /** Has a person look: nobody can tell how the payment ended, or what is true of it. */
  async sendToReview(entry: Pick<Entry, 'key' | 'cause'> & Partial<Entry>): Promise<RecordResult> {
    return await this.record({
      action: 'payment.review_needed',
      event: 'gave_up',
      reviewReason: this.hasLostHistory ? 'history_lost' : 'no_answer',
      waitingFor: 'review',
      waitMs: scheduleAt(this.input.policy.review.poll_interval_ms, 0),
      ...entry,
    });
  }

  /** Who gives up without an outcome of its own does not say that nothing was sent. */
  #stepOf(entry: Entry): Step {
    const mayBeAtProvider = this.mayBeSent || (entry.outcome ?? null) === null;
    return { ...NOTE_ONLY, mayBeAtProvider, ...entry };
  }

  /** Taken anew for each try, since the row may be another one by then. */
  #placeOf(key: string) {
    const { paymentId, attemptId, attemptOrdinal } = this.input;
    return { paymentId, attemptId, key: attemptKey(attemptOrdinal, key) };
  }

  /** Where its row is gone, the run goes on with the one that it finds or builds (ADR 0016). */
  async #restore(): Promise<boolean> {
    const { paymentId, attemptId, attemptOrdinal, merchantId, workflowId } = this.input;
    const { provider, credentialsRef, policy, amountMinor, currency, captureMethod } = this.input;
    const ids = { paymentId, attemptId, attemptOrdinal, merchantId, workflowId };
    const { providerPaymentId } = this;
    const route = { provider, credentialsRef, policy, providerPaymentId };
    const found = await restorePayment({ ...ids, ...route, amountMinor, currency, captureMethod });
    if (found === null) return false;
    this.input = { ...this.input, paymentId: found.paymentId, attemptId: found.attemptId };
    return true;
  }

  /** A note without a wait changes none, and a pause only holds one up. */
  #followStep({ event, waitingFor, waitMs }: Step): void {
    const isKept = waitingFor === 'resume' || (event === null && waitingFor === null);
    if (!isKept) this.#followWait(waitMs);
  }

  #followWait(leftMs: number | null): void {
    this.#waitUntilMs = leftMs === null ? null : Date.now() + leftMs;
  }

  /** In the Web UI: at the head of the workflow's page, and in its lists. */
  #show(step: Step): void {
    setCurrentDetails(detailsOf(this.status, step));
    const wait = this.#waitOffThePath();
    if (wait === this.#shownWait) return;
    this.#shownWait = wait;
    upsertSearchAttributes([{ key: WAITING_FOR, value: wait }]);
  }

  #waitOffThePath(): string | null {
    return this.isPaused ? 'resume' : waitOffThePath(this.status, this.reviewReason);
  }
}
