import { failure } from '../domain/error.ts';
import { type ChargeResult, isOutcome, unpaid } from '../domain/outcome.ts';
import { isClosed } from '../domain/payment-states.ts';
import { scheduleAt } from '../domain/policy.ts';
import { type SendFailure, type Sent, sendCharge } from './activities.ts';
import { handleMessages, waitWhilePaused } from './handle-messages.ts';
import { applyOutcome, planReattempt } from './outcome.ts';
import type { PaymentRun } from './payment-run.ts';

/** How a charge or a refund is sent: what differs between the two. */
export type Dispatch<R> = {
  readonly limits: { readonly max_sends: number; readonly resend_after_ms: readonly number[] };
  /** Asked before each send; false ends the dispatch. */
  isToBeSent(): Promise<boolean>;
  send(): Promise<Sent<R>>;
  takeAnswer(result: R): Promise<void>;
  /** Our own row stopped the send; true where nothing is left to be done. */
  isStopped(): Promise<boolean>;
  /** The provider may have it, and its answer is lost. */
  loseAnswer(lost: SendFailure): Promise<void>;
  /** A claimed send is proven to have done nothing. */
  countUnsent(): void;
  /** No send did anything, and none follows. */
  giveUp(refused: SendFailure): Promise<void>;
  /** No send did anything, and the next one is due after this wait, which it waits for. */
  planResend(tried: number, refused: SendFailure, waitMs: number): Promise<void>;
};

/** Sends; again by policy, but only after a proof that the last send did nothing. */
export async function dispatch<R>(sending: Dispatch<R>): Promise<void> {
  const { max_sends, resend_after_ms } = sending.limits;
  for (let tried = 1; await sending.isToBeSent(); tried += 1) {
    const sent = await sending.send();
    if (sent.kind === 'answered') return await sending.takeAnswer(sent.result);
    const { failure: refused } = sent;
    if (refused.stop === 'not_to_be_sent' && (await sending.isStopped())) return;
    if (refused.kind === 'ambiguous') return await sending.loseAnswer(refused);
    // A send that was not claimed is still to be made: its number is not used up.
    if (refused.dispatched) sending.countUnsent();
    const isOver = refused.kind === 'misconfigured' || refused.stop === 'too_late';
    if (isOver || refused.isExpired === true || tried >= max_sends) {
      return await sending.giveUp(refused);
    }
    const policyMs = scheduleAt(resend_after_ms, tried - 1);
    await sending.planResend(tried, refused, Math.max(policyMs, refused.retryAfterMs ?? 0));
  }
}

/** Sends the charge of the current attempt, once its pause is over. */
export async function dispatchCharge(run: PaymentRun): Promise<void> {
  await pause(run, run.sendAfterMs ?? 0, 'pause before the next attempt');
  if (run.inbox.hasMessages()) await handleMessages(run);
  await dispatch<ChargeResult>({
    limits: run.input.policy.charge,
    async isToBeSent() {
      if (isToBeSent(run)) await waitWhilePaused(run);
      if (isToBeSent(run)) return true;
      // The provider's own report came meanwhile: what it spoke of was sent, and nothing follows.
      if (!isClosed(run.status)) run.markSent();
      return false;
    },
    async send() {
      run.isSending = true;
      const sent = await sendCharge(run.input, run.provenUnsent + 1);
      run.isSending = false;
      return sent;
    },
    takeAnswer: (result) => takeAnswer(run, result),
    isStopped: () => isStopped(run),
    loseAnswer: (lost) => loseAnswer(run, lost),
    countUnsent() {
      run.provenUnsent += 1;
    },
    giveUp: (refused) => giveUp(run, refused),
    async planResend(tried, { message }, waitMs) {
      await run.record({
        key: `resend/${tried}`,
        action: 'payment.resend_planned',
        cause: `nothing was sent: ${message}`,
        waitingFor: 'resend',
        waitMs,
      });
      run.isAnswerable = true;
      await pause(run, waitMs, 'pause before the next send');
    },
  });
}

/** The claim takes no other (`dispatched` in the payment's table). */
function isToBeSent({ status }: PaymentRun): boolean {
  return status === 'created' || status === 'processing';
}

/** The row stopped the send: where it stands is read, and nothing is recorded. */
async function isStopped(run: PaymentRun): Promise<boolean> {
  const cause = 'the payment was not to be sent any more';
  await run.record({
    key: 'stopped',
    action: 'payment.outcome_noted',
    cause,
    isWithoutAuditEntry: true,
  });
  if (isToBeSent(run)) return false;
  run.markSent();
  return true;
}

/** Waits, and handles what comes in the meantime: a cancel ends the payment. */
async function pause(run: PaymentRun, waitMs: number, summary: string): Promise<void> {
  const until = Date.now() + waitMs;
  for (let leftMs = waitMs; leftMs > 0; leftMs = until - Date.now()) {
    if (isClosed(run.status)) return;
    if (!(await run.inbox.waitForMessage(leftMs, summary))) return;
    await handleMessages(run);
  }
}

async function takeAnswer(run: PaymentRun, result: ChargeResult): Promise<void> {
  run.markSent();
  if (isOutcome(result)) {
    const cause = 'the provider’s answer';
    return await applyOutcome(run, { outcome: result, key: 'charge', cause, eventId: null });
  }
  const isAction = result.kind === 'action_required';
  const { payer_action, callback_wait_ms } = run.input.policy;
  await run.record({
    key: isAction ? 'action-required' : 'accepted',
    action: isAction ? 'payment.action_required' : 'payment.provider_accepted',
    actor: 'provider',
    cause: result.message,
    event: isAction ? 'action_required' : null,
    nextAction: isAction ? result.nextAction : null,
    providerPaymentId: result.providerPaymentId,
    waitingFor: isAction ? 'payer_action' : 'callback',
    waitMs: isAction ? payer_action.expires_after_ms : callback_wait_ms,
  });
}

async function loseAnswer(run: PaymentRun, lost: SendFailure): Promise<void> {
  run.markSent(lost.dispatched);
  const { callback_wait_ms, lookup } = run.input.policy;
  await run.record({
    key: 'answer-lost',
    action: 'payment.answer_lost',
    cause: lost.message,
    waitingFor: 'callback',
    waitMs: callback_wait_ms + lookup.window_ms,
  });
}

/**
 * No send did anything, and the policy allows no more: another attempt where it names one, else the
 * end. With our own storage unavailable until now nobody can tell, so the payment's row decides:
 * what was never claimed has failed, anything else needs review. The row decides as well where it
 * counts a send that this run does not know of: that one may be at the provider, and is asked
 * about.
 */
async function giveUp(run: PaymentRun, refused: SendFailure): Promise<void> {
  const { kind, failureCode, providerCode, message } = refused;
  const isProven = kind !== 'not_dispatched';
  const outcome = unpaid('declined', failure(failureCode, providerCode, message));
  const { provenUnsent } = run;
  const note = `${message}; another run of this send was claimed`;
  const claimed = { ...refused, dispatched: true, message: note };
  if (isProven && refused.stop !== 'too_late') {
    const failed = { outcome, key: 'refused', webhook: null, provenUnsent };
    if (await planReattempt(run, failed)) {
      return run.mayBeAtProvider ? await loseAnswer(run, claimed) : undefined;
    }
  }
  if (!isProven) run.markSent();
  const wasSent = provenUnsent > 0 || run.status === 'processing';
  const recorded = await run.sendToReview({
    key: 'refused',
    action: 'payment.failed',
    cause: message,
    event: isProven && wasSent ? 'declined' : 'gave_up',
    outcome,
    // No run of the charge reported that it claimed anything: what the row remembers counts.
    mayBeAtProvider: wasSent,
    reviewReason: 'no_answer',
    ...(isProven ? { provenUnsent } : {}),
  });
  if (recorded.mayBeAtProvider === true) await loseAnswer(run, claimed);
}
