import type { RefundResult } from './refund.ts';

/** A refund that was made at the provider, not by us: in its dashboard, or by its support. */
export type ProviderRefund = {
  readonly providerRefundId: string;
  readonly providerPaymentId: string;
  readonly amountMinor: number;
  readonly currency: string;
  /** How it stands. */
  readonly result: RefundResult;
};

/** What a provider is asked for to find them. */
export type ProviderRefundsRequest = {
  readonly providerPaymentId: string;
  readonly timeoutMs: number;
};
