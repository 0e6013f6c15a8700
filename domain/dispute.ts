/** The payer's bank wants the money back. */
export type Dispute = {
  readonly providerDisputeId: string;
  readonly providerPaymentId: string;
  readonly status: 'open' | 'won' | 'lost';
  /** The bank only asks so far: no money was taken, and a refund is one of the answers. */
  readonly isInquiry?: boolean;
  readonly amountMinor: number;
  /** The payer's bank may count in another one. */
  readonly currency: string;
  readonly reason: string;
};

/**
 * A payment's disputes with what is told now; null when that is nothing new: one that is said to be
 * open after its end, since events come in any order.
 */
export function addDispute(known: readonly Dispute[], told: Dispute): readonly Dispute[] | null {
  const isSame = (it: Dispute) => it.providerDisputeId === told.providerDisputeId;
  const before = known.find(isSame);
  if (before === undefined) return [...known, told];
  if (before.status !== 'open' && told.status === 'open') return null;
  return known.map((it) => (isSame(it) ? told : it));
}

/** The one that counts now: the newest that is open, else the newest. */
export function disputeInForce(disputes: readonly Dispute[]): Dispute | null {
  return disputes.findLast(({ status }) => status === 'open') ?? disputes.at(-1) ?? null;
}

/** The dispute that forbids a refund, since it decides about the money; null when none does. */
export function disputeAgainstRefund(disputes: readonly Dispute[]): Dispute | null {
  return disputes.findLast(({ status, isInquiry }) => status === 'open' && !isInquiry) ?? null;
}

/**
 * How much of the money lost disputes took, at most all of it. One that counts in another currency
 * took an unknown part: all of it, until a person knows better.
 */
export function lostMinor(
  disputes: readonly Dispute[],
  currency: string,
  capturedMinor: number,
): number {
  const lost = disputes.filter(({ status }) => status === 'lost');
  if (lost.some((it) => it.currency !== currency)) return capturedMinor;
  const sum = lost.reduce((total, { amountMinor }) => total + Math.max(amountMinor, 0), 0);
  return Math.min(sum, capturedMinor);
}
