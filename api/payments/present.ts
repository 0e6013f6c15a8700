import type { z } from 'zod';
import type { AuditEntry } from '../../db/rows.ts';
import { ifReadable, type Vault } from '../../db/vault.ts';
import { type Dispute, disputeInForce } from '../../domain/dispute.ts';
import type { FailureCode } from '../../domain/error.ts';
import { formatMoney } from '../../domain/money.ts';
import type { Payment } from '../../domain/payment.ts';
import { isClosed } from '../../domain/payment-states.ts';
import { retryRuleOf } from '../../domain/policy.ts';
import { refundableMinor } from '../../domain/refund.ts';
import type { UnmatchedReceipt } from '../../domain/unmatched-receipt.ts';
import { hasPersonalIds } from '../../providers/index.ts';
import type { ApiDeps } from '../deps.ts';
import { UNREADABLE } from '../response.ts';
import { nextActionOf } from './next-action.ts';
import type { auditEntryResponse, paymentResponse } from './response.ts';

type Presenting = Pick<ApiDeps, 'engine' | 'vault'>;

export function presentPayment(
  payment: Payment,
  { engine, vault }: Presenting,
): z.input<typeof paymentResponse> {
  const { provider, providerPaymentId } = payment;
  const inForce = disputeInForce(payment.disputes);
  return {
    id: payment.id,
    object: 'payment',
    status: payment.status,
    provider,
    amount: payment.amountMinor,
    amount_text: formatMoney(payment),
    currency: payment.currency,
    amount_captured: payment.amountCapturedMinor,
    amount_refunded: payment.amountRefundedMinor,
    amount_refundable: refundableMinor(payment),
    refund_status: refundStatusOf(payment),
    customer: {
      id: payment.customerId,
      phone: payment.phoneMasked,
      email: payment.emailMasked,
      name: payment.nameMasked,
    },
    payment_method: payment.paymentMethod,
    capture_method: payment.captureMethod,
    reference: payment.reference,
    description: payment.description,
    return_url: payment.returnUrl,
    next_action: nextActionOf(payment),
    failure: presentFailure(payment),
    review_reason: payment.reviewReason,
    amount_disputed: payment.amountDisputedMinor,
    dispute: inForce === null ? null : presentDispute(inForce),
    disputes: payment.disputes.map(presentDispute),
    unmatched_receipts: payment.unmatchedReceipts.map((it) =>
      presentUnmatchedReceipt(payment, it, vault),
    ),
    provider_payment_id:
      providerPaymentId === null
        ? null
        : openProviderId(vault, provider, providerPaymentId, placeOf(payment)),
    provider_receipt: payment.providerReceipt,
    workflow: { id: payment.workflowId, url: engine.workflowUrl(payment.workflowId) },
    idempotency_key: payment.idempotencyKey,
    metadata: payment.metadata,
    created_at: payment.createdAt,
    updated_at: payment.updatedAt,
    completed_at: payment.completedAt,
  };
}

function refundStatusOf({ amountRefundedMinor, amountCapturedMinor }: Payment) {
  if (amountRefundedMinor === 0) return 'none';
  return amountRefundedMinor < amountCapturedMinor ? 'partial' : 'full';
}

function presentDispute(dispute: Dispute) {
  const { providerDisputeId, status, amountMinor, currency, reason } = dispute;
  const is_inquiry = dispute.isInquiry === true;
  return { id: providerDisputeId, status, is_inquiry, amount: amountMinor, currency, reason };
}

/** Where a payment's own id stands. */
const placeOf = ({ id }: Payment) => `payments.provider_payment_id/${id}`;

/**
 * The id as the provider spells it, or that it is unreadable: one that does not open must not hide
 * the payment. Only those of its own are opened: the ids of others come from merchants' accounts,
 * where anybody could send a stolen token to have it read.
 */
function openProviderId(vault: Vault, provider: string, id: string, place: string): string {
  if (!hasPersonalIds(provider)) return id;
  return ifReadable(() => vault.openId(id, place)) ?? UNREADABLE;
}

/** The id that money beside a payment's own is shown under, and decided about by. */
export function openUnmatchedReceiptId(
  vault: Vault,
  { id }: Payment,
  found: UnmatchedReceipt,
): string {
  const { provider, providerPaymentId } = found;
  return openProviderId(vault, provider, providerPaymentId, `payments.unmatched_receipts/${id}`);
}

function presentUnmatchedReceipt(payment: Payment, found: UnmatchedReceipt, vault: Vault) {
  const { provider, receipt, kind, money, status } = found;
  return {
    provider,
    provider_payment_id: openUnmatchedReceiptId(vault, payment, found),
    provider_receipt: receipt,
    is_held: kind === 'authorized',
    amount: money?.amountMinor ?? null,
    currency: money?.currency ?? null,
    status,
  };
}

function presentFailure(payment: Payment) {
  const { failureCode: code, failureMessage, providerCode } = payment;
  if (code === null) return null;
  const { retry, retryAt } = retryOf(payment, code);
  return {
    code,
    message: failureMessage,
    retry,
    retry_at: retryAt,
    provider_code: providerCode,
  };
}

/**
 * By the policy that the payment was made with. Until it has ended, money may still have moved: who
 * tried again then could be paid twice.
 */
function retryOf(payment: Payment, code: FailureCode) {
  const { policy, providerCode, isFailureFinal: isFinal, status, completedAt } = payment;
  const { who, after_ms } = retryRuleOf(policy, { code, providerCode, isFinal });
  if (who === 'nobody' || !isClosed(status)) return { retry: 'never', retryAt: null } as const;
  const isTimed = after_ms !== undefined && completedAt !== null;
  const retryAt = isTimed ? new Date(Date.parse(completedAt) + after_ms).toISOString() : null;
  return { retry: who, retryAt };
}

/** One entry of the timeline. */
export function presentAuditEntry(entry: AuditEntry): z.input<typeof auditEntryResponse> {
  return {
    id: entry.id,
    object: 'audit_entry',
    sequence: entry.seq,
    action: entry.action,
    from: entry.from_status,
    to: entry.to_status,
    actor: entry.actor,
    cause: entry.cause,
    details: entry.details,
    at: entry.at,
  };
}
