import fc from 'fast-check';
import {
  CURRENCIES,
  exponentOf,
  formatMoney,
  fromWholeUnits,
  isAmountMinor,
  isCurrency,
  money,
  wholeUnits,
} from '../../domain/money.ts';

// The same cases in every run.
fc.configureGlobal({ seed: 20_261_124 });

const currency = fc.constantFrom(...CURRENCIES);
const amountMinor = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });

// The digits after the point by ISO 4217, written from the standard.
const ISO_4217 = {
  KES: 2,
  USD: 2,
  EUR: 2,
  GBP: 2,
  TZS: 2,
  NGN: 2,
  GHS: 2,
  ZAR: 2,
  UGX: 0,
  RWF: 0,
  JPY: 0,
  KWD: 3,
} as const;

test('exponents are those of ISO 4217', () => {
  expect(Object.fromEntries(CURRENCIES.map((it) => [it, exponentOf(it)]))).toEqual(ISO_4217);
});

test.each(['kes', 'Kes', 'ZZZ', '', 'KES ', 'toString', '__proto__'])('%p is no currency', (text) =>
  expect(isCurrency(text)).toBe(false),
);

const REFUSED = [
  { what: 'nothing', value: 0 },
  { what: 'minus nothing', value: -0 },
  { what: 'a negative amount', value: -1 },
  { what: 'a fraction', value: 100.5 },
  { what: '2^53', value: 2 ** 53 },
  { what: 'NaN', value: Number.NaN },
  { what: 'infinity', value: Number.POSITIVE_INFINITY },
] as const;

test.each(REFUSED)('$what is refused as an amount', ({ value }) => {
  expect(isAmountMinor(value)).toBe(false);
  expect(() => money(value, 'KES')).toThrow(RangeError);
});

test.each([['100'], [100n], [null], [undefined], [[100]], [{}]])('%p is no amount', (value) => {
  expect(isAmountMinor(value)).toBe(false);
});

test('from 1 to 2^53 - 1 every integer is an amount', () => {
  for (const edge of [1, Number.MAX_SAFE_INTEGER]) {
    expect(money(edge, 'KES')).toEqual({ amountMinor: edge, currency: 'KES' });
  }
  fc.assert(fc.property(amountMinor, isAmountMinor));
});

const FORMATTED = [
  { amountMinor: 10_050, currency: 'KES', text: 'KES 100.50' },
  { amountMinor: 5, currency: 'KES', text: 'KES 0.05' },
  { amountMinor: 50, currency: 'USD', text: 'USD 0.50' },
  { amountMinor: 500, currency: 'UGX', text: 'UGX 500' },
  { amountMinor: 1, currency: 'UGX', text: 'UGX 1' },
  { amountMinor: 1, currency: 'KWD', text: 'KWD 0.001' },
  { amountMinor: 1_234_567, currency: 'KWD', text: 'KWD 1234.567' },
  { amountMinor: Number.MAX_SAFE_INTEGER, currency: 'KES', text: 'KES 90071992547409.91' },
] as const;

test.each(FORMATTED)('$amountMinor $currency reads $text', ({ text, ...amount }) => {
  expect(formatMoney(amount)).toBe(text);
});

test('the text of any amount has all its digits and the point in its place', () => {
  fc.assert(
    fc.property(amountMinor, currency, (minor, unit) => {
      const text = formatMoney(money(minor, unit));
      expect(text.startsWith(`${unit} `)).toBe(true);
      const [whole = '', fraction = ''] = text.slice(4).split('.');
      expect(whole).toMatch(/^(0|[1-9]\d*)$/);
      expect(fraction).toHaveLength(exponentOf(unit));
      expect(BigInt(whole + fraction)).toBe(BigInt(minor));
    }),
  );
});

test('whole units go to minor units and back without loss', () => {
  fc.assert(
    fc.property(currency, fc.integer({ min: 1, max: 9_007_199_254_740 }), (unit, units) => {
      const minor = fromWholeUnits(units, unit);
      expect(minor).toBe(units * 10 ** exponentOf(unit));
      expect(wholeUnits(money(minor ?? 0, unit))).toBe(units);
    }),
  );
});

test('an amount with a fraction of a unit has no whole units: it is never rounded', () => {
  fc.assert(
    fc.property(amountMinor, currency, (minor, unit) => {
      const isWhole = BigInt(minor) % 10n ** BigInt(exponentOf(unit)) === 0n;
      const units = wholeUnits(money(minor, unit));
      expect(units === null).toBe(!isWhole);
      if (units !== null) expect(fromWholeUnits(units, unit)).toBe(minor);
    }),
  );
});

const FROM_UNITS = [
  { units: 100, currency: 'KES', minor: 10_000 },
  { units: 100.5, currency: 'KES', minor: 10_050 },
  { units: 0.07, currency: 'KES', minor: 7 },
  { units: 1.005, currency: 'KES', minor: null },
  { units: 1.005, currency: 'KWD', minor: 1_005 },
  { units: 1.5, currency: 'UGX', minor: null },
  { units: 0, currency: 'KES', minor: null },
  { units: -1, currency: 'KES', minor: null },
  { units: Number.NaN, currency: 'KES', minor: null },
  { units: Number.POSITIVE_INFINITY, currency: 'KES', minor: null },
  { units: 2 ** 53, currency: 'KES', minor: null },
] as const;

test.each(FROM_UNITS)('$units $currency is $minor minor units', ({ units, currency, minor }) => {
  expect(fromWholeUnits(units, currency)).toBe(minor);
});

test('what a provider writes with decimals is read exactly, up to a billion units', () => {
  fc.assert(
    fc.property(currency, fc.integer({ min: 1, max: 1_000_000_000 }), (unit, minor) => {
      const written = Number(formatMoney(money(minor, unit)).slice(4));
      expect(fromWholeUnits(written, unit)).toBe(minor);
    }),
  );
});
