/** The payer's bank wants the money back. */
export type Dispute = {
  readonly providerDisputeId: string;
  readonly providerPaymentId: string;
  readonly status: 'open' | 'won' | 'lost';
  readonly amountMinor: number;
  /** The payer's bank may count in another one; absent in what was stored before 0.3.0. */
  readonly currency?: string;
  readonly reason: string;
};
