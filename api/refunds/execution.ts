import type { z } from 'zod';
import { findUnclearCause } from '../../db/audit.ts';
import { lateRefundWorkflowId } from '../../domain/id.ts';
import type { Refund } from '../../domain/refund.ts';
import { isRefundClosed } from '../../domain/refund-states.ts';
import { REFUND_REVIEWS } from '../../domain/review.ts';
import type { ApiDeps } from '../deps.ts';
import { explainWait, findRunning, presentRunning } from '../execution.ts';
import type { refundExecutionShape } from './shape.ts';

/** Why a refund is where it is, and what comes next. */
export async function showRefundExecution(
  { pool, engine }: Pick<ApiDeps, 'pool' | 'engine'>,
  refund: Refund,
): Promise<z.input<typeof refundExecutionShape>> {
  const { workflowId, status, waitingFor, paymentId, reviewReason } = refund;
  const guide = reviewReason === null ? null : REFUND_REVIEWS[reviewReason];
  const lateId = isRefundClosed(status) ? null : lateRefundWorkflowId(workflowId);
  return {
    object: 'refund_execution',
    refund_id: refund.id,
    payment_id: paymentId,
    status,
    waiting_for: waitingFor,
    explanation:
      waitingFor === null
        ? explainRest(refund)
        : await explainWait(waitingFor, 'refund', guide, () =>
            findUnclearCause(pool, paymentId, refund.id),
          ),
    wait_until: refund.waitUntil,
    ...presentRunning(engine, await findRunning(engine, workflowId, lateId)),
  };
}

function explainRest({ status }: Refund): string {
  if (isRefundClosed(status)) return `The refund is ${status}; nothing is awaited.`;
  return 'The refund is stored; its workflow is about to take it up.';
}
