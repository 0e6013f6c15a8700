import { invalidRequest } from './errors.ts';

/** Stripe takes at most eight digits. */
const MOST = 99_999_999;

/** The least that Stripe charges, in minor units (docs.stripe.com/currencies). */
// table
const LEAST: Readonly<Record<string, number>> = {
  usd: 50,
  aed: 200,
  aud: 50,
  brl: 50,
  cad: 50,
  chf: 50,
  czk: 1_500,
  dkk: 250,
  eur: 50,
  gbp: 30,
  hkd: 400,
  huf: 17_500,
  inr: 50,
  jpy: 50,
  mxn: 1_000,
  myr: 200,
  nok: 300,
  nzd: 50,
  pln: 200,
  ron: 200,
  sek: 300,
  sgd: 50,
  thb: 1_000,
};

/**
 * For any other currency the amount must be worth USD 0.50, where the account is paid out in
 * dollars. Roughly what that is: rates move, so a test does not go near it.
 */
// table
const WORTH_50_CENTS: Readonly<Record<string, number>> = {
  kes: 6_500,
  kwd: 150,
  ugx: 180_000,
  zar: 900,
};
const OTHERS = 50;

/** @throws StripeFault amount_too_small or amount_too_large. */
export function refuseAmount(amount: number, currency: string): void {
  const least = LEAST[currency];
  if (least !== undefined && amount < least) {
    throw refuse('amount_too_small', `Amount must be at least ${least} ${currency}`);
  }
  if (least === undefined && amount < (WORTH_50_CENTS[currency] ?? OTHERS)) {
    throw refuse('amount_too_small', 'Amount must convert to at least 50 cents.');
  }
  if (amount > MOST) throw refuse('amount_too_large', `Amount must be no more than ${MOST}`);
}

const refuse = (code: string, message: string) => invalidRequest(code, message, 'amount');
