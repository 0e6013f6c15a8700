import type { Money } from './money.ts';
import type { Outcome } from './outcome.ts';

/** `manual`: the money is held, and taken by a capture of the merchant's. */
export const CAPTURE_METHODS = ['automatic', 'manual'] as const;
export type CaptureMethod = (typeof CAPTURE_METHODS)[number];

/**
 * Why an outcome cannot be believed for this money; null when it can. An outcome that names no
 * money is believed: M-Pesa's status query tells none. A capture by hand may take less.
 */
export function mismatchOf(
  outcome: Outcome,
  expected: Money & { readonly captureMethod?: CaptureMethod },
): 'payer' | 'amount' | 'currency' | null {
  if (outcome.payerMismatch) return 'payer';
  if (outcome.money === null) return null;
  if (outcome.money.currency !== expected.currency) return 'currency';
  const { amountMinor } = outcome.money;
  const mayBePart = expected.captureMethod === 'manual' && outcome.kind === 'succeeded';
  // A capture takes something: 0 is no success, and less than 0 is no amount.
  const isPart = Number.isSafeInteger(amountMinor) && amountMinor > 0;
  const isWithin = mayBePart && isPart && amountMinor <= expected.amountMinor;
  return isWithin || amountMinor === expected.amountMinor ? null : 'amount';
}

/** What a success captured: what the provider names, else the whole. A capture may take less. */
export function capturedMinor(amountMinor: number, outcome: Outcome | null): number {
  return outcome?.money?.amountMinor ?? amountMinor;
}
