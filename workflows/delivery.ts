import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { PaymentInput } from '../domain/payment.ts';
import type { LateRefundInput } from '../domain/refund.ts';
import type { DeliveredEvent, DeliveredRefundEvent } from '../domain/webhook-event.ts';
import {
  lateOutcomeStart,
  lateRefundStart,
  providerEventSignal,
  refundEventSignal,
} from './messages.ts';

/** What became of a callback. With `delivered` Temporal holds it. */
export type Delivery = 'delivered' | 'nothing_new' | 'unknown';

/** Asked only when the workflow has closed: what takes late news is started with, or why not. */
export type LoadLate<I> = () => Promise<I | 'nothing_new' | 'unknown'>;

/**
 * Brings a callback to its payment's workflow, or to the one that takes what comes too late. Used
 * from outside workflows.
 */
export async function deliverEvent(
  client: Client,
  workflowId: string,
  delivered: DeliveredEvent,
  loadLate: LoadLate<PaymentInput>,
): Promise<Delivery> {
  const handle = client.workflow.getHandle(workflowId);
  if (await isTaken(handle.signal(providerEventSignal, delivered))) return 'delivered';
  const payment = await loadLate();
  if (typeof payment === 'string') return payment;
  await client.workflow.signalWithStart('lateOutcome', lateOutcomeStart(payment, delivered));
  return 'delivered';
}

/** The same for a refund. */
export async function deliverRefundEvent(
  client: Client,
  workflowId: string,
  delivered: DeliveredRefundEvent,
  loadLate: LoadLate<LateRefundInput>,
): Promise<Delivery> {
  const handle = client.workflow.getHandle(workflowId);
  if (await isTaken(handle.signal(refundEventSignal, delivered))) return 'delivered';
  const refund = await loadLate();
  if (typeof refund === 'string') return refund;
  await client.workflow.signalWithStart('lateRefund', lateRefundStart(refund, delivered));
  return 'delivered';
}

async function isTaken(signaling: Promise<void>): Promise<boolean> {
  try {
    await signaling;
    return true;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
