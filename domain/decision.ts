import type { PaymentInput, ReviewReason } from './payment.ts';

/** An operator's word on a payment in review. */
export const DECISIONS = ['succeeded', 'failed', 'canceled'] as const;

export type Decision = {
  readonly decision: (typeof DECISIONS)[number];
  /** Who decided, as the audit trail shows it. */
  readonly by: string;
  readonly reason: string;
  /** The provider's receipt, when the operator found one. */
  readonly receipt: string | null;
  /**
   * What was captured; needed where a capture may take a part, and where the provider told of
   * another amount. Null or absent for the whole.
   */
  readonly amountMinor?: number | null;
};

/** The same for a refund in review. */
export type RefundDecision = Decision & { readonly decision: 'succeeded' | 'failed' };

/** What a decision about a payment is held against. */
export type DecidedPayment = Pick<PaymentInput, 'amountMinor' | 'captureMethod'> & {
  /** Why it is in review; null or absent where that is not known. */
  readonly reviewReason?: ReviewReason | null;
};

/**
 * Why a decision is not valid; null when it is.
 * @param payment what it is about; null for a refund, whose amount is known.
 */
export function faultOfDecision(decision: Decision, payment: DecidedPayment | null): string | null {
  if (!DECISIONS.includes(decision.decision)) return `decision must be ${DECISIONS.join(', ')}`;
  if (decision.by.trim() === '') return 'by must name who decided';
  if (decision.reason.trim() === '') return 'reason must say why';
  return payment === null ? null : faultOfAmount(decision, payment);
}

function faultOfAmount(
  { decision, amountMinor = null }: Decision,
  payment: DecidedPayment,
): string | null {
  if (decision !== 'succeeded') {
    return amountMinor === null ? null : 'amount goes with the decision succeeded only';
  }
  if (amountMinor === null) {
    return whyAmountIsNeeded(payment);
  }
  const isWithin = Number.isSafeInteger(amountMinor) && amountMinor > 0;
  if (isWithin && amountMinor <= payment.amountMinor) return null;
  return `amount must be 1 to ${payment.amountMinor}, in minor units`;
}

/** Null where a success without an amount can only be the whole. */
function whyAmountIsNeeded({ captureMethod, reviewReason }: DecidedPayment): string | null {
  if (captureMethod === 'manual') {
    return 'amount must say how much was captured, since it may be a part';
  }
  const isMismatch = reviewReason === 'amount_mismatch' || reviewReason === 'late_amount_mismatch';
  if (!isMismatch) return null;
  return 'amount must say how much was captured, since the provider told of another amount';
}
