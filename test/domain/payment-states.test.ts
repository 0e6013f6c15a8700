import {
  isClosed,
  next,
  PAYMENT_EVENTS,
  PAYMENT_STATES,
  PAYMENT_STATUSES,
  type PaymentStatus,
} from '../../domain/payment-states.ts';

// Written by hand from the design, not from the code. `-` is refused, `.` changes nothing.
// table
const EXPECTED = `
                 dispatched  action_required  authorized    succeeded     declined  canceled  gave_up
created          processing  requires_action  needs_review  needs_review  failed    canceled  failed
processing       .           requires_action  authorized    succeeded     failed    canceled  needs_review
requires_action  -           .                authorized    succeeded     failed    canceled  needs_review
authorized       -           -                .             succeeded     failed    canceled  needs_review
needs_review     -           -                authorized    succeeded     failed    canceled  .
succeeded        -           -                .             .             -         -         -
failed           -           -                needs_review  needs_review  .         .         -
canceled         -           -                needs_review  needs_review  .         .         -
`;

const [events = [], ...rows] = EXPECTED.trim()
  .split('\n')
  .map((line) => line.trim().split(/\s+/));
const CELLS = rows.flatMap(([from = '', ...cells]) =>
  cells.map((cell, index) => ({ from, event: events[index] ?? '', cell })),
);

function transitionOf(cell: string) {
  if (cell === '-') return { kind: 'refused' };
  return cell === '.' ? { kind: 'already_there' } : { kind: 'moved', to: cell };
}

test('the expected table and the real one have the same rows and columns', () => {
  expect(rows.map(([from]) => from)).toEqual(Object.keys(PAYMENT_STATES));
  expect(Object.keys(PAYMENT_STATES)).toEqual([...PAYMENT_STATUSES]);
  expect(events).toEqual([...PAYMENT_EVENTS]);
  for (const row of Object.values(PAYMENT_STATES)) expect(Object.keys(row)).toEqual(events);
  expect(CELLS).toHaveLength(56);
});

test.each(CELLS)('$from, $event: $cell', ({ from, event, cell }) => {
  const status = PAYMENT_STATUSES.find((it) => it === from) ?? 'created';
  const known = PAYMENT_EVENTS.find((it) => it === event) ?? 'gave_up';
  expect([status, known]).toEqual([from, event]);
  expect(next(status, known)).toEqual(transitionOf(cell));
});

function reachableFrom(start: PaymentStatus): ReadonlySet<PaymentStatus> {
  const reached = new Set<PaymentStatus>([start]);
  for (const status of reached) {
    for (const event of PAYMENT_EVENTS) {
      const transition = next(status, event);
      if (transition.kind === 'moved') reached.add(transition.to);
    }
  }
  return reached;
}

test('every status can be reached from created, and none leads back to it', () => {
  expect([...reachableFrom('created')].sort()).toEqual([...PAYMENT_STATUSES].sort());
  for (const status of PAYMENT_STATUSES) {
    if (status !== 'created') expect(reachableFrom(status).has('created')).toBe(false);
  }
});

test.each(PAYMENT_STATUSES)('%s can still end', (status) => {
  expect([...reachableFrom(status)].some(isClosed)).toBe(true);
});

test('succeeded, failed and canceled are closed, all others open', () => {
  expect(PAYMENT_STATUSES.filter(isClosed)).toEqual(['succeeded', 'failed', 'canceled']);
});

test('money that was confirmed is never lost again: succeeded leads nowhere', () => {
  expect([...reachableFrom('succeeded')]).toEqual(['succeeded']);
});

test('a closed payment only ever moves to review, where a person or the policy decides', () => {
  const exits = PAYMENT_STATUSES.filter(isClosed).flatMap((status) =>
    PAYMENT_EVENTS.map((event) => next(status, event)).filter(({ kind }) => kind === 'moved'),
  );
  expect(exits).toHaveLength(4);
  for (const exit of exits) expect(exit).toEqual({ kind: 'moved', to: 'needs_review' });
});
