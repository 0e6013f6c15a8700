import { failure } from '../domain/error.ts';
import { type ChargeResult, isOutcome, unpaid } from '../domain/outcome.ts';
import type { PaymentInput } from '../domain/payment.ts';
import { isClosed, type PaymentStatus } from '../domain/payment-states.ts';
import { scheduleAt } from '../domain/policy.ts';
import type { Book } from './book.ts';
import type { Desk } from './desk.ts';
import { applyNews } from './news.ts';
import { holdWhilePaused } from './pause.ts';
import { charge, type SendFailure } from './proxies.ts';
import { planReattempt, settleVerdict } from './settlement.ts';

/**
 * Sends the current attempt's charge; again by policy, but only after a proof that the last send
 * did nothing.
 */
export async function handOver(input: PaymentInput, book: Book, desk: Desk): Promise<void> {
  const { max_sends, resend_after_ms } = input.policy.charge;
  await pause(input, book, desk, book.sendAfterMs() ?? 0, 'pause before the next attempt');
  if (desk.hasNews()) await applyNews(input, book, desk);
  for (let tried = 1; isToBeSent(book.status()); tried += 1) {
    if (desk.isPaused) {
      await holdWhilePaused(input, book, desk);
      if (!isToBeSent(book.status())) break;
    }
    desk.isSending = true;
    const charged = await charge(input, book.attemptId(), book.provenUnsent() + 1);
    desk.isSending = false;
    if (charged.kind === 'answered') return await takeAnswer(input, book, charged.result);
    const { failure } = charged;
    if (failure.stop === 'not_to_be_sent' && !(await isStillToBeSent(book))) return;
    if (failure.kind === 'ambiguous') return await loseAnswer(input, book, failure);
    // A send that was not claimed is still to be made: its number is not used up.
    if (failure.dispatched) book.countUnsent();
    const isOver = failure.kind === 'misconfigured' || failure.stop === 'too_late';
    if (isOver || failure.isExpired || tried >= max_sends) {
      return await fail(input, book, failure);
    }
    const policyMs = scheduleAt(resend_after_ms, tried - 1);
    const waitMs = Math.max(policyMs, failure.retryAfterMs ?? 0);
    await book.write({
      key: `resend/${tried}`,
      action: 'payment.resend_planned',
      cause: `nothing was sent: ${failure.message}`,
      waitingFor: 'resend',
      waitMs,
    });
    desk.isAnswerable = true;
    await pause(input, book, desk, waitMs, 'pause before the next send');
  }
  // The provider's own word came meanwhile: what it spoke of was sent, and nothing follows it.
  if (!isClosed(book.status())) book.setOut(true);
}

/** The claim takes no other (`dispatched` in the payment's table). */
function isToBeSent(status: PaymentStatus): boolean {
  return status === 'created' || status === 'processing';
}

/** The row stopped the send: where it stands is read, and nothing is written down. */
async function isStillToBeSent(book: Book): Promise<boolean> {
  const cause = 'the payment was not to be sent any more';
  await book.write({ key: 'stopped', action: 'payment.outcome_noted', cause, isSilent: true });
  const isStill = isToBeSent(book.status());
  if (!isStill) book.setOut(true);
  return isStill;
}

/** Waits, and takes what comes in the meantime: a cancel ends the payment. */
async function pause(
  input: PaymentInput,
  book: Book,
  desk: Desk,
  waitMs: number,
  summary: string,
): Promise<void> {
  const until = Date.now() + waitMs;
  for (let leftMs = waitMs; leftMs > 0; leftMs = until - Date.now()) {
    if (isClosed(book.status())) return;
    if (!(await desk.newsWithin(leftMs, summary))) return;
    await applyNews(input, book, desk);
  }
}

async function takeAnswer(input: PaymentInput, book: Book, result: ChargeResult): Promise<void> {
  book.setOut(true);
  if (isOutcome(result)) {
    const cause = 'the provider’s answer';
    const verdict = { outcome: result, key: 'charge', cause, delivered: null };
    return await settleVerdict(input, book, verdict);
  }
  const isAction = result.kind === 'action_required';
  const { payer_action, callback_wait_ms } = input.policy;
  await book.write({
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

async function loseAnswer(input: PaymentInput, book: Book, lost: SendFailure): Promise<void> {
  book.setOut(true, lost.dispatched);
  await book.write({
    key: 'answer-lost',
    action: 'payment.answer_lost',
    cause: lost.message,
    waitingFor: 'callback',
    waitMs: input.policy.callback_wait_ms + input.policy.lookup.window_ms,
  });
}

/**
 * No send did anything, and the policy allows no more: another attempt where it names one, else the
 * end. With our own storage away until now nobody can tell, so the payment's row decides: what was
 * never claimed has failed, anything else needs review. The row decides as well where it counts a
 * send that this run does not know of: that one may be at the provider, and is asked about.
 */
async function fail(input: PaymentInput, book: Book, refused: SendFailure): Promise<void> {
  const { kind, failureCode, providerCode, message } = refused;
  const isProven = kind !== 'not_dispatched';
  const outcome = unpaid('declined', failure(failureCode, providerCode, message));
  const provenUnsent = book.provenUnsent();
  const proof = isProven ? { provenUnsent } : {};
  const note = `${message}; another run of this send was claimed`;
  const claimed = { ...refused, dispatched: true, message: note };
  if (isProven && refused.stop !== 'too_late') {
    const failed = { outcome, key: 'refused', webhook: null, provenUnsent };
    if (await planReattempt(input, book, failed)) {
      return book.isOut() ? await loseAnswer(input, book, claimed) : undefined;
    }
  }
  if (!isProven) book.setOut(true);
  const wasSent = provenUnsent > 0 || book.status() === 'processing';
  const written = await book.write({
    ...proof,
    key: 'refused',
    action: 'payment.settled',
    cause: message,
    event: isProven && wasSent ? 'declined' : 'gave_up',
    outcome,
    // No run of the charge told that it claimed anything: what the row remembers counts.
    mayBeAtProvider: wasSent,
    reviewReason: 'no_answer',
    waitingFor: 'review',
    waitMs: scheduleAt(input.policy.review.ask_every_ms, 0),
  });
  if (written.mayBeAtProvider === true) await loseAnswer(input, book, claimed);
}
