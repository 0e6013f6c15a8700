import { ApplicationFailure, condition, setCurrentDetails, setHandler } from '@temporalio/workflow';
import { faultOfDecision, type RefundDecision } from '../domain/decision.ts';
import { scheduleAt } from '../domain/policy.ts';
import {
  type RefundFailure,
  type RefundInput,
  type RefundRecordRequest,
  type RefundRecordResult,
  type RefundReviewReason,
  refundFailed,
} from '../domain/refund.ts';
import { isRefundClosed, type RefundStatus } from '../domain/refund-states.ts';
import { reasonAfter } from '../domain/review.ts';
import type { DeliveredRefundEvent } from '../domain/webhook-event.ts';
import { recordRefund, restoreRefund } from './activities.ts';
import {
  decideRefundUpdate,
  firstRefundStateUpdate,
  lookBackSignal,
  refundEventSignal,
} from './messages.ts';
import {
  detailsOf,
  openKeys,
  openRunCount,
  openUnclearNotes,
  type RunCount,
  type UnclearNotes,
  untilRecorded,
} from './run.ts';

type Entry = Pick<RefundRecordRequest, 'key' | 'action' | 'cause'> &
  Partial<Omit<RefundRecordRequest, 'refundId' | 'paymentId'>>;

const NOTHING_ELSE = {
  actor: 'workflow',
  event: null,
  outcome: null,
  providerRefundId: null,
  reviewReason: null,
  waitingFor: null,
  waitMs: null,
  webhook: null,
} as const;

/** Where messages to a refund's run wait while it is busy. */
export type RefundInbox = {
  readonly hasMessages: () => boolean;
  takeEvent(): DeliveredRefundEvent | undefined;
  takeDecision(): RefundDecision | undefined;
  takeLookBack(): number | undefined;
  waitForMessage(timeoutMs: number, summary: string): Promise<boolean>;
};

/** One run of a refund's workflow: what it knows, and how it records. */
export class RefundRun {
  /** As it was started, with the row that holds now. */
  input: RefundInput;
  readonly inbox: RefundInbox;
  readonly count: RunCount;
  /** True for a run of a refund that had one before: it never sends the refund. */
  readonly isReopened: boolean;
  status: RefundStatus;
  providerRefundId: string | null;
  /** Why it is in review; null when it is not. */
  reviewReason: RefundReviewReason | null;
  /** Whether the first caller may have the refund's state. */
  isAnswerable: boolean;
  /** The key, numbered where it was used before: a refund, too, may come to review again. */
  readonly numbered: (key: string) => string;
  /** The texts of messages without a consequence so far: the same again gets no entry. */
  readonly noted = new Set<string>();
  /** What came and concluded nothing, as far as it asks for more than patience. */
  readonly unclear: UnclearNotes = openUnclearNotes();
  /** So many sends are proven to have done nothing. */
  provenUnsent = 0;

  /** To be called before the workflow's first await: it takes messages from then on. */
  constructor(started: RefundInput) {
    const { standing } = started;
    this.input = started;
    this.isReopened = standing !== undefined;
    this.status = standing?.status ?? 'pending';
    this.providerRefundId = standing?.providerRefundId ?? null;
    this.reviewReason = standing?.reviewReason ?? null;
    this.isAnswerable = this.isReopened;
    this.numbered = openKeys(this.isReopened);
    this.count = openRunCount(started.limits);
    this.inbox = openInbox(this);
  }

  /** Records one step, with the change of status that goes with it. */
  async record(entry: Entry): Promise<RefundRecordResult> {
    const step = { ...NOTHING_ELSE, ...entry };
    this.providerRefundId ??= step.providerRefundId ?? step.outcome?.providerRefundId ?? null;
    const result = await untilRecorded(
      () => {
        const { refundId, paymentId } = this.input;
        return recordRefund({ ...step, key: `${refundId}/${entry.key}`, refundId, paymentId });
      },
      () => this.#restore(),
    );
    this.status = result.status;
    if (result.mayBeAtProvider === true) return result;
    this.reviewReason = reasonAfter(
      result.status,
      result.reviewReason ?? step.reviewReason,
      this.reviewReason,
    );
    if (step.isWithoutAuditEntry !== true) setCurrentDetails(detailsOf(this.status, step));
    return result;
  }

  /** Has a person look: nobody can tell how the refund ended, or what is true of it. */
  async sendToReview(entry: Pick<Entry, 'key' | 'cause'> & Partial<Entry>): Promise<void> {
    await this.record({
      action: 'refund.review_needed',
      event: 'gave_up',
      reviewReason: 'no_answer',
      waitingFor: 'review',
      waitMs: scheduleAt(this.input.policy.review.poll_interval_ms, 0),
      ...entry,
    });
  }

  /** Ends a refund that gave nothing back. `webhook`: the callback that reported so, if any. */
  async fail(
    failed: Pick<Entry, 'key' | 'cause'> &
      Pick<RefundRecordRequest, 'webhook' | 'provenUnsent'> & { readonly failure: RefundFailure },
  ): Promise<RefundRecordResult> {
    const { failure, ...more } = failed;
    return await this.record({
      ...more,
      action: 'refund.failed',
      actor: more.webhook === null ? 'workflow' : 'provider',
      event: 'failed',
      outcome: refundFailed(failure),
    });
  }

  /** Where its row is gone, the run goes on with the one that it finds or builds (ADR 0016). */
  async #restore(): Promise<boolean> {
    const { refundId, paymentId, merchantId, workflowId, credentialsRef } = this.input;
    const { amountMinor, currency } = this.input;
    const ids = { refundId, paymentId, merchantId, workflowId, credentialsRef };
    const { providerRefundId } = this;
    const found = await restoreRefund({ ...ids, amountMinor, currency, providerRefundId });
    if (found !== null) this.input = { ...this.input, ...found };
    return found !== null;
  }
}

function openInbox(run: RefundRun): RefundInbox {
  const events: DeliveredRefundEvent[] = [];
  const decisions: RefundDecision[] = [];
  const lookBacks: number[] = [];
  const seen = new Set<string>();
  const hasMessages = () => [events, decisions, lookBacks].some(({ length }) => length > 0);
  setHandler(refundEventSignal, (delivered) => {
    run.count.signal();
    if (seen.has(delivered.eventId)) return;
    seen.add(delivered.eventId);
    events.push(delivered);
  });
  setHandler(lookBackSignal, (nth) => {
    run.count.signal();
    lookBacks.push(nth);
  });
  setHandler(firstRefundStateUpdate, async () => {
    run.count.update();
    await condition(() => run.isAnswerable);
    return run.status;
  });
  setHandler(
    decideRefundUpdate,
    async (decision) => {
      run.count.update();
      decisions.push(decision);
      await condition(() => isRefundClosed(run.status));
      return run.status;
    },
    { validator: (decision) => refuseDecision(run, decision) },
  );
  return {
    hasMessages,
    takeEvent: () => events.shift(),
    takeDecision: () => decisions.shift(),
    takeLookBack: () => lookBacks.shift(),
    waitForMessage: async (timeoutMs, summary) =>
      hasMessages() || (await condition(hasMessages, timeoutMs, { summary })),
  };
}

function refuseDecision({ status }: RefundRun, decision: RefundDecision): void {
  const fault = faultOfDecision(decision, null);
  const isInReview = status === 'needs_review';
  if (isInReview && fault === null) return;
  const type = isInReview ? 'invalid_decision' : 'not_in_review';
  throw ApplicationFailure.nonRetryable(fault ?? `it is ${status}`, type);
}
