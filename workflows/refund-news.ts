import { patched, workflowInfo } from '@temporalio/workflow';
import type { RefundDecision } from '../domain/decision.ts';
import { scheduleAt } from '../domain/policy.ts';
import {
  isRefundOutcome,
  type RefundInput,
  type RefundOutcome,
  refundFailed,
  refundFailure,
} from '../domain/refund.ts';
import { isRefundClosed } from '../domain/refund-states.ts';
import { mayEndRefundReview } from '../domain/review.ts';
import { type DeliveredRefundEvent, isUnreadable } from '../domain/webhook-event.ts';
import type { Asker } from './asking.ts';
import { keepEvent } from './proxies.ts';
import type { RefundBook } from './refund-book.ts';
import type { RefundDesk } from './refund-desk.ts';
import { lookupRefund } from './refund-proxies.ts';
import { renewRefundIfLong } from './renew.ts';

export type RefundVerdict = {
  readonly outcome: RefundOutcome;
  readonly key: string;
  readonly cause: string;
  /** The stored callback this comes from. */
  readonly eventId: string | null;
};

/** As `askerOf`, for a refund. */
export function refundAskerOf(
  input: RefundInput,
  book: RefundBook,
  desk: RefundDesk,
  isWanted: Asker['isWanted'],
): Asker {
  const renew = () => renewRefundIfLong(input, book, desk);
  const handleMessages = () => applyRefundNews(input, book, desk);
  return { inbox: desk, unclear: book.unclear, handleMessages, renew, isWanted };
}

/** Reads all that lies on the desk, in order of arrival. */
export async function applyRefundNews(
  input: RefundInput,
  book: RefundBook,
  desk: RefundDesk,
): Promise<void> {
  for (let event = desk.takeEvent(); event !== undefined; event = desk.takeEvent()) {
    await applyRefundEvent(input, book, event);
  }
  const decision = desk.takeDecision();
  if (decision === undefined || isRefundClosed(book.status())) return;
  await book.write({
    key: book.numbered(`decided/${workflowInfo().runId}`),
    action: 'refund.decided',
    actor: 'operator',
    cause: `${decision.by}: ${decision.reason}`,
    event: decision.decision,
    outcome: outcomeOf(decision),
  });
}

function outcomeOf({ decision, receipt }: RefundDecision): RefundOutcome {
  const failed = refundFailed(refundFailure('declined', null, 'An operator decided so.'));
  const decided = { ...failed, receipt };
  return decision === 'failed' ? decided : { ...decided, kind: decision, failure: null };
}

/** Applies one word of the provider's, whatever it is about. */
export async function applyRefundEvent(
  input: RefundInput,
  book: RefundBook,
  delivered: DeliveredRefundEvent,
): Promise<void> {
  const { event, eventId } = delivered;
  if (delivered.unstored !== null) await keepEvent(delivered.unstored);
  const key = `event/${eventId}`;
  if (isRefundOutcome(event)) {
    if (await isWrittenOff(input, book, event, eventId)) return;
    return await settleRefund(input, book, { outcome: event, key, cause: 'callback', eventId });
  }
  if (event.kind !== 'receipt') book.unclear.note(event);
  const isSilent = book.noted.has(event.message);
  book.noted.add(event.message);
  await book.write({
    key,
    action: 'refund.callback_unclear',
    actor: 'provider',
    cause: event.message,
    isSilent,
    providerRefundId: event.kind === 'receipt' ? null : event.providerRefundId,
    waitingFor: book.status() === 'needs_review' ? 'review' : 'callback',
    waitMs: input.policy.refund.result_wait_ms,
    webhook: { eventId, status: isUnreadable(event) ? 'parked' : 'applied', note: event.message },
  });
}

/**
 * Webhooks come in any order: a success that is told of after the failure may be the older word, so
 * the provider is asked where it can be. True when it says that the failure is what counts.
 */
async function isWrittenOff(
  input: RefundInput,
  book: RefundBook,
  outcome: RefundOutcome,
  eventId: string,
): Promise<boolean> {
  const isLate = book.status() === 'failed' && outcome.kind === 'succeeded';
  if (!isLate || input.can.looks_up_refunds !== 'sync') return false;
  if (!patched('ask-about-late-refund')) return false;
  const answer = await lookupRefund(input, book, input.policy.lookup.timeout_ms * 2);
  if (answer?.kind !== 'failed') return false;
  const note = 'overtaken: the status query says failed';
  await book.write({
    key: `event/${eventId}`,
    action: 'refund.callback_unclear',
    actor: 'provider',
    cause: `late callback: ${outcome.kind}; the status query says failed`,
    webhook: { eventId, status: 'applied', note },
  });
  return true;
}

/**
 * Applies an outcome, unless it speaks of another refund or of other money: a person must look.
 * What a review is not ended by is only noted.
 */
export async function settleRefund(
  input: RefundInput,
  book: RefundBook,
  verdict: RefundVerdict,
): Promise<void> {
  const { outcome, key, cause, eventId } = verdict;
  if (!mayEndRefundReview(book.reviewReason(), outcome)) return await note(input, book, verdict);
  const doubt = doubtOf(input, book, outcome);
  const isOpen = !isRefundClosed(book.status());
  if (doubt !== null) {
    await book.write({
      key,
      action: isOpen ? 'refund.review_needed' : 'refund.callback_refused',
      actor: 'provider',
      cause: doubt,
      event: isOpen ? 'gave_up' : null,
      reviewReason: 'amount_mismatch',
      waitingFor: 'review',
      webhook: eventId === null ? null : { eventId, status: 'parked', note: doubt },
    });
    return;
  }
  const isTakenBack = book.status() === 'succeeded' && outcome.kind === 'failed';
  await book.write({
    key,
    action: isTakenBack ? 'refund.taken_back' : 'refund.settled',
    actor: 'provider',
    cause,
    event: outcome.kind,
    outcome,
    reviewReason: book.status() === 'failed' ? 'late_success' : null,
    waitingFor: book.status() === 'failed' ? 'review' : null,
    webhook: eventId === null ? null : { eventId, status: 'applied', note: null },
  });
}

async function note(input: RefundInput, book: RefundBook, verdict: RefundVerdict): Promise<void> {
  const { outcome, key, cause, eventId } = verdict;
  const reason = book.reviewReason();
  const text = `in review (${reason}): a person decides`;
  const said = `${cause} says ${outcome.kind}; ${text}`;
  const isRepeated = eventId !== null && book.noted.has(said);
  book.noted.add(said);
  await book.write({
    key: eventId === null ? `noted/${reason}/${outcome.kind}` : key,
    action: 'refund.outcome_noted',
    actor: 'provider',
    cause: said,
    isSilent: isRepeated,
    waitingFor: 'review',
    waitMs: scheduleAt(input.policy.review.ask_every_ms, 0),
    webhook: eventId === null ? null : { eventId, status: 'parked', note: text },
  });
}

function doubtOf(input: RefundInput, book: RefundBook, outcome: RefundOutcome): string | null {
  const known = book.providerRefundId();
  const names = outcome.providerRefundId;
  if (known !== null && names !== null && names !== known) return 'it names another refund';
  const isOther = outcome.amountMinor !== null && outcome.amountMinor !== input.amountMinor;
  return isOther ? 'the amount does not match' : null;
}
