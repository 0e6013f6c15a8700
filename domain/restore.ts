import type { CaptureMethod } from './capture.ts';
import type { PaymentInput, Route } from './payment.ts';
import type { PaymentStatus } from './payment-states.ts';
import type { RefundInput } from './refund.ts';

/** What a run knows of its payment, and can build a row of when its own is gone (ADR 0016). */
export type RestorePaymentRequest = Pick<
  PaymentInput,
  'paymentId' | 'merchantId' | 'workflowId' | 'amountMinor' | 'currency'
> &
  Omit<Route, 'can'> & {
    readonly captureMethod: CaptureMethod;
    /** The current attempt's. */
    readonly attemptId: string;
    readonly attemptOrdinal: number;
    readonly providerPaymentId: string | null;
  };
/** The row that a run goes on with. */
export type RestoredPayment = {
  readonly paymentId: string;
  readonly attemptId: string;
  readonly status: PaymentStatus;
};

/** The same of a refund, whose payment's row has to be there. */
export type RestoreRefundRequest = Pick<
  RefundInput,
  | 'refundId'
  | 'paymentId'
  | 'merchantId'
  | 'workflowId'
  | 'credentialsRef'
  | 'amountMinor'
  | 'currency'
> & { readonly providerRefundId: string | null };
export type RestoredRefund = { readonly refundId: string; readonly paymentId: string };
