import { fingerprintOf } from '../../api/payments/fingerprint.ts';
import { recordRefund } from '../../db/record-refund.ts';
import { recordRefundDispatch } from '../../db/refund-dispatch.ts';
import { insertRefund } from '../../db/refunds.ts';
import { refundWorkflowId } from '../../domain/id.ts';
import type { Payment } from '../../domain/payment.ts';
import { type RefundRecordRequest, refundFailure } from '../../domain/refund.ts';
import type { RefundStatus } from '../../domain/refund-states.ts';
import type { Parts } from './parts.ts';
import type { PlannedRefund } from './plan.ts';

const REVIEW_MS = 3_600_000;

type Told = Pick<RefundRecordRequest, 'key' | 'action' | 'actor' | 'cause'> &
  Partial<
    Pick<RefundRecordRequest, 'event' | 'outcome' | 'reviewReason' | 'waitingFor' | 'waitMs'>
  >;

const TOLD: Readonly<Record<RefundStatus, (refund: PlannedRefund) => Told>> = {
  pending: () => ({
    key: 'accepted',
    action: 'refund.provider_accepted',
    actor: 'provider',
    cause: 'the provider is at it',
    waitingFor: 'callback',
    waitMs: REVIEW_MS,
  }),
  needs_review: () => ({
    key: 'gave-up',
    action: 'refund.review_needed',
    actor: 'workflow',
    cause: 'the provider did not tell in time what became of it',
    event: 'gave_up',
    reviewReason: 'no_answer',
    waitingFor: 'review',
    waitMs: REVIEW_MS,
  }),
  succeeded: settled,
  failed: settled,
};

function settled({ id, status, failure, amountMinor }: PlannedRefund): Told {
  const kind = status === 'failed' ? 'failed' : 'succeeded';
  return {
    key: 'answer',
    action: 'refund.settled',
    actor: 'provider',
    cause: 'the provider’s answer',
    event: kind,
    outcome: {
      kind,
      providerRefundId: `re_${id.slice(-20)}`,
      receipt: null,
      amountMinor: kind === 'succeeded' ? amountMinor : null,
      failure: failure === null ? null : refundFailure(failure),
      providerCode: failure,
    },
  };
}

/** Gives back of a payment that succeeded, by the functions that the engine itself goes by. */
export async function storeRefund(
  { pool, vault, seed }: Parts,
  { id: paymentId, merchantId, idempotencyKey }: Payment,
  planned: PlannedRefund,
): Promise<void> {
  const key = `${idempotencyKey}-refund`;
  const hash = vault.hash('refund-workflow-id', `${merchantId}\n${key}`);
  const insertion = await insertRefund(pool, {
    id: planned.id,
    paymentId,
    merchantId,
    idempotencyKey: key,
    fingerprint: fingerprintOf(vault, { demo: key }),
    workflowId: refundWorkflowId(hash.toString('hex').slice(0, 32)),
    amountMinor: planned.amountMinor,
    reason: planned.isPartial ? 'one item less' : 'the order was returned',
    metadata: { demo: String(seed) },
  });
  if (!('refund' in insertion)) throw new Error(`${paymentId} gives nothing back`);
  const claim = { refundId: planned.id, paymentId, send: 1, nonce: 'demo' };
  await recordRefundDispatch(pool, claim);
  const { key: step, ...told } = TOLD[planned.status](planned);
  await recordRefund(pool, {
    event: null,
    outcome: null,
    reviewReason: null,
    waitingFor: null,
    waitMs: null,
    ...told,
    cause: `${told.cause} (demo data of ${new Date(planned.endedMs).toISOString()})`,
    refundId: planned.id,
    paymentId,
    key: `${planned.id}/${step}`,
    providerRefundId: null,
    webhook: null,
  });
}
