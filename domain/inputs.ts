import { hashOfPaymentWorkflowId } from './id.ts';
import type { Payment, PaymentInput, ProviderAbilities } from './payment.ts';
import type { Capabilities } from './provider.ts';
import type { LateRefundInput, Refund, RefundInput } from './refund.ts';

/** What workflows are started with; the same from the API and from the sweeper. */
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

type CapabilitiesOf = (provider: string) => Capabilities;

export function refundInput(
  refund: Refund,
  payment: Payment,
  capabilities: Capabilities,
): RefundInput {
  return {
    refundId: refund.id,
    paymentId: payment.id,
    merchantId: payment.merchantId,
    workflowId: refund.workflowId,
    provider: payment.provider,
    credentialsRef: payment.credentialsRef,
    amountMinor: refund.amountMinor,
    currency: refund.currency,
    providerPaymentId: payment.providerPaymentId,
    providerReceipt: payment.providerReceipt,
    policy: payment.policy,
    can: { ...abilitiesOf(capabilities), looks_up_refunds: capabilities.looks_up_refunds },
  };
}

export function lateRefundInput(
  refund: Refund,
  payment: Payment,
  capabilities: Capabilities,
): LateRefundInput {
  return { ...refundInput(refund, payment, capabilities), status: refund.status };
}

function abilitiesOf(capabilities: Capabilities): ProviderAbilities {
  const { dedupes_by_our_id, looks_up_by_our_id, capture, cancel } = capabilities;
  return { dedupes_by_our_id, looks_up_by_our_id, capture, cancel };
}
