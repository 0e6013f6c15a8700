/** An operator's word on a payment in review. */
export const DECISIONS = ['succeeded', 'failed', 'canceled'] as const;

export type Decision = {
  readonly decision: (typeof DECISIONS)[number];
  /** Who decided, as the audit trail shows it. */
  readonly by: string;
  readonly reason: string;
  /** The provider's receipt, when the operator found one. */
  readonly receipt: string | null;
};

/** The same for a refund in review. */
export type RefundDecision = Decision & { readonly decision: 'succeeded' | 'failed' };

/** Why a decision is not valid; null when it is. */
export function faultOfDecision(decision: Decision): string | null {
  if (!DECISIONS.includes(decision.decision)) return `decision must be ${DECISIONS.join(', ')}`;
  if (decision.by.trim() === '') return 'by must name who decided';
  return decision.reason.trim() === '' ? 'reason must say why' : null;
}
