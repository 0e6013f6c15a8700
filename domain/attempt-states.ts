/**
 * An attempt is one dispatch to a provider. `dispatched` is written before the first byte that may
 * move money leaves; from then on only an answer of the provider can settle it.
 */
export const ATTEMPT_STATUSES = ['prepared', 'dispatched', 'unknown', 'settled'] as const;
export type AttemptStatus = (typeof ATTEMPT_STATUSES)[number];

export const ATTEMPT_EVENTS = ['dispatch', 'lose_answer', 'settle'] as const;
export type AttemptEvent = (typeof ATTEMPT_EVENTS)[number];

type Cell = AttemptStatus | '-' | '.';

// table
// biome-ignore format: a table is read by its columns
export const ATTEMPT_STATES = {
  prepared:   { dispatch: 'dispatched', lose_answer: '-',       settle: 'settled' },
  dispatched: { dispatch: '.',          lose_answer: 'unknown', settle: 'settled' },
  unknown:    { dispatch: '-',          lose_answer: '.',       settle: 'settled' },
  settled:    { dispatch: '-',          lose_answer: '-',       settle: '.' },
} as const satisfies Record<AttemptStatus, Record<AttemptEvent, Cell>>;

/** The attempt's next status; the same one when the event is refused or changes nothing. */
export function nextAttempt(status: AttemptStatus, event: AttemptEvent): AttemptStatus {
  const cell: Cell = ATTEMPT_STATES[status][event];
  return cell === '-' || cell === '.' ? status : cell;
}
