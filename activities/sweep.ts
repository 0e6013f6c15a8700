import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { findPaymentByWorkflow, listLost, listUnstarted, paymentInput } from '../db/payments.ts';
import type { Pool } from '../db/pool.ts';
import { listUndelivered, markDelivered, markWebhookEvent } from '../db/webhook-events.ts';
import type { Payment, PaymentInput } from '../domain/payment.ts';
import { deliverEvent } from '../workflows/delivery.ts';
import { paymentStart, type SweepInput } from '../workflows/messages.ts';
import type { ActivityDeps } from './index.ts';

/**
 * Picks up what a crash left between PostgreSQL and Temporal. To start a payment's workflow again
 * is always safe: the dispatch is claimed in the database, so a charge that may be out is never
 * sent a second time.
 */
export function createSweep({ pool, temporal }: ActivityDeps) {
  return {
    async sweepUnstarted({ unstarted_after_ms, batch }: SweepInput): Promise<number> {
      const unstarted = await listUnstarted(pool, unstarted_after_ms, batch);
      for (const payment of unstarted) await startPayment(temporal, payment);
      const lost = await listLost(pool, unstarted_after_ms, batch);
      let rebuilt = 0;
      for (const payment of lost) {
        if (await isRunning(temporal, payment.workflowId)) continue;
        await startPayment(temporal, payment);
        rebuilt += 1;
      }
      return unstarted.length + rebuilt;
    },

    async sweepUndelivered({ undelivered_after_ms, batch }: SweepInput): Promise<number> {
      const events = await listUndelivered(pool, undelivered_after_ms, batch);
      for (const { id, event, workflow_id } of events) {
        const isTaken =
          event !== null &&
          workflow_id !== null &&
          (await deliverEvent(temporal, workflow_id, { eventId: id, event, unstored: null }, () =>
            loadInput(pool, workflow_id),
          ));
        const note = 'there is no payment for it';
        if (isTaken) await markDelivered(pool, id);
        else await markWebhookEvent(pool, { eventId: id, status: 'parked', note }, null);
      }
      return events.length;
    },
  };
}

async function loadInput(pool: Pool, workflowId: string): Promise<PaymentInput | null> {
  const payment = await findPaymentByWorkflow(pool, workflowId);
  return payment === null ? null : paymentInput(payment);
}

async function startPayment(temporal: Client, payment: Payment): Promise<void> {
  await temporal.workflow.start('payment', paymentStart(paymentInput(payment)));
}

async function isRunning(temporal: Client, workflowId: string): Promise<boolean> {
  try {
    const { status } = await temporal.workflow.getHandle(workflowId).describe();
    return status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}
