import { hashOfPaymentWorkflowId } from './id.ts';
import type {
  Payment,
  PaymentInput,
  ProviderAbilities,
  RecoveryInput,
  Standing,
} from './payment.ts';
import type { Capabilities } from './provider.ts';
import { receiptNeedOf } from './provider.ts';
import type { LateRefundInput, Refund, RefundInput, RefundRecoveryInput } from './refund.ts';

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
    ...(payment.status === 'created' ? {} : { standing: standingOf(payment) }),
    ...(payment.waitingFor === 'resume' ? { isPaused: true } : {}),
  };
}

function standingOf(payment: Payment): Standing {
  const { status, reviewReason, providerPaymentId, earlierProviderIds } = payment;
  return { status, reviewReason, providerPaymentId, earlierProviderIds };
}

type CapabilitiesOf = (provider: string) => Capabilities;

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
    ...(isToLearn ? { receiptToLearn: { takenMinor: payment.amountCapturedMinor } } : {}),
    policy: payment.policy,
    can: { ...abilitiesOf(capabilities), looks_up_refunds: capabilities.looks_up_refunds },
  };
}

export function lateRefundInput(
  refund: Refund,
  payment: Payment,
  capabilities: Capabilities,
): LateRefundInput {
  const { status, reviewReason, providerRefundId } = refund;
  const input = refundInput(refund, payment, capabilities);
  return { ...input, status, reviewReason, providerRefundId };
}

/** What takes late news of a payment also needs where it stands, be it that it was never sent. */
export function lateInput(payment: Payment, capabilitiesOf: CapabilitiesOf): PaymentInput {
  return { ...paymentInput(payment, capabilitiesOf), standing: standingOf(payment) };
}

/** What a payment is recovered with. @param nowMs the time, since this room has no clock. */
export function recoveryInput(
  payment: Payment,
  capabilitiesOf: CapabilitiesOf,
  nowMs: number,
): RecoveryInput {
  const { reviewReason, waitUntil } = payment;
  const leftMs = waitUntil === null ? null : Math.max(Date.parse(waitUntil) - nowMs, 0);
  return { ...paymentInput(payment, capabilitiesOf), reviewReason, leftMs };
}

/** The same for a refund. */
export function refundRecoveryInput(
  refund: Refund,
  payment: Payment,
  capabilities: Capabilities,
  isSent: boolean,
): RefundRecoveryInput {
  const { providerRefundId, reviewReason } = refund;
  const late = lateRefundInput(refund, payment, capabilities);
  return { ...late, providerRefundId, reviewReason, isSent };
}

function abilitiesOf(capabilities: Capabilities): ProviderAbilities {
  const { dedupe_window_ms, looks_up_by_our_id, capture, cancel, refund } = capabilities;
  const dedupes_by_our_id = dedupe_window_ms !== null;
  const can = { dedupes_by_our_id, looks_up_by_our_id, capture, cancel };
  return refund === 'none' ? can : { ...can, refund_needs: capabilities.refund_needs };
}
