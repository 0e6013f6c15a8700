import { condition, setHandler } from '@temporalio/workflow';
import type { Control } from '../domain/control.ts';
import type { Decision } from '../domain/decision.ts';
import type { PaymentInput } from '../domain/payment.ts';
import { isClosed } from '../domain/payment-states.ts';
import type { DeliveredEvent } from '../domain/webhook-event.ts';
import type { Book } from './book.ts';
import {
  cancelUpdate,
  captureUpdate,
  controlSignal,
  decideUpdate,
  firstStateUpdate,
  providerEventSignal,
  verifyUpdate,
} from './messages.ts';
import {
  refusal,
  refuseCancel,
  refuseCapture,
  refuseDecision,
  refuseTaken,
  refuseVerify,
} from './refusals.ts';
import { openRunCount, type RunCount } from './run-count.ts';

/** What a merchant asks of an open payment. `refusal` is set when it was tried and did not go. */
export type Wish = {
  readonly kind: 'cancel' | 'capture' | 'verify';
  readonly amountMinor: number | null;
  /** The operator that asked in the merchant's place. */
  readonly by?: string;
  isAnswered: boolean;
  /** Whether the provider was asked for it, of a verify. */
  isAsked?: boolean;
  refusal: string | null;
};

/** Where news of a payment arrive while its workflow is busy or waiting. */
export type Desk = {
  /** Whether a charge is on its way to the provider; while it is, nothing can be canceled. */
  isSending: boolean;
  /** Whether the first caller may have the payment's state. */
  isAnswerable: boolean;
  /** Whether an operator holds the payment: nothing is sent, nobody is asked. */
  isPaused: boolean;
  /** When an operator last had the provider asked; null for never. */
  lookedUpMs: number | null;
  /** Why it was paused, in the operator's words; null when that is not known. */
  pausedFor: string | null;
  readonly count: RunCount;
  readonly hasNews: () => boolean;
  takeEvent(): DeliveredEvent | undefined;
  takeDecision(): Decision | undefined;
  takeWish(): Wish | undefined;
  takeControl(): Control | undefined;
  /** Waits until there is news, at most this long; true when there is. */
  newsWithin(timeoutMs: number, summary: string): Promise<boolean>;
};

/** Opens the desk. To be called before the workflow's first await. */
export function openDesk(input: PaymentInput, book: Book): Desk {
  const events: DeliveredEvent[] = [];
  const decisions: Decision[] = [];
  const wishes: Wish[] = [];
  const controls: Control[] = [];
  const seen = new Set<string>();
  const count = openRunCount(input.limits);

  const desk: Desk = {
    isSending: false,
    isAnswerable: false,
    isPaused: input.isPaused === true,
    pausedFor: null,
    count,
    lookedUpMs: null,
    hasNews: () =>
      [events, decisions, wishes, controls].some(({ length }) => length > 0) ||
      (book.confirmation?.apply ?? null) !== null,
    takeEvent: () => events.shift(),
    takeDecision: () => decisions.shift(),
    takeWish: () => wishes.shift(),
    takeControl: () => controls.shift(),
    newsWithin: async (timeoutMs, summary) =>
      desk.hasNews() || (await condition(desk.hasNews, timeoutMs, { summary })),
  };
  setHandler(providerEventSignal, (delivered) => {
    count.signal();
    if (seen.has(delivered.eventId)) return;
    seen.add(delivered.eventId);
    events.push(delivered);
  });
  setHandler(controlSignal, (control) => {
    count.signal();
    controls.push(control);
  });
  setHandler(firstStateUpdate, async () => {
    count.update();
    await condition(() => desk.isAnswerable);
    return book.status();
  });
  takeWishes(input, book, desk, wishes);
  setHandler(
    decideUpdate,
    async (decision) => {
      count.update();
      decisions.push(decision);
      await condition(() => isClosed(book.status()));
      return book.status();
    },
    { validator: (decision) => refuseDecision(input, book, decision) },
  );
  return desk;
}

function takeWishes(input: PaymentInput, book: Book, desk: Desk, wishes: Wish[]): void {
  const grant = async (kind: Wish['kind'], amountMinor: number | null = null) => {
    desk.count.update();
    const wish: Wish = { kind, amountMinor, isAnswered: false, refusal: null };
    wishes.push(wish);
    await condition(() => wish.isAnswered || isClosed(book.status()));
    return wish;
  };
  setHandler(
    cancelUpdate,
    async () => {
      const wish = await grant('cancel');
      if (book.status() === 'canceled') return book.status();
      throw refusal(book, 'already_sent', wish.refusal);
    },
    { validator: () => refuseCancel(book, desk.isSending || book.isOut()) },
  );
  setHandler(
    captureUpdate,
    async ({ amountMinor }) => {
      const wish = await grant('capture', amountMinor);
      if (book.status() !== 'succeeded') throw refusal(book, 'capture_refused', wish.refusal);
      refuseTaken(input, book, amountMinor);
      return book.status();
    },
    { validator: ({ amountMinor }) => refuseCapture(input, book, desk, amountMinor) },
  );
  setHandler(
    verifyUpdate,
    async () => {
      desk.count.verify();
      const { isAsked = false, refusal: message } = await grant('verify');
      const ended = isAsked ? null : `it was ${book.status()} before the provider was asked`;
      return { status: book.status(), isAsked, message: message ?? ended };
    },
    { validator: () => refuseVerify(book, desk) },
  );
}
