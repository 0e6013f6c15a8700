import { faultOfAmount, faultOfStep } from '../../domain/amount-rule.ts';

/** What is told of an amount that a provider does not take: mostly one sent in whole units. */
const SHILLINGS = { min_minor: 100, max_minor: 25_000_000, step_minor: 100 };
const FIVES = { min_minor: 5, max_minor: 1_000, step_minor: 5 };

// biome-ignore format: table, one case per line
test.each([
  [SHILLINGS, 15_000, null],
  [SHILLINGS, 150, 'is KES 1.50; mpesa takes whole KES, so it must be a multiple of 100. For KES 150 send 15000'],
  [SHILLINGS, 10_050, 'is KES 100.50; mpesa takes whole KES, so it must be a multiple of 100. For KES 10050 send 1005000'],
  [SHILLINGS, 24_999_999, 'is KES 249999.99; mpesa takes whole KES, so it must be a multiple of 100'],
  [SHILLINGS, 50, 'is KES 0.50; mpesa takes KES 1.00 (100) to KES 250000.00 (25000000), in minor units. For KES 50 send 5000'],
  [SHILLINGS, 25_000_100, 'is KES 250001.00; mpesa takes KES 1.00 (100) to KES 250000.00 (25000000), in minor units'],
  [FIVES, 12, 'is KES 0.12; mpesa takes multiples of KES 0.05 (5), so it must be a multiple of 5'],
])('of %j: %i', (rule, amountMinor, told) => {
  expect(faultOfAmount('mpesa', rule, { amountMinor, currency: 'KES' })).toBe(told);
});

test('a currency without minor units has nothing to be multiplied by', () => {
  const rule = { min_minor: 500, max_minor: 5_000_000, step_minor: 100 };
  const told = faultOfStep('mpesa', rule, { amountMinor: 550, currency: 'UGX' });
  expect(told).toBe(
    'is UGX 550; mpesa takes multiples of UGX 100 (100), so it must be a multiple of 100',
  );
});

test('a part may be less than a whole payment may', () => {
  expect(faultOfStep('cpay', FIVES, { amountMinor: 5, currency: 'KES' })).toBe(null);
});
