/** Stripe promises no order of its events (docs.stripe.com/webhooks#event-ordering). */
export type Order = 'sent' | 'reversed' | 'shuffled';

/** Where an event comes by its place; the same events always leave in the same order. */
const RANKS = {
  sent: (place) => place,
  reversed: (place) => -place,
  // Every second one first, so that already two of them change places.
  shuffled: (place) => (place % 2 === 1 ? place - Number.MAX_SAFE_INTEGER : place),
} as const satisfies Record<Order, (place: number) => number>;

/** What gathered during one delay, in the order in which it is to leave. */
export function arrange<T>(events: readonly T[], order: Order): readonly T[] {
  return events
    .map((event, place) => ({ event, rank: RANKS[order](place) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ event }) => event);
}
