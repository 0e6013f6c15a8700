import { allHandlersFinished, condition } from '@temporalio/workflow';
import { scheduleAt } from '../domain/policy.ts';
import {
  isRefundOutcome,
  type RefundInput,
  type RefundResult,
  refundFailure,
} from '../domain/refund.ts';
import { isRefundClosed, type RefundStatus } from '../domain/refund-states.ts';
import { isLateMoney } from '../domain/review.ts';
import { type SendFailure, sendRefund } from './activities.ts';
import { dispatch } from './dispatch.ts';
import { askAtPace, askWhileWanted, lookupRefund, waitUntil, waitWhileWanted } from './lookup.ts';
import { learnReceipt } from './receipt.ts';
import { applyRefundOutcome, handleRefundMessages, refundAskerOf } from './refund-outcome.ts';
import { RefundRun } from './refund-run.ts';
import { deadlineOf, reopenedCause, untilReopened } from './run.ts';

/**
 * One refund, from its dispatch to the provider until it is known what became of it. Its money is
 * reserved on the payment before this starts, and an answer that was lost is asked about, never
 * sent again to a provider that could take it for a second refund. With `standing` in its input it
 * is reopened, as a payment is: it is asked about, and never sent.
 */
export async function refund(input: RefundInput): Promise<{ readonly status: RefundStatus }> {
  const run = new RefundRun(input);

  // 1. Ask the provider to give the money back.
  if (run.isReopened) await begin(run);
  else await send(run);
  run.isAnswerable = true;

  // 2. Wait for its result, and ask when that stays away.
  if (run.status === 'pending') await awaitResult(run);

  do {
    // 3. Nobody knows: a late result, a late answer or a person's decision will tell.
    if (!isRefundClosed(run.status)) await awaitReview(run);

    // 4. Leave no message unread: one may ask a person anew.
    await handleRefundMessages(run);
  } while (!isRefundClosed(run.status) || run.inbox.hasMessages());
  await condition(allHandlersFinished);
  return { status: run.status };
}

/** A reopened run reads its messages first: they may tell more than an answer. */
async function begin(run: RefundRun): Promise<void> {
  const { standing } = run.input;
  const isOpen = !isRefundClosed(run.status);
  if (isOpen && standing?.isContinued !== true) {
    await run.record({
      key: run.numbered('start'),
      action: 'refund.reopened',
      actor: 'sweeper',
      cause: reopenedCause(standing?.lostHistory ?? null),
      providerRefundId: run.providerRefundId,
      waitingFor: run.status === 'needs_review' ? 'review' : 'lookup',
    });
  }
  await untilReopened(isOpen, run.inbox);
  await handleRefundMessages(run);
}

/** Learns what the provider needs for the refund, where the payment lacks that, and sends it. */
async function send(run: RefundRun): Promise<void> {
  const { receiptToLearn } = run.input;
  if (receiptToLearn && !(await learnReceipt(run, receiptToLearn))) return;
  await dispatch<RefundResult>({
    limits: run.input.policy.refund,
    isToBeSent: async () => run.status === 'pending',
    send: () => sendRefund(run.input, run.provenUnsent + 1),
    takeAnswer: (result) => takeAnswer(run, result),
    isStopped: async () => run.status !== 'pending',
    loseAnswer: (lost) => loseAnswer(run, lost),
    countUnsent() {
      run.provenUnsent += 1;
    },
    giveUp: (refused) => giveUp(run, refused),
    async planResend(tried, { message }, waitMs) {
      await run.record({
        key: `resend/${tried}`,
        action: 'refund.resend_planned',
        cause: `nothing was sent: ${message}`,
        waitingFor: 'resend',
        waitMs,
      });
      run.isAnswerable = true;
      const until = Date.now() + waitMs;
      const asker = refundAskerOf(run, () => run.status === 'pending');
      await waitUntil(asker, () => until, 'pause before the next send');
    },
  });
}

async function takeAnswer(run: RefundRun, result: RefundResult): Promise<void> {
  if (isRefundOutcome(result)) {
    const cause = 'the provider’s answer';
    const report = { outcome: result, key: 'answer', cause, eventId: null };
    return await applyRefundOutcome(run, report);
  }
  await run.record({
    key: 'accepted',
    action: 'refund.provider_accepted',
    actor: 'provider',
    cause: result.message,
    providerRefundId: result.providerRefundId,
    waitingFor: 'callback',
    waitMs: run.input.policy.refund.result_wait_ms,
  });
}

async function loseAnswer(run: RefundRun, lost: SendFailure): Promise<void> {
  await run.record({
    key: 'answer-lost',
    action: 'refund.answer_lost',
    cause: lost.message,
    waitingFor: 'callback',
    waitMs: run.input.policy.refund.result_wait_ms,
  });
}

/**
 * With our own storage unavailable nobody can tell whether an earlier send got through. And where
 * the row counts a send that this run does not know of, that one may be at the provider.
 */
async function giveUp(run: RefundRun, refused: SendFailure): Promise<void> {
  const { kind, providerCode, message } = refused;
  if (kind === 'not_dispatched') return await loseAnswer(run, refused);
  const code = kind === 'misconfigured' ? 'misconfigured' : 'provider_unavailable';
  const failure = refundFailure(code, providerCode, message);
  const { provenUnsent } = run;
  const failed = { key: 'refused', cause: message, failure, webhook: null, provenUnsent };
  if ((await run.fail(failed)).mayBeAtProvider !== true) return;
  const claimed = `${message}; another run of this send was claimed`;
  await loseAnswer(run, { ...refused, message: claimed });
}

async function awaitResult(run: RefundRun): Promise<void> {
  const { policy, standing } = run.input;
  const { result_wait_ms, poll_interval_ms } = policy.refund;
  const untilMs = deadlineOf(result_wait_ms, run.unclear, policy);
  const asker = refundAskerOf(run, () => run.status === 'pending');
  const ask = (pollIntervalMs: readonly number[], windowMs: number) =>
    lookupRefund(run.input, run.providerRefundId, windowMs, { pollIntervalMs });
  const isSent = standing?.isSent !== false;
  // A reopened run asks at once: nobody knows how long the refund has waited already.
  const firstMs = run.isReopened ? 0 : Math.min(scheduleAt(poll_interval_ms, 0), result_wait_ms);
  if (isSent && (await waitWhileWanted(asker, firstMs, 'wait for the result'))) {
    if (!canAsk(run)) await waitUntil(asker, untilMs, 'wait for the result');
    else {
      await askAtPace(asker, poll_interval_ms, untilMs, ask, (answer) =>
        applyAnswer(run, answer, 'lookup'),
      );
    }
  }
  if (!asker.isWanted()) return;
  const cause = isSent
    ? run.unclear.causeOr('the provider did not tell in time what became of it')
    : 'its workflow was ended before it was handed over';
  await run.sendToReview({ key: run.numbered('gave-up'), cause });
}

async function applyAnswer(run: RefundRun, answer: RefundResult, key: string): Promise<void> {
  if (!isRefundOutcome(answer)) return;
  const cause = 'the provider’s status query';
  const report = { outcome: answer, key: run.numbered(key), cause, eventId: null };
  await applyRefundOutcome(run, report);
}

const MONTH_MS = 30 * 24 * 3_600_000;

/** Nobody knows: a person's decision, a late callback or a late answer will tell. */
async function awaitReview(run: RefundRun): Promise<void> {
  const { review, lookup } = run.input.policy;
  const { standing } = run.input;
  const asker = refundAskerOf(run, () => !isRefundClosed(run.status));
  const isAskedAtOnce = standing !== undefined && standing.isContinued !== true;
  for (let round = isAskedAtOnce ? -1 : 0; asker.isWanted(); round += 1) {
    const isAsked = canAsk(run) && !isLateMoney(run.reviewReason);
    const waitMs = !isAsked ? MONTH_MS : round < 0 ? 0 : scheduleAt(review.poll_interval_ms, round);
    if (waitMs > 0 && !(await waitWhileWanted(asker, waitMs, 'in review'))) return;
    if (!isAsked) continue;
    const windowMs = lookup.timeout_ms * 2;
    const ask = () => lookupRefund(run.input, run.providerRefundId, windowMs, { isLast: true });
    const answer = await askWhileWanted(asker, ask);
    if (answer) await applyAnswer(run, answer, 'review');
  }
}

function canAsk({ input }: RefundRun): boolean {
  return input.can.looks_up_refunds !== 'none';
}
