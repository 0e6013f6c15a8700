import { condition, setHandler } from '@temporalio/workflow';
import type { RefundDecision } from '../domain/decision.ts';
import { isRefundClosed } from '../domain/refund-states.ts';
import type { DeliveredRefundEvent } from '../domain/webhook-event.ts';
import { decideRefundUpdate, firstRefundStateUpdate, refundEventSignal } from './messages.ts';
import type { RefundBook } from './refund-book.ts';
import { refuseRefundDecision } from './refusals.ts';

/** Where news of a refund arrive while its workflow is busy or waiting. */
export type RefundDesk = {
  /** Whether the first caller may have the refund's state. */
  isAnswerable: boolean;
  readonly hasNews: () => boolean;
  takeEvent(): DeliveredRefundEvent | undefined;
  takeDecision(): RefundDecision | undefined;
  newsWithin(timeoutMs: number, summary: string): Promise<boolean>;
};

/** Opens the desk. To be called before the workflow's first await. */
export function openRefundDesk(book: RefundBook): RefundDesk {
  const events: DeliveredRefundEvent[] = [];
  const decisions: RefundDecision[] = [];
  const seen = new Set<string>();
  const desk: RefundDesk = {
    isAnswerable: false,
    hasNews: () => events.length > 0 || decisions.length > 0,
    takeEvent: () => events.shift(),
    takeDecision: () => decisions.shift(),
    newsWithin: async (timeoutMs, summary) =>
      desk.hasNews() || (await condition(desk.hasNews, timeoutMs, { summary })),
  };
  setHandler(refundEventSignal, (delivered) => {
    if (seen.has(delivered.eventId)) return;
    seen.add(delivered.eventId);
    events.push(delivered);
  });
  setHandler(firstRefundStateUpdate, async () => {
    await condition(() => desk.isAnswerable);
    return book.status();
  });
  setHandler(
    decideRefundUpdate,
    async (decision) => {
      decisions.push(decision);
      await condition(() => isRefundClosed(book.status()));
      return book.status();
    },
    { validator: (decision) => refuseRefundDecision(book, decision) },
  );
  return desk;
}
