import { condition, setHandler } from '@temporalio/workflow';
import type { RefundDecision } from '../domain/decision.ts';
import type { RefundInput } from '../domain/refund.ts';
import { isRefundClosed } from '../domain/refund-states.ts';
import type { DeliveredRefundEvent } from '../domain/webhook-event.ts';
import { decideRefundUpdate, firstRefundStateUpdate, refundEventSignal } from './messages.ts';
import type { RefundBook } from './refund-book.ts';
import { refuseRefundDecision } from './refusals.ts';
import { openRunCount, type RunCount } from './run-count.ts';

/** Where news of a refund arrive while its workflow is busy or waiting. */
export type RefundDesk = {
  /** Whether the first caller may have the refund's state. */
  isAnswerable: boolean;
  readonly count: RunCount;
  readonly hasNews: () => boolean;
  takeEvent(): DeliveredRefundEvent | undefined;
  takeDecision(): RefundDecision | undefined;
  newsWithin(timeoutMs: number, summary: string): Promise<boolean>;
};

/** Opens the desk. To be called before the workflow's first await. */
export function openRefundDesk(input: RefundInput, book: RefundBook): RefundDesk {
  const events: DeliveredRefundEvent[] = [];
  const decisions: RefundDecision[] = [];
  const seen = new Set<string>();
  const count = openRunCount(input.limits);
  const desk: RefundDesk = {
    isAnswerable: false,
    count,
    hasNews: () => events.length > 0 || decisions.length > 0,
    takeEvent: () => events.shift(),
    takeDecision: () => decisions.shift(),
    newsWithin: async (timeoutMs, summary) =>
      desk.hasNews() || (await condition(desk.hasNews, timeoutMs, { summary })),
  };
  setHandler(refundEventSignal, (delivered) => {
    count.signal();
    if (seen.has(delivered.eventId)) return;
    seen.add(delivered.eventId);
    events.push(delivered);
  });
  setHandler(firstRefundStateUpdate, async () => {
    count.update();
    await condition(() => desk.isAnswerable);
    return book.status();
  });
  setHandler(
    decideRefundUpdate,
    async (decision) => {
      count.update();
      decisions.push(decision);
      await condition(() => isRefundClosed(book.status()));
      return book.status();
    },
    { validator: (decision) => refuseRefundDecision(book, decision) },
  );
  return desk;
}
