import { refundableMinor } from '../../domain/refund.ts';
import {
  isRefundClosed,
  nextRefund,
  REFUND_EVENTS,
  REFUND_STATUSES,
  type RefundEvent,
  type RefundStatus,
} from '../../domain/refund-states.ts';

/** Written by hand, on purpose: the table of the code must say the same. */
const EXPECTED = `
pending       succeeded     failed  needs_review
needs_review  succeeded     failed  .
succeeded     .             failed  -
failed        needs_review  .       -
`;
const rows = EXPECTED.trim().split('\n');
const cells = rows.flatMap((row) => {
  const [status = '', ...columns] = row.split(/\s+/);
  return columns.map((cell, index) => [status, REFUND_EVENTS[index] ?? '', cell] as const);
});

test.each(cells)('%s + %s is %s', (status, event, cell) => {
  if (!isStatus(status) || !isEvent(event)) throw new Error(`${status} + ${event}`);
  const transition = nextRefund(status, event);
  const told = transition.kind === 'moved' ? transition.to : MARKS[transition.kind];
  expect(told).toBe(cell);
});

const MARKS = { already_there: '.', refused: '-' } as const;
const isStatus = (text: string): text is RefundStatus => REFUND_STATUSES.some((it) => it === text);
const isEvent = (text: string): text is RefundEvent => REFUND_EVENTS.some((it) => it === text);

test('the table has every cell, and what reserves money is open', () => {
  expect(cells).toHaveLength(REFUND_STATUSES.length * REFUND_EVENTS.length);
  expect(REFUND_STATUSES.filter(isRefundClosed)).toEqual(['succeeded', 'failed']);
});

test('what is left to refund is not given back, not on its way, and not lost', () => {
  const sums = {
    amountCapturedMinor: 10_000,
    amountRefundedMinor: 3_000,
    amountReservedMinor: 500,
    amountDisputedMinor: 0,
  };
  expect(refundableMinor(sums)).toBe(6_500);
  expect(refundableMinor({ ...sums, amountDisputedMinor: 2_000 })).toBe(4_500);
  expect(() => refundableMinor({ ...sums, amountReservedMinor: 7_001 })).toThrow(RangeError);
});
