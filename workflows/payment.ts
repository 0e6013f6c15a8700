import { allHandlersFinished, condition } from '@temporalio/workflow';
import type { FailureCode } from '../domain/error.ts';
import { neverSent } from '../domain/outcome.ts';
import type { PaymentInput } from '../domain/payment.ts';
import { isClosed, type PaymentStatus } from '../domain/payment-states.ts';
import { scheduleAt } from '../domain/policy.ts';
import { isLateMoney } from '../domain/review.ts';
import { cancelAtProvider } from './capture-cancel.ts';
import { dispatchCharge } from './dispatch.ts';
import { askerOf, continueIfLong, handleMessages, waitWhilePaused } from './handle-messages.ts';
import { openInbox } from './inbox.ts';
import {
  type Asker,
  askAtPace,
  askWhileWanted,
  canLookUp,
  lookup,
  waitWhileWanted,
} from './lookup.ts';
import { applyAnswer } from './outcome.ts';
import { PaymentRun } from './payment-run.ts';
import { isUnknownResult, reopenedCause, shortenWait, untilReopened } from './run.ts';

/** What an open payment's run does, by where the payment stands. */
const STAGES = {
  created: awaitOutcome,
  processing: awaitOutcome,
  requires_action: awaitPayer,
  authorized: awaitCapture,
  needs_review: awaitReview,
} as const satisfies Partial<Record<PaymentStatus, (run: PaymentRun) => Promise<void>>>;

/**
 * One payment, from its dispatch to the provider until its outcome is known. Business failures
 * complete it; only a bug fails it. A result nobody confirmed ends in review, never in a guess.
 *
 * With `standing` in its input it is reopened: its last run has closed, by hand, lost, or at the
 * payment's end. Such a run takes messages and asks the provider, and never sends a charge: nobody
 * can tell here what the runs before it may have sent.
 */
export async function payment(input: PaymentInput): Promise<{ readonly status: PaymentStatus }> {
  const run = new PaymentRun(input, openInbox);
  if (run.isReopened) await begin(run);
  do {
    // 1. Dispatch the charge, and do whatever its status asks for next.
    while (isOpen(run.status)) {
      await waitWhilePaused(run);
      const { status } = run;
      if (!isOpen(status)) break;
      await (run.sendAfterMs === null ? STAGES[status](run) : dispatchCharge(run));
      run.isAnswerable = true;
    }

    // 2. Answer all who wait, and leave no message unread: one may open the payment again.
    run.isAnswerable = true;
    await handleMessages(run);
  } while (isOpen(run.status) || run.inbox.hasMessages());
  await condition(allHandlersFinished);
  return { status: run.status };
}

function isOpen(status: PaymentStatus): status is keyof typeof STAGES {
  return !isClosed(status);
}

/** A reopened run reads its messages first: they may tell more than an answer. */
async function begin(run: PaymentRun): Promise<void> {
  const { standing } = run.input;
  if (isOpen(run.status) && run.continued === null) {
    const cause = reopenedCause(standing?.lostHistory ?? null);
    const entry = { action: 'payment.reopened', actor: 'sweeper', cause } as const;
    await run.record({ key: run.numbered('start'), ...entry });
  }
  await untilReopened(isOpen(run.status), run.inbox);
  await handleMessages(run);
}

/**
 * Nothing was sent; should that have changed this moment, the table sends it to review. What a row
 * that is older than its runs says proves nothing.
 */
async function judgeUnsent(run: PaymentRun): Promise<void> {
  const lostHistory = run.input.standing?.lostHistory ?? null;
  const key = run.numbered('unsent');
  const cause = 'Its workflow was ended before anything was sent.';
  const outcome = neverSent(cause);
  const unsent = { action: 'payment.failed', cause, outcome, mayBeAtProvider: false } as const;
  const unknown = { cause: `${lostHistory}: it may have been sent` };
  await run.sendToReview({ key, ...(lostHistory === null ? unsent : unknown) });
}

/** The provider has it, or may have it: wait for its callback, and ask when that stays away. */
async function awaitOutcome(run: PaymentRun): Promise<void> {
  if (run.status === 'created' && run.isReopened) return await judgeUnsent(run);
  await awaitCallback(run);
  await askProvider(run, Date.now() + run.input.policy.lookup.window_ms);
  if (!isAwaited(run)) return;
  const key = run.numbered('gave-up');
  // What this run may have sent is never reported as unsent, whatever the row remembers.
  const isUnsent = run.status === 'created' && !run.mayBeSent;
  const unsent = { action: 'payment.failed', outcome: neverSent(UNSENT), cause: UNSENT } as const;
  const cause = run.unclear.causeOr(NO_OUTCOME);
  await run.sendToReview({ key, cause, ...(isUnsent ? unsent : {}) });
}

const UNSENT = 'Nobody handed it over to the provider in time.';
const NO_OUTCOME = 'neither callback nor status query told the outcome in time';

/** True while the outcome is awaited: not in review, not to be sent again, not authorized. */
function isAwaited({ status, sendAfterMs }: PaymentRun): boolean {
  const isUnknown = status === 'created' || status === 'processing' || status === 'requires_action';
  return isUnknown && sendAfterMs === null;
}

/** Nobody knows how long a reopened run's payment has waited already: it asks at once. */
async function awaitCallback(run: PaymentRun): Promise<void> {
  if (run.hasLostHistory) return;
  const until = Date.now() + run.input.policy.callback_wait_ms;
  while (isAwaited(run) && !run.unclear.isAskDue()) {
    await continueIfLong(run);
    const leftMs = until - Date.now();
    if (!run.inbox.hasMessages() && leftMs <= 0) return;
    const isTold = await run.inbox.waitForMessage(Math.max(leftMs, 1), 'wait for the callback');
    if (!isTold) return;
    await handleMessages(run);
  }
}

/** Without an id to ask by only messages can tell. */
async function askProvider(run: PaymentRun, untilMs: number): Promise<void> {
  let until = untilMs;
  const { policy } = run.input;
  const deadline = () => {
    until = shortenWait(until, run.unclear, policy);
    return until;
  };
  const asker = askerOf(run, () => isAwaited(run) && canAsk(run));
  const ask = (pollIntervalMs: readonly number[], windowMs: number) =>
    lookup(run.input, run.providerPaymentId, windowMs, { pollIntervalMs });
  while (isAwaited(run)) {
    await continueIfLong(run);
    if (run.isPaused) {
      await waitWhilePaused(run);
      // Whatever time the pause took, the provider is asked once more.
      until = Math.max(until, Date.now() + policy.lookup.timeout_ms * 2);
      continue;
    }
    const leftMs = deadline() - Date.now();
    if (leftMs <= 0) return;
    if (!canAsk(run)) {
      const summary = 'wait for the callback; nothing to ask by, or asked already';
      await run.inbox.waitForMessage(leftMs, summary);
      await handleMessages(run);
      continue;
    }
    const pace = policy.lookup.poll_interval_ms;
    const isAnswered = await askAtPace(asker, pace, deadline, ask, async (it) => {
      await applyAnswer(run, it, 'lookup');
      if (isUnknownResult(it)) run.unclear.note(it);
    });
    if (!isAnswered) return;
  }
}

/** There has to be an id to ask by; and a callback that is asked about is asked about once. */
function canAsk(run: PaymentRun): boolean {
  const hasId = canLookUp(run.input, run.providerPaymentId);
  return hasId && !run.isPaused && run.confirmation === null;
}

/** The payer has to act elsewhere; when nothing came of it in time, the charge is canceled. */
async function awaitPayer(run: PaymentRun): Promise<void> {
  const until = waitEnd(run, run.input.policy.payer_action.expires_after_ms);
  await awaitCallback(run);
  await askProvider(run, until);
  if (run.status === 'requires_action') await expire(run, 'prompt_expired');
}

/** The money is held: a capture, a cancel or the end of the authorization decides. */
async function awaitCapture(run: PaymentRun): Promise<void> {
  const { authorization, review } = run.input.policy;
  const until = waitEnd(run, authorization.expires_after_ms);
  const asker = askerOf(run, () => run.status === 'authorized');
  for (let round = 0; asker.isWanted(); round += 1) {
    const isDue = round === 0 ? isAskedAtOnce(run) : until > Date.now();
    if (isDue) await askOnce(run, asker, 'lookup');
    const restMs = until - Date.now();
    if (asker.isWanted() && restMs <= 0) return await expire(run, 'authorization_expired');
    // A reopened run asks from time to time: what was reported before it was perhaps lost.
    const pauseMs = run.hasLostHistory ? scheduleAt(review.poll_interval_ms, round) : restMs;
    await waitWhileWanted(asker, Math.min(pauseMs, restMs), 'wait for a capture');
  }
}

/** When a wait ends that lasts so long; a reopened run waits the rest, and asks before its end. */
function waitEnd(run: PaymentRun, fullMs: number): number {
  const { standing, policy } = run.input;
  const isSame = standing !== undefined && standing.status === run.status;
  const leftMs = isSame ? standing.leftMs : null;
  const leastMs = isAskedAtOnce(run) ? policy.lookup.timeout_ms * 2 : 0;
  return Date.now() + Math.max(leftMs ?? fullMs, leastMs);
}

/** Cancels a charge whose time is over; where that cannot be told for sure, a person must look. */
async function expire(run: PaymentRun, code: FailureCode): Promise<void> {
  const { status } = run;
  await waitWhilePaused(run);
  if (run.status !== status) return;
  const obstacle = await cancelAtProvider(run, { code, actor: 'workflow', key: 'expired' });
  if (obstacle === null || run.status !== status) return;
  const cause = `its time is over, and letting it go was not confirmed: ${obstacle.message}`;
  await run.sendToReview({ key: run.numbered('expiry-unclear'), cause });
}

const MONTH_MS = 30 * 24 * 3_600_000;

/** Nobody knows: a person's decision, a late callback or a late answer will tell. */
async function awaitReview(run: PaymentRun): Promise<void> {
  const { poll_interval_ms } = run.input.policy.review;
  const asker = askerOf(run, () => run.status === 'needs_review');
  // What the database forgot, the provider may know.
  const first = isAskedAtOnce(run) || run.reviewReason === 'history_lost' ? -1 : 0;
  for (let round = first; asker.isWanted(); round += 1) {
    // No answer of the provider's ends a review of late money.
    const isLate = isLateMoney(run.reviewReason);
    const waitMs = isLate ? MONTH_MS : round < 0 ? 0 : scheduleAt(poll_interval_ms, round);
    if (waitMs > 0 && !(await waitWhileWanted(asker, waitMs, 'in review'))) return;
    if (!isLate) await askOnce(run, asker, 'review');
  }
}

/** A reopened run asks at once; one that only goes on with another keeps its pace. */
function isAskedAtOnce(run: PaymentRun): boolean {
  return run.isReopened && run.continued === null;
}

async function askOnce(run: PaymentRun, asker: Asker, key: string): Promise<void> {
  if (!asker.isWanted() || !canAsk(run)) return;
  const windowMs = run.input.policy.lookup.timeout_ms * 2;
  const isLast = run.status === 'needs_review';
  const ask = () => lookup(run.input, run.providerPaymentId, windowMs, { isLast });
  const answer = await askWhileWanted(asker, ask);
  if (answer) await applyAnswer(run, answer, key);
}
