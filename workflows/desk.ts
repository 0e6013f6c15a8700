import {
  ApplicationFailure,
  CancellationScope,
  condition,
  isCancellation,
  setHandler,
} from '@temporalio/workflow';
import { type Decision, faultOfDecision } from '../domain/decision.ts';
import { isClosed } from '../domain/payment-states.ts';
import type { DeliveredEvent } from '../domain/webhook-event.ts';
import type { Book } from './book.ts';
import { cancelUpdate, decideUpdate, firstStateUpdate, providerEventSignal } from './messages.ts';

/** Where news of a payment arrive while its workflow is busy or waiting. */
export type Desk = {
  /** Whether a charge is on its way to the provider; while it is, nothing can be canceled. */
  isSending: boolean;
  /** Whether the first caller may have the payment's state. */
  isAnswerable: boolean;
  readonly hasNews: () => boolean;
  takeEvent(): DeliveredEvent | undefined;
  takeDecision(): Decision | undefined;
  isCancelWanted(): boolean;
  /** Waits until there is news, at most this long; true when there is. */
  newsWithin(timeoutMs: number, summary: string): Promise<boolean>;
  /** Runs a task until it ends or news arrive; undefined when news came first. */
  unlessNews<T>(task: () => Promise<T>): Promise<T | undefined>;
};

/** Opens the desk. To be called before the workflow's first await. */
export function openDesk(book: Book): Desk {
  const events: DeliveredEvent[] = [];
  const decisions: Decision[] = [];
  const seen = new Set<string>();
  let cancelWanted = false;

  const desk: Desk = {
    isSending: false,
    isAnswerable: false,
    hasNews: () => events.length > 0 || decisions.length > 0 || cancelWanted,
    takeEvent: () => events.shift(),
    takeDecision: () => decisions.shift(),
    isCancelWanted: () => cancelWanted,
    newsWithin: async (timeoutMs, summary) =>
      desk.hasNews() || (await condition(desk.hasNews, timeoutMs, { summary })),
    unlessNews: (task) => raceNews(desk, task),
  };

  setHandler(providerEventSignal, (delivered) => {
    if (seen.has(delivered.eventId)) return;
    seen.add(delivered.eventId);
    events.push(delivered);
  });
  setHandler(firstStateUpdate, async () => {
    await condition(() => desk.isAnswerable);
    return book.status();
  });
  setHandler(
    cancelUpdate,
    async () => {
      cancelWanted = true;
      await condition(() => isClosed(book.status()));
      return book.status();
    },
    { validator: () => refuseCancel(book, desk) },
  );
  setHandler(
    decideUpdate,
    async (decision) => {
      decisions.push(decision);
      await condition(() => isClosed(book.status()));
      return book.status();
    },
    { validator: (decision) => refuseDecision(book, decision) },
  );
  return desk;
}

function refuseCancel(book: Book, desk: Desk): void {
  if (isClosed(book.status())) {
    throw ApplicationFailure.nonRetryable(`it is ${book.status()} already`, 'payment_closed');
  }
  if (desk.isSending || book.isOut()) {
    throw ApplicationFailure.nonRetryable('it was sent to the provider already', 'already_sent');
  }
}

function refuseDecision(book: Book, decision: Decision): void {
  if (book.status() !== 'needs_review') {
    throw ApplicationFailure.nonRetryable(`it is ${book.status()}`, 'not_in_review');
  }
  const fault = faultOfDecision(decision);
  if (fault !== null) throw ApplicationFailure.nonRetryable(fault, 'invalid_decision');
}

async function raceNews<T>(desk: Desk, task: () => Promise<T>): Promise<T | undefined> {
  const scope = new CancellationScope();
  const running = scope.run(task).catch((error: unknown) => {
    if (isCancellation(error)) return undefined;
    throw error;
  });
  const winner = await Promise.race([running, condition(desk.hasNews).then(() => undefined)]);
  if (desk.hasNews()) scope.cancel();
  return winner;
}
