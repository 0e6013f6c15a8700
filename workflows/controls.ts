import { patched } from '@temporalio/workflow';
import type { Control, ControlAction } from '../domain/control.ts';
import type { PaymentInput, WaitingFor } from '../domain/payment.ts';
import { isClosed, type PaymentStatus } from '../domain/payment-states.ts';
import { scheduleAt } from '../domain/policy.ts';
import type { Book } from './book.ts';
import type { Desk } from './desk.ts';
import { grantWish } from './wishes.ts';

type Apply = (input: PaymentInput, book: Book, desk: Desk, control: Control) => Promise<void>;

/** Does what an operator asked of all open payments of a provider, as far as it fits this one. */
export async function applyControl(
  input: PaymentInput,
  book: Book,
  desk: Desk,
  control: Control,
): Promise<void> {
  if (!isClosed(book.status())) await APPLY[control.action](input, book, desk, control);
}

const APPLY = {
  async look_up(input, book, desk, { by }) {
    // The trail says that nobody is asked.
    if (desk.isPaused && patched('no-look-up-while-paused')) return;
    // Batches that follow each other ask no faster than the policy lets us.
    const everyMs = scheduleAt(input.policy.lookup.every_ms, 0);
    if (desk.lookedUpMs !== null && Date.now() - desk.lookedUpMs < everyMs) return;
    const wish = { kind: 'verify', amountMinor: null, by, isAnswered: false, refusal: null };
    await grantWish(input, book, { ...wish, kind: 'verify' });
    desk.lookedUpMs = Date.now();
  },
  async pause(_input, book, desk, { by, reason }) {
    if (desk.isPaused) return;
    desk.isPaused = true;
    desk.pausedFor = reason;
    await book.write({
      key: book.numbered('paused'),
      action: 'payment.paused',
      actor: 'operator',
      cause: `${by}: ${reason}`,
      waitingFor: 'resume',
    });
  },
  async resume(_input, book, desk, { by, reason }) {
    if (!desk.isPaused) return;
    desk.isPaused = false;
    desk.pausedFor = null;
    await book.write({
      key: book.numbered('resumed'),
      action: 'payment.resumed',
      actor: 'operator',
      cause: `${by}: ${reason}`,
      waitingFor: WAITS_AGAIN[book.status()],
      waitMs: book.waitLeftMs(),
    });
  },
} as const satisfies Record<ControlAction, Apply>;

/** What a payment waits for when it goes on. */
const WAITS_AGAIN = {
  created: 'resend',
  processing: 'lookup',
  requires_action: 'payer_action',
  authorized: 'capture',
  needs_review: 'review',
  succeeded: null,
  failed: null,
  canceled: null,
} as const satisfies Record<PaymentStatus, WaitingFor | null>;
