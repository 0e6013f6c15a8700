import { makeContinueAsNewFunc, workflowInfo } from '@temporalio/workflow';
import type { RefundDecision } from '../domain/decision.ts';
import {
  isRefundOutcome,
  type RefundInput,
  type RefundOutcome,
  type RefundStanding,
  refundFailed,
  refundFailure,
} from '../domain/refund.ts';
import { isRefundClosed } from '../domain/refund-states.ts';
import { mayEndRefundReview } from '../domain/review.ts';
import { type DeliveredRefundEvent, isUnreadable } from '../domain/webhook-event.ts';
import { storeWebhookEvent } from './activities.ts';
import { type Asker, lookupRefund } from './lookup.ts';
import type { RefundRun } from './refund-run.ts';
import { mayContinueAsNew } from './run.ts';

/** What the provider reported of the refund, and how it came here. */
type Report = {
  readonly outcome: RefundOutcome;
  readonly key: string;
  readonly cause: string;
  /** The stored callback that reported it; null for an answer. */
  readonly eventId: string | null;
};

/** As `askerOf` of payments, for a refund. */
export function refundAskerOf(run: RefundRun, isWanted: Asker['isWanted']): Asker {
  return {
    inbox: run.inbox,
    unclear: run.unclear,
    handleMessages: () => handleRefundMessages(run),
    continueIfLong: () => continueRefundIfLong(run),
    isWanted,
  };
}

/** Goes on with a refund in review in a new run, before this one nears Temporal's limits. */
async function continueRefundIfLong(run: RefundRun): Promise<void> {
  const { status, reviewReason, providerRefundId, input } = run;
  if (status !== 'needs_review') return;
  if (!(await mayContinueAsNew(run.count, run.inbox.hasMessages))) return;
  const goOn = makeContinueAsNewFunc<(input: RefundInput) => Promise<unknown>>();
  const known = { status, reviewReason, providerRefundId, isSent: true, lostHistory: null };
  const standing: RefundStanding = { ...known, isContinued: true };
  await goOn({ ...input, standing });
}

/** Handles all messages that wait in the inbox, in order of arrival within their kind. */
export async function handleRefundMessages(run: RefundRun): Promise<void> {
  const { inbox } = run;
  for (let event = inbox.takeEvent(); event !== undefined; event = inbox.takeEvent()) {
    await applyRefundEvent(run, event);
  }
  const decision = inbox.takeDecision();
  if (decision !== undefined && !isRefundClosed(run.status)) await applyDecision(run, decision);
  for (let nth = inbox.takeLookBack(); nth !== undefined; nth = inbox.takeLookBack()) {
    await lookBackAtRefund(run, nth);
  }
}

async function applyDecision(run: RefundRun, decision: RefundDecision): Promise<void> {
  const failed = refundFailed(refundFailure('declined', null, 'An operator decided so.'));
  const { receipt } = decision;
  const isFailed = decision.decision === 'failed';
  await run.record({
    key: run.numbered(`decided/${workflowInfo().runId}`),
    action: 'refund.decided',
    actor: 'operator',
    cause: `${decision.by}: ${decision.reason}`,
    event: decision.decision,
    outcome: isFailed
      ? { ...failed, receipt }
      : { ...failed, receipt, kind: 'succeeded', failure: null },
  });
}

/** Applies one event of the provider's, whatever it is about. */
export async function applyRefundEvent(
  run: RefundRun,
  { event, eventId, unstored }: DeliveredRefundEvent,
): Promise<void> {
  if (unstored !== null) await storeWebhookEvent(unstored);
  const key = `event/${eventId}`;
  if (isRefundOutcome(event)) {
    if (await isOvertaken(run, event, eventId)) return;
    return await applyRefundOutcome(run, { outcome: event, key, cause: 'callback', eventId });
  }
  if (event.kind !== 'receipt') run.unclear.note(event);
  const isWithoutAuditEntry = run.noted.has(event.message);
  run.noted.add(event.message);
  await run.record({
    key,
    action: 'refund.callback_unclear',
    actor: 'provider',
    cause: event.message,
    isWithoutAuditEntry,
    providerRefundId: event.kind === 'receipt' ? null : event.providerRefundId,
    waitingFor: run.status === 'needs_review' ? 'review' : 'callback',
    waitMs: run.input.policy.refund.result_wait_ms,
    webhook: { eventId, status: isUnreadable(event) ? 'parked' : 'applied', note: event.message },
  });
}

/**
 * Webhooks come in any order: a success that is reported after the failure may be the older event,
 * so the provider is asked where it can be. True when it says that the failure is what counts.
 */
async function isOvertaken(
  run: RefundRun,
  outcome: RefundOutcome,
  eventId: string,
): Promise<boolean> {
  const isLate = run.status === 'failed' && outcome.kind === 'succeeded';
  const { can, policy } = run.input;
  if (!isLate || can.looks_up_refunds !== 'sync') return false;
  const windowMs = policy.lookup.timeout_ms * 2;
  const answer = await lookupRefund(run.input, run.providerRefundId, windowMs);
  if (answer?.kind !== 'failed') return false;
  const note = 'overtaken: the status query says failed';
  await run.record({
    key: `event/${eventId}`,
    action: 'refund.callback_unclear',
    actor: 'provider',
    cause: `late callback: ${outcome.kind}; the status query says failed`,
    webhook: { eventId, status: 'applied', note },
  });
  return true;
}

/**
 * Applies an outcome, unless it speaks of another refund or of other money: then a person must
 * look. Outcomes that cannot end a review are noted, and change nothing else.
 */
export async function applyRefundOutcome(run: RefundRun, report: Report): Promise<void> {
  const { outcome, key, cause, eventId } = report;
  if (!mayEndRefundReview(run.reviewReason, outcome)) return await noteInReview(run, report);
  const mismatch = mismatchIn(run, outcome);
  const isOpen = !isRefundClosed(run.status);
  if (mismatch !== null) {
    return await run.sendToReview({
      key,
      actor: 'provider',
      cause: mismatch,
      reviewReason: 'amount_mismatch',
      webhook: eventId === null ? null : { eventId, status: 'parked', note: mismatch },
      ...(isOpen ? {} : { action: 'refund.callback_refused', event: null }),
    });
  }
  const isTakenBack = run.status === 'succeeded' && outcome.kind === 'failed';
  await run.record({
    key,
    action: isTakenBack ? 'refund.taken_back' : `refund.${outcome.kind}`,
    actor: 'provider',
    cause,
    event: outcome.kind,
    outcome,
    reviewReason: run.status === 'failed' ? 'late_success' : null,
    waitingFor: run.status === 'failed' ? 'review' : null,
    webhook: eventId === null ? null : { eventId, status: 'applied', note: null },
  });
}

async function noteInReview(run: RefundRun, report: Report): Promise<void> {
  const { outcome, key, cause, eventId } = report;
  const text = `in review (${run.reviewReason}): a person decides`;
  const noted = `${cause} says ${outcome.kind}; ${text}`;
  const isRepeated = eventId !== null && run.noted.has(noted);
  run.noted.add(noted);
  await run.sendToReview({
    key: eventId === null ? `noted/${run.reviewReason}/${outcome.kind}` : key,
    action: 'refund.outcome_noted',
    actor: 'provider',
    cause: noted,
    event: null,
    reviewReason: null,
    isWithoutAuditEntry: isRepeated,
    webhook: eventId === null ? null : { eventId, status: 'parked', note: text },
  });
}

function mismatchIn({ input, providerRefundId }: RefundRun, outcome: RefundOutcome): string | null {
  const named = outcome.providerRefundId;
  if (providerRefundId !== null && named !== null && named !== providerRefundId) {
    return 'it names another refund';
  }
  const isOther = outcome.amountMinor !== null && outcome.amountMinor !== input.amountMinor;
  return isOther ? 'the amount does not match' : null;
}

/** Asks once about a refund that failed. Who answers later reports it by a callback. */
async function lookBackAtRefund(run: RefundRun, nth: number): Promise<void> {
  if (run.status !== 'failed') return;
  const { window_ms } = run.input.policy.lookup;
  const how = { isOnce: true, isLast: true };
  const outcome = await lookupRefund(run.input, run.providerRefundId, window_ms, how);
  if (outcome === null || !isRefundOutcome(outcome) || outcome.kind !== 'succeeded') return;
  const cause = 'asked again after the end: the provider’s status query';
  await applyRefundOutcome(run, { outcome, key: `look-back/${nth}`, cause, eventId: null });
}
