/**
 * A payment's life, one table. A row is a status, a column an event, a cell the next status.
 * `-` is refused: an audit entry and an alert, the status stays. `.` is already there: no change.
 * The enum of the API, the CHECK of the database and docs/generated/states.md come from here.
 */
export const PAYMENT_EVENTS = [
  'dispatched',
  'action_required',
  'authorized',
  'succeeded',
  'declined',
  'canceled',
  'gave_up',
] as const;
export type PaymentEvent = (typeof PAYMENT_EVENTS)[number];

export const PAYMENT_STATUSES = [
  'created',
  'processing',
  'requires_action',
  'authorized',
  'needs_review',
  'succeeded',
  'failed',
  'canceled',
] as const;
export type PaymentStatus = (typeof PAYMENT_STATUSES)[number];

export function isPaymentStatus(text: string): text is PaymentStatus {
  return PAYMENT_STATUSES.some((status) => status === text);
}

type Cell = PaymentStatus | '-' | '.';

// table
// biome-ignore format: a table is read by its columns
export const PAYMENT_STATES = {
  //                 dispatched                action_required                        authorized                    succeeded                    declined              canceled                gave_up
  created:         { dispatched: 'processing', action_required: 'requires_action',    authorized: 'needs_review',   succeeded: 'needs_review',   declined: 'failed',   canceled: 'canceled',   gave_up: 'failed' },
  processing:      { dispatched: '.',          action_required: 'requires_action',    authorized: 'authorized',     succeeded: 'succeeded',      declined: 'failed',   canceled: 'canceled',   gave_up: 'needs_review' },
  requires_action: { dispatched: '-',          action_required: '.',                  authorized: 'authorized',     succeeded: 'succeeded',      declined: 'failed',   canceled: 'canceled',   gave_up: 'needs_review' },
  authorized:      { dispatched: '-',          action_required: '-',                  authorized: '.',              succeeded: 'succeeded',      declined: 'failed',   canceled: 'canceled',   gave_up: 'needs_review' },
  needs_review:    { dispatched: '-',          action_required: '-',                  authorized: 'authorized',     succeeded: 'succeeded',      declined: 'failed',   canceled: 'canceled',   gave_up: '.' },
  succeeded:       { dispatched: '-',          action_required: '-',                  authorized: '.',              succeeded: '.',              declined: '-',        canceled: '-',          gave_up: '-' },
  failed:          { dispatched: '-',          action_required: '-',                  authorized: 'needs_review',   succeeded: 'needs_review',   declined: '.',        canceled: '.',          gave_up: '-' },
  canceled:        { dispatched: '-',          action_required: '-',                  authorized: 'needs_review',   succeeded: 'needs_review',   declined: '.',        canceled: '.',          gave_up: '-' },
} as const satisfies Record<PaymentStatus, Record<PaymentEvent, Cell>>;

export type Transition =
  | { readonly kind: 'moved'; readonly to: PaymentStatus }
  | { readonly kind: 'already_there' }
  | { readonly kind: 'refused' };

/**
 * What an event does to a payment in this status.
 * @param mayBeAtProvider whether who gives up sent it, or may have: a row that remembers no send
 * is then wrong, and does not prove that nothing was sent (ADR 0016).
 */
export function next(
  status: PaymentStatus,
  event: PaymentEvent,
  mayBeAtProvider = false,
): Transition {
  const isForgotten = status === 'created' && event === 'gave_up' && mayBeAtProvider;
  const cell: Cell = isForgotten ? 'needs_review' : PAYMENT_STATES[status][event];
  if (cell === '-') return { kind: 'refused' };
  if (cell === '.') return { kind: 'already_there' };
  return { kind: 'moved', to: cell };
}

const CLOSED = {
  created: false,
  processing: false,
  requires_action: false,
  authorized: false,
  needs_review: false,
  succeeded: true,
  failed: true,
  canceled: true,
} as const satisfies Record<PaymentStatus, boolean>;

/** True when the payment's own workflow has nothing more to wait for. */
export function isClosed(status: PaymentStatus): boolean {
  return CLOSED[status];
}

/** True when the payment ended without money. */
export function isUnpaid(status: PaymentStatus): boolean {
  return isClosed(status) && status !== 'succeeded';
}
