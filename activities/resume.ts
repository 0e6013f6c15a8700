import {
  type Client,
  type WorkflowExecutionDescription,
  type WorkflowExecutionStatusName,
  type WorkflowHandle,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { findPaymentByWorkflow } from '../db/payments.ts';
import { findRefundByWorkflow } from '../db/refunds.ts';
import type { Overdue } from '../db/sweep.ts';
import { paymentInput, refundInput, reopenedInput, reopenedRefundInput } from '../domain/inputs.ts';
import { isClosed } from '../domain/payment-states.ts';
import { isRefundClosed } from '../domain/refund-states.ts';
import { capabilitiesOf } from '../providers/index.ts';
import { paymentIdOf, refundIdOf } from '../temporal/search-attributes.ts';
import { paymentReopen, paymentStart, refundReopen, refundStart } from '../temporal/start.ts';
import { providerEventSignal } from '../workflows/messages.ts';
import type { ActivityDeps } from './deps.ts';

type Temporal = Pick<ActivityDeps, 'pool' | 'temporal'>;

/**
 * Gives an overdue payment a run when it has none. What was never sent and never had a run is
 * started; anything else is reopened, which sends nothing: a run that is no longer there may have
 * sent it.
 * @returns true when it had none.
 */
export async function resumePayment(
  { pool, temporal }: Temporal,
  overdue: Overdue,
): Promise<boolean> {
  const { id, workflow_id } = overdue;
  const run = await findRun(temporal, workflow_id, id, paymentIdOf);
  if (run.kind === 'open') {
    if (run.isOfAnother && !overdue.is_sent) await tellOfRow(temporal, overdue);
    return false;
  }
  // Read only now: what ended between the list and here has closed its row before its run.
  const payment = await findPaymentByWorkflow(pool, workflow_id);
  if (payment === null || isClosed(payment.status)) return false;
  if (run.kind === 'none' && payment.status === 'created') {
    const input = paymentInput(payment, capabilitiesOf);
    await temporal.workflow.start('payment', paymentStart(input));
  } else {
    const lostHistory = run.kind === 'ahead' ? run.evidence : null;
    const at = { nowMs: Date.now(), lostHistory };
    const input = reopenedInput(payment, capabilitiesOf, at);
    await temporal.workflow.start('payment', paymentReopen(input));
  }
  return true;
}

/**
 * The run was started for a row that is gone, and may wait for days before it notices. An event
 * that says nothing is written down all the same, so it looks for its row, and finds this one.
 */
async function tellOfRow(temporal: Client, { id, workflow_id }: Overdue): Promise<void> {
  const nothing = { providerPaymentId: null, providerCode: null, message: 'its row is another' };
  await temporal.workflow.getHandle(workflow_id).signal(providerEventSignal, {
    eventId: `row/${id}`,
    event: { kind: 'pending', ...nothing },
    unstored: null,
  });
}

/** As `resumePayment`, for a refund. */
export async function resumeRefund(
  { pool, temporal }: Temporal,
  overdue: Overdue,
): Promise<boolean> {
  const { id, workflow_id, is_sent } = overdue;
  const run = await findRun(temporal, workflow_id, id, refundIdOf);
  if (run.kind === 'open') return false;
  const found = await findRefundByWorkflow(pool, workflow_id);
  if (found === null || isRefundClosed(found.refund.status)) return false;
  const { refund, payment } = found;
  const capabilities = capabilitiesOf(payment.provider);
  if (run.kind === 'none' && !is_sent) {
    const input = refundInput(refund, payment, capabilities);
    await temporal.workflow.start('refund', refundStart(input));
  } else {
    const lostHistory = run.kind === 'ahead' ? run.evidence : null;
    const known = { isSent: is_sent || run.kind === 'ahead', lostHistory };
    const input = reopenedRefundInput(refund, payment, capabilities, known);
    await temporal.workflow.start('refund', refundReopen(input));
  }
  return true;
}

/** What Temporal knows of a workflow's newest run. */
type Run =
  /** It goes on, or may; about another row, where that one is gone. */
  | { readonly kind: 'open'; readonly isOfAnother: boolean }
  /** There is none, or no longer. */
  | { readonly kind: 'none' }
  /** It ended before what it was about: by hand, or lost. */
  | { readonly kind: 'ended' }
  /** It knows more than the row does: the database was put back to an earlier time (ADR 0016). */
  | { readonly kind: 'ahead'; readonly evidence: string };

/** Any other run goes on, or may: a paused one, or what a newer server has a new word for. */
const ENDED: readonly WorkflowExecutionStatusName[] = [
  'COMPLETED',
  'FAILED',
  'CANCELLED',
  'TERMINATED',
  'TIMED_OUT',
];

/**
 * A run completes only after its row has closed, and the rows of one workflow id are one payment's:
 * where a row contradicts that, the row is the older of the two.
 * @param ownId of the row that stands there now.
 * @param idOf reads whose row the run was about; undefined where it does not tell.
 */
async function findRun(
  temporal: Client,
  workflowId: string,
  ownId: string,
  idOf: (run: WorkflowExecutionDescription) => string | undefined,
): Promise<Run> {
  const handle = temporal.workflow.getHandle(workflowId);
  try {
    const run = await handle.describe();
    const formerId = idOf(run) ?? ownId;
    const isOfAnother = formerId !== ownId;
    if (!ENDED.includes(run.status.name)) return { kind: 'open', isOfAnother };
    if (isOfAnother) {
      return { kind: 'ahead', evidence: `its workflow was about ${formerId}, which is gone` };
    }
    if (run.status.name !== 'COMPLETED') return { kind: 'ended' };
    return { kind: 'ahead', evidence: `its workflow had completed${await resultOf(handle)}` };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { kind: 'none' };
    throw error;
  }
}

/** For the one who reads the trail; what a run came to decides nothing. */
async function resultOf(handle: WorkflowHandle): Promise<string> {
  const result: unknown = await handle.result().catch(() => null);
  if (typeof result !== 'object' || result === null || !('status' in result)) return '';
  return ` as ${String(result.status)}`;
}
