import type { z } from 'zod';
import { findUnclearCause } from '../../db/audit.ts';
import { findAnyPayment } from '../../db/payments.ts';
import type { Refund } from '../../domain/refund.ts';
import { isRefundClosed } from '../../domain/refund-states.ts';
import { REFUND_REVIEWS } from '../../domain/review.ts';
import type { ApiDeps } from '../deps.ts';
import { explainTurn, explainWait, presentWorkflow } from '../execution.ts';
import type { refundExecutionResponse } from './response.ts';

/** Why a refund is where it is, and what comes next. */
export async function showRefundExecution(
  deps: Pick<ApiDeps, 'pool' | 'engine' | 'policies'>,
  refund: Refund,
): Promise<z.input<typeof refundExecutionResponse>> {
  const { pool, engine } = deps;
  const { workflowId, status, waitingFor, paymentId, reviewReason } = refund;
  const guide = reviewReason === null ? null : REFUND_REVIEWS[reviewReason];
  const execution = await engine.describe(workflowId);
  const turn = await explainTurn(deps, execution, async () => {
    const payment = await findAnyPayment(pool, paymentId);
    return payment?.provider ?? 'the provider';
  });
  const findCause = () => findUnclearCause(pool, paymentId, refund.id);
  const explanation =
    waitingFor === null
      ? [turn ?? explainRest(refund)]
      : [await explainWait(waitingFor, 'refund', guide, findCause), turn];
  return {
    object: 'refund_execution',
    refund_id: refund.id,
    payment_id: paymentId,
    status,
    waiting_for: waitingFor,
    explanation: explanation.filter((it) => it !== null).join(' '),
    wait_until: refund.waitUntil,
    ...presentWorkflow(engine, workflowId, execution),
  };
}

function explainRest({ status }: Refund): string {
  if (isRefundClosed(status)) return `The refund is ${status}; nothing is awaited.`;
  return 'The refund is stored; its workflow is about to take it up.';
}
