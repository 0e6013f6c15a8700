import type { z } from 'zod';
import { lateRefundWorkflowId } from '../../domain/id.ts';
import type { Refund } from '../../domain/refund.ts';
import { isRefundClosed } from '../../domain/refund-states.ts';
import type { Engine } from '../engine.ts';
import { findRunning, presentRunning } from '../running.ts';
import type { refundExecutionShape } from './shape.ts';

const WAITS = {
  provider_answer: 'The refund is on its way to the provider; its answer is awaited.',
  resend: 'The provider took nothing; the refund is sent again at the time given.',
  callback: 'The provider has the refund; its callback is awaited, then it is asked.',
  lookup: 'The callback stayed away or was unclear; the provider is asked for the outcome.',
  review: 'Nobody could tell the outcome; a late callback or a decision will.',
} as const satisfies Partial<Record<NonNullable<Refund['waitingFor']>, string>>;

/** Why a refund is where it is, and what comes next. */
export async function showRefundExecution(
  engine: Engine,
  refund: Refund,
): Promise<z.input<typeof refundExecutionShape>> {
  const { workflowId, status, waitingFor } = refund;
  const lateId = isRefundClosed(status) ? null : lateRefundWorkflowId(workflowId);
  return {
    object: 'refund_execution',
    refund_id: refund.id,
    payment_id: refund.paymentId,
    status,
    waiting_for: waitingFor,
    explanation: explain(refund),
    wait_until: refund.waitUntil,
    ...presentRunning(engine, await findRunning(engine, workflowId, lateId)),
  };
}

function explain({ status, waitingFor }: Refund): string {
  const waits: Partial<Record<string, string>> = WAITS;
  const words = waitingFor === null ? undefined : waits[waitingFor];
  if (words !== undefined) return words;
  if (isRefundClosed(status)) return `The refund is ${status}; nothing is awaited.`;
  return 'The refund is stored; its workflow is about to take it up.';
}
