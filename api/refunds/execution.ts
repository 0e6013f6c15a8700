import type { z } from 'zod';
import { lateRefundWorkflowId } from '../../domain/id.ts';
import type { Refund } from '../../domain/refund.ts';
import { isRefundClosed } from '../../domain/refund-states.ts';
import type { Engine } from '../engine.ts';
import { explainWait, findRunning, presentRunning } from '../execution.ts';
import type { refundExecutionShape } from './shape.ts';

/** Why a refund is where it is, and what comes next. @param cause as for `explainWait`. */
export async function showRefundExecution(
  engine: Engine,
  refund: Refund,
  cause: string | null = null,
): Promise<z.input<typeof refundExecutionShape>> {
  const { workflowId, status, waitingFor } = refund;
  const lateId = isRefundClosed(status) ? null : lateRefundWorkflowId(workflowId);
  return {
    object: 'refund_execution',
    refund_id: refund.id,
    payment_id: refund.paymentId,
    status,
    waiting_for: waitingFor,
    explanation:
      waitingFor === null ? explainRest(refund) : explainWait(waitingFor, 'refund', cause),
    wait_until: refund.waitUntil,
    ...presentRunning(engine, await findRunning(engine, workflowId, lateId)),
  };
}

function explainRest({ status }: Refund): string {
  if (isRefundClosed(status)) return `The refund is ${status}; nothing is awaited.`;
  return 'The refund is stored; its workflow is about to take it up.';
}
