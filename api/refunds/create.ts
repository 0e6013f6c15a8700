import { newId } from '../../db/ids.ts';
import { insertRefund, type RefundInsertion } from '../../db/refunds.ts';
import { disputeAgainstRefund } from '../../domain/dispute.ts';
import { refundWorkflowId } from '../../domain/id.ts';
import { refundInput } from '../../domain/inputs.ts';
import { formatMoney } from '../../domain/money.ts';
import type { Payment } from '../../domain/payment.ts';
import { receiptNeedOf } from '../../domain/provider.ts';
import type { Refund } from '../../domain/refund.ts';
import { capabilitiesOf } from '../../providers/index.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError, faulty } from '../errors.ts';
import { fingerprintOf } from '../payments/fingerprint.ts';
import { refuseStep } from '../payments/limits.ts';
import type { CreateRefundBody } from './schema.ts';

export type RefundCreation = {
  readonly refund: Refund;
  /** As it was when the money was reserved: a late callback may have told its receipt meanwhile. */
  readonly payment: Payment;
  readonly isReplay: boolean;
};

/**
 * Stores a refund under its idempotency key, its money reserved, or finds the refund that the key
 * already made.
 * @throws ApiError not_refundable, refund_too_much, provider_limits, idempotency_key_reused.
 */
export async function createRefund(
  deps: ApiDeps,
  payment: Payment,
  idempotencyKey: string,
  body: CreateRefundBody,
): Promise<RefundCreation> {
  const { vault, pool } = deps;
  refuseImpossible(payment, body);
  const fingerprint = fingerprintOf(vault, { payment: payment.id, ...body });
  const hash = vault.hash('refund-workflow-id', `${payment.merchantId}\n${idempotencyKey}`);
  const insertion = await insertRefund(pool, {
    id: newId('refund'),
    paymentId: payment.id,
    merchantId: payment.merchantId,
    idempotencyKey,
    fingerprint,
    workflowId: refundWorkflowId(hash.toString('hex').slice(0, 32)),
    amountMinor: body.amount ?? null,
    reason: body.reason ?? null,
    metadata: body.metadata,
  });
  const { kind, refund, payment: locked } = requireRefund(insertion, fingerprint);
  return { refund, payment: locked, isReplay: kind === 'replayed' };
}

/** Starts or joins the refund's workflow; true when it has its first meaningful state in time. */
export function startRefund(
  { engine }: ApiDeps,
  { refund, payment }: RefundCreation,
  waitMs: number,
): Promise<boolean> {
  const input = refundInput(refund, payment, capabilitiesOf(payment.provider));
  return engine.startRefund(input, waitMs);
}

/** True while the refund has no state worth an answer. */
export function isRefundUndecided({ status, waitingFor }: Refund): boolean {
  return status === 'pending' && (waitingFor === null || waitingFor === 'provider_answer');
}

/** What can be told before anything is stored. */
function refuseImpossible(payment: Payment, body: CreateRefundBody): void {
  const capabilities = capabilitiesOf(payment.provider);
  if (capabilities.refund === 'none') {
    throw new ApiError('not_refundable', `${payment.provider} gives no money back`);
  }
  if (payment.status !== 'succeeded') throw notSucceeded(payment);
  if (receiptNeedOf(capabilities, payment.providerReceipt) === 'missing') {
    const detail = `${payment.provider} refunds by receipt, and this payment’s receipt is not known. It comes with the late callback, if that still arrives; else refund it in the provider’s portal`;
    throw new ApiError('not_refundable', detail);
  }
  if (body.amount !== undefined) refuseStep(payment, body.amount);
}

function notSucceeded({ status }: Payment): ApiError {
  const detail = `only a succeeded payment can be refunded; this one is ${status}`;
  return new ApiError('not_refundable', detail);
}

/** The bank takes the money, or leaves it: a refund beside that would give it back twice. */
function disputed({ disputes }: Payment): ApiError {
  const id = disputeAgainstRefund(disputes)?.providerDisputeId;
  const detail = `it is disputed (${id}), and the dispute decides about the money: answer it at the provider, and refund when it is won`;
  return new ApiError('not_refundable', detail);
}

function requireRefund(insertion: RefundInsertion, fingerprint: string) {
  if (insertion.kind === 'not_succeeded') throw notSucceeded(insertion.payment);
  if (insertion.kind === 'disputed') throw disputed(insertion.payment);
  if (insertion.kind === 'too_much') {
    const { currency } = insertion.payment;
    const left = insertion.leftMinor;
    const detail = `is more than is left: ${formatMoney({ amountMinor: left, currency })} (${left}) is left to refund`;
    throw faulty('refund_too_much', [{ pointer: '/amount', detail }]);
  }
  if (insertion.refund.fingerprint !== fingerprint) {
    const detail = `this Idempotency-Key made ${insertion.refund.id} with another body; use a new key for a new refund`;
    throw new ApiError('idempotency_key_reused', detail);
  }
  return insertion;
}
