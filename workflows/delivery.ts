import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { PaymentInput } from '../domain/payment.ts';
import type { DeliveredEvent } from '../domain/webhook-event.ts';
import { lateOutcomeStart, providerEventSignal } from './messages.ts';

/**
 * Brings a callback to its payment's workflow, or to the one that takes what comes too late. Used
 * from outside workflows; when it returns true, Temporal holds the event.
 * @param loadPayment is asked only when the payment's own workflow has closed.
 * @returns false when there is no such payment.
 */
export async function deliverEvent(
  client: Client,
  workflowId: string,
  delivered: DeliveredEvent,
  loadPayment: () => Promise<PaymentInput | null>,
): Promise<boolean> {
  try {
    await client.workflow.getHandle(workflowId).signal(providerEventSignal, delivered);
    return true;
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
  }
  const payment = await loadPayment();
  if (payment === null) return false;
  await client.workflow.signalWithStart('lateOutcome', lateOutcomeStart(payment, delivered));
  return true;
}
