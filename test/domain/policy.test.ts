import { FAILURE_CODES, FAILURES } from '../../domain/error.ts';
import { retryRuleOf, spellOut } from '../../domain/policy.ts';
import { POLICY } from '../factories.ts';

const OPEN = { code: 'card_refused', providerCode: 'do_not_honor', isFinal: false } as const;
const FINAL = { ...OPEN, isFinal: true };
const PAYER = { who: 'payer' } as const;
const LATER = { who: 'later', after_ms: 60_000 } as const;
const AUTO = { who: 'later', after_ms: 5_000, auto: true } as const;
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
] as const)('%s', (_what, changes, failed, expected) => {
  expect(retryRuleOf({ ...POLICY, ...changes }, failed)).toEqual(expected);
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
