/**
 * A refund's life, one table, read as domain/payment-states.ts. `reserved` money is counted against
 * the payment from the refund's creation until it fails. Providers do take a success back.
 */
export const REFUND_EVENTS = ['succeeded', 'failed', 'gave_up'] as const;
export type RefundEvent = (typeof REFUND_EVENTS)[number];

export const REFUND_STATUSES = ['pending', 'needs_review', 'succeeded', 'failed'] as const;
export type RefundStatus = (typeof REFUND_STATUSES)[number];

type Cell = RefundStatus | '-' | '.';

// table
// biome-ignore format: a table is read by its columns
export const REFUND_STATES = {
  pending:      { succeeded: 'succeeded',    failed: 'failed', gave_up: 'needs_review' },
  needs_review: { succeeded: 'succeeded',    failed: 'failed', gave_up: '.' },
  succeeded:    { succeeded: '.',            failed: 'failed', gave_up: '-' },
  failed:       { succeeded: 'needs_review', failed: '.',      gave_up: '-' },
} as const satisfies Record<RefundStatus, Record<RefundEvent, Cell>>;

export type RefundTransition =
  | { readonly kind: 'moved'; readonly to: RefundStatus }
  | { readonly kind: 'already_there' }
  | { readonly kind: 'refused' };

/** What an event does to a refund in this status. */
export function nextRefund(status: RefundStatus, event: RefundEvent): RefundTransition {
  const cell: Cell = REFUND_STATES[status][event];
  if (cell === '-') return { kind: 'refused' };
  if (cell === '.') return { kind: 'already_there' };
  return { kind: 'moved', to: cell };
}

/** Where a refund's money counts on its payment. */
export const REFUND_COUNTS_AS = {
  pending: 'reserved',
  needs_review: 'reserved',
  succeeded: 'refunded',
  failed: 'nothing',
} as const satisfies Record<RefundStatus, 'reserved' | 'refunded' | 'nothing'>;

/** True when the refund's own workflow has nothing more to wait for. */
export function isRefundClosed(status: RefundStatus): boolean {
  return REFUND_COUNTS_AS[status] !== 'reserved';
}
