import { hashOfPaymentWorkflowId } from './id.ts';
import type { Payment, PaymentInput, ProviderAbilities, Standing } from './payment.ts';
import type { Capabilities } from './provider.ts';
import { receiptNeedOf } from './provider.ts';
import type { Refund, RefundInput } from './refund.ts';

type CapabilitiesOf = (provider: string) => Capabilities;

/** What a payment's workflow is started with; the same from the API and from the sweeper. */
export function paymentInput(payment: Payment, capabilitiesOf: CapabilitiesOf): PaymentInput {
  if (hashOfPaymentWorkflowId(payment.workflowId) === null) {
    throw new Error(`${payment.id} has a malformed workflow id`);
  }
  return {
    paymentId: payment.id,
    attemptId: payment.attemptId,
    merchantId: payment.merchantId,
    workflowId: payment.workflowId,
    provider: payment.provider,
    credentialsRef: payment.credentialsRef,
    amountMinor: payment.amountMinor,
    currency: payment.currency,
    policy: payment.policy,
    captureMethod: payment.captureMethod,
    can: abilitiesOf(capabilitiesOf(payment.provider)),
    attemptOrdinal: payment.attemptOrdinal,
    fallbacks: payment.fallbacks.map((route) => ({
      ...route,
      can: abilitiesOf(capabilitiesOf(route.provider)),
    })),
  };
}

/** What else is known when a workflow is reopened. */
export type ReopenedAt = {
  /** The time, since this room has no clock. */
  readonly nowMs: number;
  /** What shows that the row is older than its runs; null where nothing does. */
  readonly lostHistory?: string | null;
};

/** What a payment's workflow is reopened with, whose last run has closed. */
export function reopenedInput(
  payment: Payment,
  capabilitiesOf: CapabilitiesOf,
  { nowMs, lostHistory = null }: ReopenedAt,
): PaymentInput {
  const { status, reviewReason, providerPaymentId, earlierProviderIds, waitUntil } = payment;
  const standing: Standing = {
    status,
    reviewReason,
    providerPaymentId,
    earlierProviderIds,
    leftMs: waitUntil === null ? null : Math.max(Date.parse(waitUntil) - nowMs, 0),
    isPaused: payment.waitingFor === 'resume',
    lostHistory,
  };
  return { ...paymentInput(payment, capabilitiesOf), standing };
}

/** What it is reopened with by a callback that finds no open run. */
export function reopenedByCallback(
  payment: Payment,
  capabilitiesOf: CapabilitiesOf,
  nowMs: number,
): PaymentInput {
  // A callback about what was never sent shows that the row does not know all.
  const lostHistory = payment.status === 'created' ? 'a callback came for it' : null;
  return reopenedInput(payment, capabilitiesOf, { nowMs, lostHistory });
}

export function refundInput(
  refund: Refund,
  payment: Payment,
  capabilities: Capabilities,
): RefundInput {
  const isToLearn = receiptNeedOf(capabilities, payment.providerReceipt) === 'learn';
  return {
    refundId: refund.id,
    paymentId: payment.id,
    merchantId: payment.merchantId,
    workflowId: refund.workflowId,
    provider: payment.provider,
    credentialsRef: refund.credentialsRef,
    amountMinor: refund.amountMinor,
    currency: refund.currency,
    providerPaymentId: payment.providerPaymentId,
    providerReceipt: payment.providerReceipt,
    ...(isToLearn ? { receiptToLearn: { capturedMinor: payment.amountCapturedMinor } } : {}),
    policy: payment.policy,
    can: { ...abilitiesOf(capabilities), looks_up_refunds: capabilities.looks_up_refunds },
  };
}

/** What a refund's workflow is reopened with, whose last run has closed. */
export function reopenedRefundInput(
  refund: Refund,
  payment: Payment,
  capabilities: Capabilities,
  known: { readonly isSent: boolean; readonly lostHistory?: string | null },
): RefundInput {
  const { status, reviewReason, providerRefundId } = refund;
  const { isSent, lostHistory = null } = known;
  const standing = { status, reviewReason, providerRefundId, isSent, lostHistory };
  return { ...refundInput(refund, payment, capabilities), standing };
}

function abilitiesOf(capabilities: Capabilities): ProviderAbilities {
  const { dedupe_window_ms, looks_up_by_our_id, capture, cancel, refund } = capabilities;
  const dedupes_by_our_id = dedupe_window_ms !== null;
  const can = { dedupes_by_our_id, looks_up_by_our_id, capture, cancel };
  return refund === 'none' ? can : { ...can, refund_needs: capabilities.refund_needs };
}
