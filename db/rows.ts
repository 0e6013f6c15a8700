import { z } from 'zod';
import { ATTEMPT_STATUSES } from '../domain/attempt-states.ts';
import { CAPTURE_METHODS } from '../domain/capture.ts';
import type { Dispute } from '../domain/dispute.ts';
import { type FailureCode, isFailureCode } from '../domain/error.ts';
import { type Currency, isCurrency } from '../domain/money.ts';
import { type Payment, REVIEW_REASONS, WAITING_FOR } from '../domain/payment.ts';
import { ACTORS, AUDIT_ACTIONS } from '../domain/payment-record.ts';
import { PAYMENT_STATUSES } from '../domain/payment-states.ts';
import type { ProviderPolicy } from '../domain/policy.ts';
import {
  isRefundFailureCode,
  REFUND_ORIGINS,
  REFUND_REVIEW_REASONS,
  type Refund,
  type RefundFailureCode,
} from '../domain/refund.ts';
import { REFUND_STATUSES } from '../domain/refund-states.ts';
import type { UnmatchedReceipt } from '../domain/unmatched-receipt.ts';
import type { StoredEvent } from '../domain/webhook-event.ts';

/** Rows as PostgreSQL gives them, and their turning into the domain's words. */
const currency = z.custom<Currency>((text) => typeof text === 'string' && isCurrency(text));
const failureCode = z.custom<FailureCode>(
  (text) => typeof text === 'string' && isFailureCode(text),
);
const textMap = z.record(z.string(), z.string());
/** Written by us from a validated policy; its inside is not checked a second time. */
const policy = z.custom<ProviderPolicy>((value) => typeof value === 'object' && value !== null);
const storedEvent = z.custom<StoredEvent>(
  (value) => typeof value === 'object' && value !== null && 'kind' in value,
);
const textOrNull = z.string().nullable();
const refundFailureCode = z.custom<RefundFailureCode>(
  (text) => typeof text === 'string' && isRefundFailureCode(text),
);
const dispute = z.custom<Dispute>((value) => typeof value === 'object' && value !== null);
const unmatchedReceipt = z.custom<UnmatchedReceipt>(
  (value) => typeof value === 'object' && value !== null,
);

export const paymentRow = z.object({
  id: z.string(),
  merchant_id: z.string(),
  idempotency_key: z.string(),
  fingerprint: z.string(),
  workflow_id: z.string(),
  attempt_id: z.string(),
  attempt_ordinal: z.int().positive(),
  fallbacks: z.array(z.object({ provider: z.string(), credentials_ref: z.string(), policy })),
  status: z.enum(PAYMENT_STATUSES),
  provider: z.string(),
  credentials_ref: z.string(),
  amount: z.int().positive(),
  currency,
  amount_captured: z.int().nonnegative(),
  amount_refunded: z.int().nonnegative(),
  amount_reserved: z.int().nonnegative(),
  amount_disputed: z.int().nonnegative(),
  customer_id: textOrNull,
  phone_masked: textOrNull,
  email_masked: textOrNull,
  name_masked: textOrNull,
  payment_method: textOrNull,
  capture_method: z.enum(CAPTURE_METHODS),
  reference: z.string(),
  description: textOrNull,
  return_url: textOrNull,
  metadata: textMap,
  next_action: textMap.nullable(),
  failure_code: failureCode.nullable(),
  failure_message: textOrNull,
  failure_is_final: z.boolean(),
  provider_code: textOrNull,
  provider_payment_id: textOrNull,
  earlier_provider_ids: z.array(z.string()),
  provider_receipt: textOrNull,
  review_reason: z.enum(REVIEW_REASONS).nullable(),
  disputes: z.array(dispute),
  unmatched_receipts: z.array(unmatchedReceipt),
  waiting_for: z.enum(WAITING_FOR).nullable(),
  wait_until: textOrNull,
  policy,
  created_at: z.string(),
  updated_at: z.string(),
  completed_at: textOrNull,
});

export function toPayment(row: z.infer<typeof paymentRow>): Payment {
  return {
    id: row.id,
    merchantId: row.merchant_id,
    idempotencyKey: row.idempotency_key,
    fingerprint: row.fingerprint,
    workflowId: row.workflow_id,
    attemptId: row.attempt_id,
    attemptOrdinal: row.attempt_ordinal,
    fallbacks: row.fallbacks.map(({ credentials_ref, ...route }) => ({
      ...route,
      credentialsRef: credentials_ref,
    })),
    status: row.status,
    provider: row.provider,
    credentialsRef: row.credentials_ref,
    amountMinor: row.amount,
    currency: row.currency,
    amountCapturedMinor: row.amount_captured,
    amountRefundedMinor: row.amount_refunded,
    amountReservedMinor: row.amount_reserved,
    amountDisputedMinor: row.amount_disputed,
    customerId: row.customer_id,
    phoneMasked: row.phone_masked,
    emailMasked: row.email_masked,
    nameMasked: row.name_masked,
    paymentMethod: row.payment_method,
    captureMethod: row.capture_method,
    reference: row.reference,
    description: row.description,
    returnUrl: row.return_url,
    metadata: row.metadata,
    nextAction: row.next_action,
    failureCode: row.failure_code,
    failureMessage: row.failure_message,
    isFailureFinal: row.failure_is_final,
    providerCode: row.provider_code,
    providerPaymentId: row.provider_payment_id,
    earlierProviderIds: row.earlier_provider_ids,
    providerReceipt: row.provider_receipt,
    reviewReason: row.review_reason,
    disputes: row.disputes,
    unmatchedReceipts: row.unmatched_receipts,
    waitingFor: row.waiting_for,
    waitUntil: row.wait_until,
    policy: row.policy,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    completedAt: row.completed_at,
  };
}

export const refundRow = z.object({
  id: z.string(),
  payment_id: z.string(),
  merchant_id: z.string(),
  origin: z.enum(REFUND_ORIGINS),
  idempotency_key: textOrNull,
  fingerprint: textOrNull,
  workflow_id: z.string(),
  credentials_ref: z.string(),
  status: z.enum(REFUND_STATUSES),
  amount: z.int().positive(),
  amount_over: z.int().nonnegative(),
  currency,
  reason: textOrNull,
  metadata: textMap,
  failure_code: refundFailureCode.nullable(),
  failure_message: textOrNull,
  provider_code: textOrNull,
  provider_refund_id: textOrNull,
  provider_receipt: textOrNull,
  review_reason: z.enum(REFUND_REVIEW_REASONS).nullable(),
  waiting_for: z.enum(WAITING_FOR).nullable(),
  wait_until: textOrNull,
  created_at: z.string(),
  updated_at: z.string(),
  completed_at: textOrNull,
});

export function toRefund(row: z.infer<typeof refundRow>): Refund {
  return {
    id: row.id,
    paymentId: row.payment_id,
    merchantId: row.merchant_id,
    origin: row.origin,
    idempotencyKey: row.idempotency_key,
    fingerprint: row.fingerprint,
    workflowId: row.workflow_id,
    credentialsRef: row.credentials_ref,
    status: row.status,
    amountMinor: row.amount,
    amountOverMinor: row.amount_over,
    currency: row.currency,
    reason: row.reason,
    metadata: row.metadata,
    failureCode: row.failure_code,
    failureMessage: row.failure_message,
    providerCode: row.provider_code,
    providerRefundId: row.provider_refund_id,
    providerReceipt: row.provider_receipt,
    reviewReason: row.review_reason,
    waitingFor: row.waiting_for,
    waitUntil: row.wait_until,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    completedAt: row.completed_at,
  };
}

export const attemptRow = z.object({
  id: z.string(),
  payment_id: z.string(),
  ordinal: z.int(),
  status: z.enum(ATTEMPT_STATUSES),
  dispatch_count: z.int(),
  dispatch_nonce: textOrNull,
  provider_payment_id: textOrNull,
});

export const auditRow = z.object({
  id: z.string(),
  seq: z.int(),
  action: z.enum(AUDIT_ACTIONS),
  from_status: textOrNull,
  to_status: textOrNull,
  actor: z.enum(ACTORS),
  cause: z.string(),
  details: z.record(z.string(), z.unknown()),
  at: z.string(),
});
export type AuditEntry = z.infer<typeof auditRow>;

const WEBHOOK_EVENT_STATUSES = ['received', 'applied', 'parked', 'rejected'] as const;
export const webhookEventRow = z.object({
  id: z.string(),
  provider: z.string(),
  account: textOrNull,
  event_key: z.string(),
  status: z.enum(WEBHOOK_EVENT_STATUSES),
  workflow_id: textOrNull,
  payment_id: textOrNull,
  event: storedEvent.nullable(),
  replay_count: z.int(),
});
export type WebhookEvent = z.infer<typeof webhookEventRow>;
