import type { PaymentInput } from './payment.ts';

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
   * What was captured; needed where a capture may take a part. Null for the whole, and absent in
   * decisions of before 0.3.0.
   */
  readonly amountMinor?: number | null;
};

/** The same for a refund in review. */
export type RefundDecision = Decision & { readonly decision: 'succeeded' | 'failed' };

/**
 * Why a decision is not valid; null when it is.
 * @param payment what it is about; null for a refund, whose amount is known.
 */
export function faultOfDecision(
  decision: Decision,
  payment: Pick<PaymentInput, 'amountMinor' | 'captureMethod'> | null,
): string | null {
  if (!DECISIONS.includes(decision.decision)) return `decision must be ${DECISIONS.join(', ')}`;
  if (decision.by.trim() === '') return 'by must name who decided';
  if (decision.reason.trim() === '') return 'reason must say why';
  return payment === null ? null : faultOfAmount(decision, payment);
}

function faultOfAmount(
  { decision, amountMinor = null }: Decision,
  payment: Pick<PaymentInput, 'amountMinor' | 'captureMethod'>,
): string | null {
  if (decision !== 'succeeded') {
    return amountMinor === null ? null : 'amount goes with the decision succeeded only';
  }
  if (amountMinor === null) {
    const isPart = payment.captureMethod === 'manual';
    return isPart ? 'amount must say how much was captured, since it may be a part' : null;
  }
  const isWithin = Number.isSafeInteger(amountMinor) && amountMinor > 0;
  if (isWithin && amountMinor <= payment.amountMinor) return null;
  return `amount must be 1 to ${payment.amountMinor}, in minor units`;
}
