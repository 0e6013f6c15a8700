import { mismatchOf } from '../domain/capture.ts';
import { isMoney, isOutcome, OUTCOME_EVENTS, type Outcome } from '../domain/outcome.ts';
import type { PaymentInput } from '../domain/payment.ts';
import type { RecordRequest, Report } from '../domain/payment-record.ts';
import { isUnpaid } from '../domain/payment-states.ts';
import type { ProviderPolicy } from '../domain/policy.ts';
import type { DeliveredEvent } from '../domain/webhook-event.ts';
import { refundLateSuccess } from './activities.ts';
import { canLookUp, lookup } from './lookup.ts';
import type { PaymentRun } from './payment-run.ts';

/** What the provider's status query says now about money that was reported late. */
type Check = {
  readonly text: string;
  readonly confirms: boolean;
  readonly contradicts: boolean;
  /** The provider itself says that it holds nothing and took nothing. */
  readonly isReleased: boolean;
};
const UNCHECKED = { confirms: false, contradicts: false, isReleased: false } as const;

/**
 * Applies a callback of a payment that has ended, or whose late money waits for a person. The same
 * table decides, a repetition changes nothing, and money that comes after an end without money
 * makes the payment visible for review; the policy or a person resolves that.
 */
export async function applyLateEvent(run: PaymentRun, delivered: DeliveredEvent): Promise<void> {
  const { event, eventId } = delivered;
  const key = `event/${eventId}`;
  if (!isOutcome(event)) return await noteLate(run, delivered);
  const wrong = mismatchOf(event, run.input);
  if (wrong === null) {
    return await applyLateOutcome(run, { outcome: event, key, cause: 'callback', eventId });
  }
  const mismatch = `the ${wrong} does not match`;
  if (await reviewLateMismatch(run, { outcome: event, key, mismatch, eventId })) return;
  await refuseCallback(run, delivered, mismatch);
}

/**
 * A callback that says nothing clear about a payment that took nothing may have told of its money,
 * and will not come again: the provider is asked.
 */
async function noteLate(run: PaymentRun, delivered: DeliveredEvent): Promise<void> {
  const { event, eventId } = delivered;
  if (isOutcome(event)) return;
  const late = 'late and not definite';
  await refuseCallback(run, delivered, event.unclear ? `${late}: ${event.message}` : late);
  if (!isUnpaid(run.status) || event.unclear === undefined || !run.unclear.note(event)) return;
  const askedId = run.providerPaymentId ?? event.providerPaymentId;
  if (!canLookUp(run.input, askedId)) return;
  const answer = await lookup(run.input, askedId, run.input.policy.lookup.timeout_ms * 2);
  if (answer === null || !isOutcome(answer) || !isMoney(answer)) return;
  const key = `event/${eventId}/asked`;
  const cause = 'the provider’s status query';
  await applyLateOutcome(run, { outcome: answer, key, cause, eventId: null });
}

async function refuseCallback(
  run: PaymentRun,
  { eventId }: DeliveredEvent,
  note: string,
): Promise<void> {
  await run.record({
    key: `event/${eventId}`,
    action: 'payment.callback_refused',
    actor: 'provider',
    cause: note,
    webhook: { eventId, status: 'parked', note },
  });
}

/** Applies an outcome that came after the end; late money is reviewed, or resolved by policy. */
export async function applyLateOutcome(run: PaymentRun, report: Report): Promise<void> {
  const { outcome, key, eventId } = report;
  const check = await checkLate(run, outcome);
  const cause = `late ${report.cause}: ${outcome.kind}; ${check.text}`;
  const note = noteOf(run, outcome, check);
  if (note !== null) {
    const isWithoutAuditEntry = run.noted.has(cause);
    run.noted.add(cause);
    await run.record({
      key,
      action: 'payment.callback_unclear',
      actor: 'provider',
      cause,
      isWithoutAuditEntry,
      webhook: appliedBy(eventId, note),
    });
    return;
  }
  await recordLate(run, { outcome, key, cause, check, webhook: appliedBy(eventId, null) });
}

function appliedBy(eventId: string | null, note: string | null): RecordRequest['webhook'] {
  return eventId === null ? null : { eventId, status: 'applied', note };
}

/** Why this says nothing that counts; null when it does. */
function noteOf({ status }: PaymentRun, outcome: Outcome, check: Check): string | null {
  if (isOvertaken(outcome, check)) return `overtaken: ${check.text}`;
  // The review asks what to do with late money: that it came is known, and a report that tells of
  // none does not take it away.
  return status === 'needs_review' ? 'in review already' : null;
}

/** Webhooks come in any order: one of an authorization may come after it was released. */
function isOvertaken({ kind }: Outcome, { isReleased }: Check): boolean {
  return kind === 'authorized' && isReleased;
}

/** Late money is asked about before anything rests on it: callbacks may be forged. */
async function checkLate(run: PaymentRun, outcome: Outcome): Promise<Check> {
  // In review it is known what the provider says, and another question would change nothing.
  if (run.status === 'needs_review') return { ...UNCHECKED, text: 'it is in review already' };
  const id = outcome.providerPaymentId;
  if (!isMoney(outcome) || !isUnpaid(run.status) || id === null) {
    return { ...UNCHECKED, text: 'nothing to ask' };
  }
  const answer = await lookup(run.input, id, run.input.policy.lookup.timeout_ms * 2);
  if (answer === null || !isOutcome(answer)) {
    return { ...UNCHECKED, text: 'the status query says nothing definite' };
  }
  const wrong = mismatchOf(answer, run.input);
  const confirms = answer.kind === outcome.kind && wrong === null;
  const isReleased = answer.kind === 'canceled' || answer.kind === 'declined';
  const other = wrong === null ? '' : `, and its ${wrong} does not match`;
  const text = `the status query says ${answer.kind}${other}`;
  return { text, confirms, contradicts: !confirms, isReleased };
}

/**
 * Money of another amount or currency that came after the payment had ended without any: a person
 * decides what becomes of it, since no policy speaks of such money.
 * @returns false where it is no such money, and nothing was done.
 */
export async function reviewLateMismatch(
  run: PaymentRun,
  late: Pick<Report, 'outcome' | 'key' | 'eventId'> & {
    readonly mismatch: string;
    /** What the status query says of it; left out, it is asked. */
    readonly check?: Check;
  },
): Promise<boolean> {
  const { outcome, key, mismatch, eventId } = late;
  if (!isMoney(outcome) || !isUnpaid(run.status)) return false;
  const check = late.check ?? (await checkLate(run, outcome));
  await run.record({
    key,
    action: 'payment.late_outcome',
    actor: 'provider',
    cause: `late ${outcome.kind}: ${mismatch}; ${check.text}`,
    event: OUTCOME_EVENTS[outcome.kind],
    outcome,
    reviewReason: 'late_amount_mismatch',
    waitingFor: 'review',
    webhook: eventId === null ? null : { eventId, status: 'parked', note: mismatch },
  });
  return true;
}

/**
 * Asks once about a payment that ended without money. Money is treated as if a callback had
 * reported it; anything else leaves no entry.
 */
export async function lookBackAtPayment(run: PaymentRun, nth: number): Promise<void> {
  if (!isUnpaid(run.status)) return;
  const { lookup: limits } = run.input.policy;
  const how = { isOnce: true, isPromptOver: true, isLast: true };
  const outcome = await lookup(run.input, run.providerPaymentId, limits.window_ms, how);
  if (outcome === null || !isOutcome(outcome) || !isMoney(outcome)) return;
  if (!isUnpaid(run.status)) return;
  const key = `look-back/${nth}`;
  const cause = `asked again after the end, the status query says ${outcome.kind}`;
  const check = { text: cause, confirms: true, contradicts: false, isReleased: false };
  const wrong = mismatchOf(outcome, run.input);
  if (wrong === null) return await recordLate(run, { outcome, key, cause, check, webhook: null });
  const mismatch = `the ${wrong} does not match`;
  await reviewLateMismatch(run, { outcome, key, mismatch, eventId: null, check });
}

type Late = Pick<Report, 'outcome' | 'key' | 'cause'> &
  Pick<RecordRequest, 'webhook'> & { readonly check: Check };

/** Records what came late, and ends the review that it raised as far as the policy says how. */
async function recordLate(
  run: PaymentRun,
  { outcome, key, cause, check, webhook }: Late,
): Promise<void> {
  const recorded = await run.record({
    key,
    action: 'payment.late_outcome',
    actor: 'provider',
    cause,
    event: OUTCOME_EVENTS[outcome.kind],
    outcome,
    reviewReason: 'late_success',
    waitingFor: 'review',
    webhook,
  });
  if (recorded.status !== 'needs_review' || !recorded.changed) return;
  const { late_success } = run.input.policy;
  if (outcome.kind !== 'succeeded' || !MAY_END[late_success](run.input, outcome, check)) return;
  await run.record({
    key: `late-success/${key}`,
    action: 'payment.decided',
    cause: `policy late_success: ${late_success}`,
    event: 'succeeded',
    outcome,
  });
  if (late_success !== 'refund') return;
  await refundLateSuccess(run.input.paymentId, run.input.merchantId);
}

/** Whether the policy may end the review of late money; an authorization waits for a person. */
const MAY_END = {
  review: () => false,
  // Who names no amount is not believed by itself: the provider has to confirm that.
  accept: (_input, { money }, { confirms, contradicts }) =>
    !contradicts && (money !== null || confirms),
  // Money goes out: the provider must have said that it came in, and be able to give it back.
  refund: ({ can }, event, { confirms }) => {
    const needs = can.refund_needs;
    if (needs === undefined || !confirms) return false;
    return (needs === 'provider_receipt' ? event.receipt : event.providerPaymentId) !== null;
  },
} as const satisfies Record<
  ProviderPolicy['late_success'],
  (input: PaymentInput, outcome: Outcome, check: Check) => boolean
>;
