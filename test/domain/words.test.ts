import fc from 'fast-check';
import { mismatchOf } from '../../domain/capture.ts';
import { DECISIONS, type Decision, faultOfDecision } from '../../domain/decision.ts';
import { FAILURES, failure, PROVIDER_ERROR_KINDS, ProviderError } from '../../domain/error.ts';
import { isOutcome, type Outcome } from '../../domain/outcome.ts';
import { questionsWithin, scheduleAt, scheduleFrom } from '../../domain/policy.ts';
import { makeInconclusive, makeOutcome } from '../factories.ts';

// The same cases in every run.
fc.configureGlobal({ seed: 20_261_124 });

const DECISION: Decision = {
  decision: 'succeeded',
  by: 'amina@example.test',
  reason: 'found in the statement',
  receipt: null,
};

test.each(DECISIONS)('%s is a decision', (decision) => {
  expect(faultOfDecision({ ...DECISION, decision }, null)).toBeNull();
});

const DECISION_FAULTS = [
  { change: { by: '' }, fault: /^by / },
  { change: { by: ' \t' }, fault: /^by / },
  { change: { reason: '' }, fault: /^reason / },
  { change: { reason: '\n' }, fault: /^reason / },
  { change: JSON.parse('{"decision":"refunded"}'), fault: /^decision .*succeeded.*failed/ },
  { change: JSON.parse('{"decision":"toString"}'), fault: /^decision / },
] as const;

test.each(DECISION_FAULTS)('a decision with $change is not valid', ({ change, fault }) => {
  expect(faultOfDecision({ ...DECISION, ...change }, null)).toMatch(fault);
});

const AMOUNTS = [
  // table
  { captureMethod: 'automatic', decision: 'succeeded', amountMinor: undefined, fault: null },
  { captureMethod: 'automatic', decision: 'succeeded', amountMinor: 500, fault: null },
  { captureMethod: 'manual', decision: 'succeeded', amountMinor: 10_000, fault: null },
  { captureMethod: 'manual', decision: 'succeeded', amountMinor: null, fault: /how much/ },
  { captureMethod: 'manual', decision: 'succeeded', amountMinor: 10_001, fault: /1 to 10000/ },
  { captureMethod: 'automatic', decision: 'succeeded', amountMinor: 0, fault: /1 to 10000/ },
  { captureMethod: 'manual', decision: 'succeeded', amountMinor: 1.5, fault: /1 to 10000/ },
  { captureMethod: 'manual', decision: 'failed', amountMinor: null, fault: null },
  { captureMethod: 'manual', decision: 'canceled', amountMinor: 500, fault: /succeeded only/ },
] as const;

// table
const DISPUTED_AMOUNTS = [
  ['amount_mismatch', 'succeeded', null, /another amount/],
  ['amount_mismatch', 'succeeded', 500, null],
  ['amount_mismatch', 'failed', null, null],
  ['late_amount_mismatch', 'succeeded', null, /another amount/],
  ['late_amount_mismatch', 'succeeded', 500, null],
  ['no_answer', 'succeeded', null, null],
  ['contradiction', 'succeeded', null, null],
  ['late_success', 'succeeded', null, null],
  ['history_lost', 'succeeded', null, null],
  [null, 'succeeded', null, null],
] as const;

test.each(DISPUTED_AMOUNTS)(
  'in review for %s: the decision %s with the amount %s',
  (reviewReason, decision, amountMinor, fault) => {
    const payment = { amountMinor: 10_000, captureMethod: 'automatic', reviewReason } as const;
    const found = faultOfDecision({ ...DECISION, decision, amountMinor }, payment);
    if (fault === null) expect(found).toBeNull();
    else expect(found).toMatch(fault);
  },
);

test.each(AMOUNTS)(
  'of a payment captured by $captureMethod: $decision with $amountMinor',
  ({ captureMethod, decision, amountMinor, fault }) => {
    const named = amountMinor === undefined ? {} : { amountMinor };
    const payment = { amountMinor: 10_000, captureMethod };
    const found = faultOfDecision({ ...DECISION, decision, ...named }, payment);
    if (fault === null) expect(found).toBeNull();
    else expect(found).toMatch(fault);
  },
);

const SCHEDULE = [
  { index: 0, at: 15 },
  { index: 1, at: 30 },
  { index: 2, at: 60 },
  { index: 3, at: 60 },
  { index: 1_000_000, at: 60 },
];

test.each(SCHEDULE)('entry $index of 15, 30, 60 is $at', ({ index, at }) => {
  expect(scheduleAt([15, 30, 60], index)).toBe(at);
});

test.each([
  { elapsed: 0, questions: 1 },
  { elapsed: 14, questions: 1 },
  { elapsed: 15, questions: 2 },
  { elapsed: 45, questions: 3 },
  { elapsed: 105, questions: 4 },
  { elapsed: 225, questions: 6 },
])('in $elapsed a schedule of 15, 30, 60 has time for $questions', ({ elapsed, questions }) => {
  expect(questionsWithin([15, 30, 60], elapsed)).toBe(questions);
});

test.each([
  { index: 0, left: [15, 30, 60] },
  { index: 2, left: [60] },
  { index: 7, left: [60] },
])('after $index entries of 15, 30, 60 there is left $left', ({ index, left }) => {
  expect(scheduleFrom([15, 30, 60], index)).toEqual(left);
});

test('an empty schedule is refused', () => {
  expect(() => scheduleAt([], 0)).toThrow(RangeError);
});

const MISMATCHES = [
  { money: { amountMinor: 10_000, currency: 'KES' }, mismatch: null },
  { money: null, mismatch: null },
  { money: { amountMinor: 9_999, currency: 'KES' }, mismatch: 'amount' },
  { money: { amountMinor: 10_001, currency: 'KES' }, mismatch: 'amount' },
  { money: { amountMinor: 10_000, currency: 'USD' }, mismatch: 'currency' },
  { money: { amountMinor: 10_000, currency: 'kes' }, mismatch: 'currency' },
  { money: { amountMinor: 1, currency: 'USD' }, mismatch: 'currency' },
];

test('another phone than the payer’s does not match, whatever the amount', () => {
  const expected = { amountMinor: 10_000, currency: 'KES' } as const;
  const outcome = makeOutcome('succeeded', { payerMismatch: true });
  expect(mismatchOf(outcome, expected)).toBe('payer');
});

test.each(MISMATCHES)('$money against KES 100.00: $mismatch', ({ money, mismatch }) => {
  const expected = { amountMinor: 10_000, currency: 'KES' } as const;
  expect(mismatchOf(makeOutcome('succeeded', { money }), expected)).toBe(mismatch);
});

// table
const CAPTURES = [
  ['succeeded', 10_000, null],
  ['succeeded', 1, null],
  ['succeeded', 9_999, null],
  ['succeeded', 0, 'amount'],
  ['succeeded', -5, 'amount'],
  ['succeeded', 1.5, 'amount'],
  ['succeeded', Number.NaN, 'amount'],
  ['succeeded', 10_001, 'amount'],
  ['authorized', 10_000, null],
  ['authorized', 1, 'amount'],
  ['authorized', 0, 'amount'],
] as const;

test.each(CAPTURES)('a payment captured by hand: %s with %s: %s', (kind, amountMinor, mismatch) => {
  const outcome = makeOutcome(kind, { money: { amountMinor, currency: 'KES' } });
  const expected = { amountMinor: 10_000, currency: 'KES' } as const;
  expect(mismatchOf(outcome, { ...expected, captureMethod: 'manual' })).toBe(mismatch);
});

test('an amount is believed only when it is the very same', () => {
  const amount = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
  fc.assert(
    fc.property(amount, amount, (said, expected) => {
      const outcome = makeOutcome('succeeded', { money: { amountMinor: said, currency: 'KES' } });
      const mismatch = mismatchOf(outcome, { amountMinor: expected, currency: 'KES' });
      expect(mismatch === null).toBe(said === expected);
    }),
  );
});

const KINDS: readonly Outcome['kind'][] = ['succeeded', 'authorized', 'declined', 'canceled'];

test.each(KINDS)('%s is an outcome', (kind) => expect(isOutcome(makeOutcome(kind))).toBe(true));

test.each(['pending', 'unknown'] as const)('%s is no outcome', (kind) => {
  expect(isOutcome(makeInconclusive(kind))).toBe(false);
});

test('a failure speaks our words unless it is given better ones', () => {
  expect(failure('wrong_pin', '2001')).toEqual({
    code: 'wrong_pin',
    message: FAILURES.wrong_pin.text,
    providerCode: '2001',
  });
  expect(failure('declined', null, 'Limit of the day.').message).toBe('Limit of the day.');
});

// What a payment that fails by this error is said to have failed of.
const FAILS_AS = {
  unsent: 'provider_unavailable',
  rate_limited: 'provider_unavailable',
  misconfigured: 'misconfigured',
  ambiguous: 'provider_unavailable',
  not_dispatched: 'provider_unavailable',
} as const;

test.each(PROVIDER_ERROR_KINDS)('a %s error keeps its kind and fails as it should', (kind) => {
  const error = new ProviderError(kind, 'what happened');
  expect(error).toMatchObject({ kind, failureCode: FAILS_AS[kind], providerCode: null });
  expect(error.retryAfterMs).toBeNull();
  const told = new ProviderError(kind, 'what happened', {
    failureCode: 'amount_refused',
    providerCode: '400.002.02',
    retryAfterMs: 5_000,
  });
  expect(told).toMatchObject({
    failureCode: 'amount_refused',
    providerCode: '400.002.02',
    retryAfterMs: 5_000,
  });
});
