import { FAILURE_CODES, FAILURES } from '../../domain/error.ts';
import { type RetryRules, retryRuleOf, spellOut } from '../../domain/policy.ts';
import { POLICY } from '../factories.ts';

const OPEN = { code: 'card_refused', providerCode: 'do_not_honor', isFinal: false } as const;
const FINAL = { ...OPEN, isFinal: true };
const PAYER = { who: 'payer' } as const;
const LATER = { who: 'later', after_ms: 60_000 } as const;
const AUTO = { who: 'later', after_ms: 5_000, auto: true } as const;
const former = (after_ms: Readonly<Record<string, number>>) => ({
  reattempt: { ...POLICY.reattempt, after_ms },
});
const ours = { retry: { by_code: { card_refused: LATER } } };
const theirs = { retry: { by_provider_code: { do_not_honor: AUTO } } };
const both = { retry: { ...ours.retry, ...theirs.retry } };

test.each([
  // table
  ['no rule: what the code itself says', {}, OPEN, PAYER],
  ['a rule of another code', { retry: { by_code: { declined: AUTO } } }, OPEN, PAYER],
  ['a rule of our code', ours, OPEN, LATER],
  ['a rule of the provider’s code', theirs, OPEN, AUTO],
  ['both: the provider’s code wins', both, OPEN, AUTO],
  [
    'both, and a failure without a code of the provider',
    both,
    { ...OPEN, providerCode: null },
    LATER,
  ],
  ['a final decline: no rule counts', both, FINAL, { who: 'nobody' }],
  ['a provider’s code that every object has', theirs, { ...OPEN, providerCode: 'toString' }, PAYER],
  [
    'the former spelling',
    former({ card_refused: 300 }),
    OPEN,
    { ...PAYER, after_ms: 300, auto: true },
  ],
  [
    'both codes in it',
    former({ card_refused: 3, do_not_honor: 9 }),
    OPEN,
    { ...PAYER, after_ms: 9, auto: true },
  ],
  [
    'it, with a code that every object has',
    former({}),
    { ...OPEN, providerCode: 'toString' },
    PAYER,
  ],
  ['it, of a final decline', former({ card_refused: 300 }), FINAL, { who: 'nobody' }],
  [
    'it, beside a rule without auto',
    { ...ours, ...former({ do_not_honor: 9 }) },
    OPEN,
    { ...LATER, after_ms: 9, auto: true },
  ],
  ['it, beside a rule that says auto', { ...theirs, ...former({ do_not_honor: 9 }) }, OPEN, AUTO],
] as const)('%s', (_what, changes, failed, expected) => {
  expect(retryRuleOf({ ...POLICY, ...changes }, failed)).toEqual(expected);
});

test('a rule that says no to auto ends what the former spelling asks for', () => {
  const retry: RetryRules = { by_code: { card_refused: { ...PAYER, auto: false } } };
  const policy = { ...POLICY, retry, ...former({ card_refused: 300 }) };
  expect(retryRuleOf(policy, OPEN)).toEqual({ ...PAYER, auto: false });
});

test('spelled out, a policy says of each of our codes what holds', () => {
  const shown = spellOut({ ...POLICY, ...both });
  expect(shown.retry?.by_provider_code).toEqual(theirs.retry.by_provider_code);
  expect(Object.keys(shown.retry?.by_code ?? {})).toEqual(FAILURE_CODES);
  expect(shown.retry?.by_code).toMatchObject({
    card_refused: LATER,
    card_blocked: { who: FAILURES.card_blocked.who },
  });
});
