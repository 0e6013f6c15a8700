/**
 * Money is an integer count of minor units and a currency. It is never a float and never without
 * its currency. Exponents: ISO 4217.
 */
const EXPONENTS = {
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

export type Currency = keyof typeof EXPONENTS;
export const CURRENCIES = Object.keys(EXPONENTS).filter(isCurrency);

export type Money = { readonly amountMinor: number; readonly currency: Currency };

/** True for a currency of the table above, spelled in capitals. */
export function isCurrency(text: string): text is Currency {
  return Object.hasOwn(EXPONENTS, text);
}

/** Digits after the point: KES 2, UGX 0, KWD 3. */
export function exponentOf(currency: Currency): number {
  return EXPONENTS[currency];
}

/** True for an integer that a JSON number carries without loss and that is more than nothing. */
export function isAmountMinor(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}

/**
 * Builds money from minor units.
 * @throws RangeError when the amount is not a positive safe integer.
 */
export function money(amountMinor: number, currency: Currency): Money {
  if (!isAmountMinor(amountMinor)) {
    throw new RangeError(
      `an amount is a positive integer of minor units, not ${String(amountMinor)}`,
    );
  }
  return { amountMinor, currency };
}

/** Text for people: `KES 100.50`, `UGX 500`. */
export function formatMoney({ amountMinor, currency }: Money): string {
  const exponent = exponentOf(currency);
  const digits = String(amountMinor).padStart(exponent + 1, '0');
  if (exponent === 0) return `${currency} ${digits}`;
  return `${currency} ${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`;
}

/**
 * Whole units of a currency, for providers that take no decimals (M-Pesa: shillings).
 * Null when the amount has a fraction: it is refused, never rounded.
 */
export function wholeUnits({ amountMinor, currency }: Money): number | null {
  const unit = 10 ** exponentOf(currency);
  return amountMinor % unit === 0 ? amountMinor / unit : null;
}

/** Minor units of a count of whole units (a provider's `Amount: 100.00`); null when not exact. */
export function fromWholeUnits(units: number, currency: Currency): number | null {
  const amountMinor = Math.round(units * 10 ** exponentOf(currency));
  if (!isAmountMinor(amountMinor)) return null;
  return amountMinor / 10 ** exponentOf(currency) === units ? amountMinor : null;
}
