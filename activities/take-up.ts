import {
  type Client,
  type WorkflowExecutionStatusName,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { findPaymentByWorkflow } from '../db/payments.ts';
import { findRefundByWorkflow } from '../db/refunds.ts';
import type { Silent } from '../db/sweep.ts';
import { lateOutcomeWorkflowId, lateRefundWorkflowId } from '../domain/id.ts';
import { paymentInput, recoveryInput, refundInput, refundRecoveryInput } from '../domain/inputs.ts';
import { isClosed } from '../domain/payment-states.ts';
import { isRefundClosed } from '../domain/refund-states.ts';
import { capabilitiesOf } from '../providers/index.ts';
import {
  paymentStart,
  recoveryStart,
  refundRecoveryStart,
  refundStart,
} from '../workflows/messages.ts';
import type { ActivityDeps } from './deps.ts';

type Temporal = Pick<ActivityDeps, 'pool' | 'temporal'>;

/**
 * Gives a silent payment a workflow when it has none. What was never sent and never taken up is
 * started; anything else is recovered, which sends nothing: a workflow that is no longer there may
 * have sent it.
 * @returns true when it had none.
 */
export async function takeUpPayment(
  { pool, temporal }: Temporal,
  silent: Silent,
): Promise<boolean> {
  const { workflow_id } = silent;
  const run = await findRun(temporal, workflow_id);
  if (run === 'open') return false;
  if ((await findRun(temporal, lateOutcomeWorkflowId(workflow_id))) === 'open') return false;
  // Read only now: what ended between the list and here has closed its row before its run.
  const payment = await findPaymentByWorkflow(pool, workflow_id);
  if (payment === null || isClosed(payment.status)) return false;
  if (run === 'none' && payment.status === 'created') {
    const input = paymentInput(payment, capabilitiesOf);
    await temporal.workflow.start('payment', paymentStart(input));
  } else {
    const input = recoveryInput(payment, capabilitiesOf, Date.now());
    await temporal.workflow.start('recoverPayment', recoveryStart(input));
  }
  return true;
}

/** The same for a refund. */
export async function takeUpRefund({ pool, temporal }: Temporal, silent: Silent): Promise<boolean> {
  const { workflow_id, is_sent } = silent;
  const run = await findRun(temporal, workflow_id);
  if (run === 'open') return false;
  if ((await findRun(temporal, lateRefundWorkflowId(workflow_id))) === 'open') return false;
  const found = await findRefundByWorkflow(pool, workflow_id);
  if (found === null || isRefundClosed(found.refund.status)) return false;
  const { refund, payment } = found;
  const capabilities = capabilitiesOf(payment.provider);
  if (run === 'none' && !is_sent) {
    const input = refundInput(refund, payment, capabilities);
    await temporal.workflow.start('refund', refundStart(input));
  } else {
    const input = refundRecoveryInput(refund, payment, capabilities, is_sent);
    await temporal.workflow.start('recoverRefund', refundRecoveryStart(input));
  }
  return true;
}

/** Any other run goes on, or may: a paused one, or what a newer server has a new word for. */
const ENDED: readonly WorkflowExecutionStatusName[] = [
  'COMPLETED',
  'FAILED',
  'CANCELLED',
  'TERMINATED',
  'TIMED_OUT',
];

/** `none`: Temporal knows no such workflow, or no longer. */
async function findRun(temporal: Client, workflowId: string): Promise<'open' | 'closed' | 'none'> {
  try {
    const { status } = await temporal.workflow.getHandle(workflowId).describe();
    return ENDED.includes(status.name) ? 'closed' : 'open';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return 'none';
    throw error;
  }
}
