import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { PaymentInput } from '../domain/payment.ts';
import type { RefundInput } from '../domain/refund.ts';
import type { DeliveredEvent, DeliveredRefundEvent } from '../domain/webhook-event.ts';
import { providerEventSignal, refundEventSignal } from '../workflows/messages.ts';
import { paymentReopen, refundReopen } from './start.ts';

/** What became of a callback. With `delivered` Temporal holds it. */
export type Delivery = 'delivered' | 'nothing_new' | 'unknown';

/** Asked only when the workflow has closed: what it is reopened with, or why it is not. */
export type LoadReopened<I> = () => Promise<I | 'nothing_new' | 'unknown'>;

/**
 * Brings a callback to its payment's workflow, and reopens that where it has closed. Used from
 * outside workflows.
 */
export async function deliverEvent(
  client: Client,
  workflowId: string,
  delivered: DeliveredEvent,
  load: LoadReopened<PaymentInput>,
): Promise<Delivery> {
  const handle = client.workflow.getHandle(workflowId);
  if (await isTaken(handle.signal(providerEventSignal, delivered))) return 'delivered';
  const input = await load();
  if (typeof input === 'string') return input;
  const signal = { signal: providerEventSignal, signalArgs: [delivered] as [DeliveredEvent] };
  await client.workflow.signalWithStart('payment', { ...paymentReopen(input), ...signal });
  return 'delivered';
}

/** As `deliverEvent`, for a refund. */
export async function deliverRefundEvent(
  client: Client,
  workflowId: string,
  delivered: DeliveredRefundEvent,
  load: LoadReopened<RefundInput>,
): Promise<Delivery> {
  const handle = client.workflow.getHandle(workflowId);
  if (await isTaken(handle.signal(refundEventSignal, delivered))) return 'delivered';
  const input = await load();
  if (typeof input === 'string') return input;
  const signal = { signal: refundEventSignal, signalArgs: [delivered] as [DeliveredRefundEvent] };
  await client.workflow.signalWithStart('refund', { ...refundReopen(input), ...signal });
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
