import {
  ATTEMPT_EVENTS,
  ATTEMPT_STATES,
  ATTEMPT_STATUSES,
  type AttemptStatus,
  nextAttempt,
} from '../../domain/attempt-states.ts';

// Written by hand from the design, not from the code. `-` is refused, `.` changes nothing.
const EXPECTED = `
            dispatch    lose_answer  settle
prepared    dispatched  -            settled
dispatched  .           unknown      settled
unknown     -           .            settled
settled     -           -            .
`;

const [events = [], ...rows] = EXPECTED.trim()
  .split('\n')
  .map((line) => line.trim().split(/\s+/));
const CELLS = rows.flatMap(([from = '', ...cells]) =>
  cells.map((cell, index) => ({ from, event: events[index] ?? '', cell })),
);

test('the expected table and the real one have the same rows and columns', () => {
  expect(rows.map(([from]) => from)).toEqual(Object.keys(ATTEMPT_STATES));
  expect(Object.keys(ATTEMPT_STATES).sort()).toEqual([...ATTEMPT_STATUSES].sort());
  expect(events).toEqual([...ATTEMPT_EVENTS]);
  for (const row of Object.values(ATTEMPT_STATES)) expect(Object.keys(row)).toEqual(events);
  expect(CELLS).toHaveLength(12);
});

test.each(CELLS)('$from, $event: $cell', ({ from, event, cell }) => {
  const status = ATTEMPT_STATUSES.find((it) => it === from) ?? 'prepared';
  const known = ATTEMPT_EVENTS.find((it) => it === event) ?? 'settle';
  expect([status, known]).toEqual([from, event]);
  expect(ATTEMPT_STATES[status][known]).toBe(cell);
  expect(nextAttempt(status, known)).toBe(cell === '-' || cell === '.' ? from : cell);
});

test('every status can be reached from prepared, and each can still be settled', () => {
  const reached = new Set<AttemptStatus>(['prepared']);
  for (const status of reached) {
    for (const event of ATTEMPT_EVENTS) reached.add(nextAttempt(status, event));
  }
  expect([...reached].sort()).toEqual([...ATTEMPT_STATUSES].sort());
  for (const status of ATTEMPT_STATUSES) expect(nextAttempt(status, 'settle')).toBe('settled');
});
