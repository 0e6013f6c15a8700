import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { recordDispute } from '../db/disputes.ts';
import { findLatePayment, findLateRefund } from '../db/late-news.ts';
import { listLost, listUnstarted } from '../db/payments.ts';
import type { Pool } from '../db/pool.ts';
import { findRefundByWorkflow, listSilentRefunds } from '../db/refunds.ts';
import type { WebhookEvent } from '../db/rows.ts';
import { listUndelivered, markDelivered, markWebhookEvent } from '../db/webhook-events.ts';
import { lateRefundInput, paymentInput, refundInput } from '../domain/inputs.ts';
import type { Payment } from '../domain/payment.ts';
import { deliveryIdOf, isDisputeEvent, isRefundEvent } from '../domain/webhook-event.ts';
import { capabilitiesOf } from '../providers/index.ts';
import { type Delivery, deliverEvent, deliverRefundEvent } from '../workflows/delivery.ts';
import { paymentStart, refundStart, type SweepInput } from '../workflows/messages.ts';
import type { ActivityDeps } from './deps.ts';

/**
 * Picks up what a crash left between PostgreSQL and Temporal. To start a payment's or a refund's
 * workflow again is always safe: the dispatch is claimed in the database, so money that may be out
 * is never sent a second time.
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
      return unstarted.length + rebuilt + (await sweepRefunds(pool, temporal, unstarted_after_ms));
    },

    async sweepUndelivered({ undelivered_after_ms, batch }: SweepInput): Promise<number> {
      const events = await listUndelivered(pool, undelivered_after_ms, batch);
      for (const event of events)
        await writeFate(pool, event.id, await deliver(pool, temporal, event));
      return events.length;
    },
  };
}

const FATES = {
  nothing_new: { status: 'applied', note: 'nothing new' },
  unknown: { status: 'parked', note: 'there is no payment for it' },
} as const;

async function writeFate(pool: Pool, eventId: string, fate: Delivery): Promise<void> {
  if (fate === 'delivered') return await markDelivered(pool, eventId);
  await markWebhookEvent(pool, { eventId, ...FATES[fate] }, null);
}

async function deliver(pool: Pool, temporal: Client, stored: WebhookEvent): Promise<Delivery> {
  const { event, workflow_id, payment_id, provider, account } = stored;
  const eventId = deliveryIdOf(stored);
  if (event === null) return 'unknown';
  if (isDisputeEvent(event)) {
    const found = { eventId, provider, account, dispute: event };
    return (await recordDispute(pool, found)) === 'unknown' ? 'unknown' : 'nothing_new';
  }
  if (workflow_id === null || payment_id === null) return 'unknown';
  const capabilities = capabilitiesOf(provider);
  if (isRefundEvent(event)) {
    const delivered = { eventId, event, unstored: null };
    return await deliverRefundEvent(temporal, workflow_id, delivered, async () => {
      const found = await findLateRefund(pool, workflow_id, event);
      if (typeof found === 'string') return found;
      return lateRefundInput(found.refund, found.payment, capabilities);
    });
  }
  const delivered = { eventId, event, unstored: null };
  return await deliverEvent(temporal, workflow_id, delivered, async () => {
    const payment = await findLatePayment(pool, workflow_id, event);
    return typeof payment === 'string' ? payment : paymentInput(payment, capabilitiesOf);
  });
}

const REFUND_BATCH = 100;

async function sweepRefunds(pool: Pool, temporal: Client, graceMs: number): Promise<number> {
  let started = 0;
  for (const refund of await listSilentRefunds(pool, graceMs, REFUND_BATCH)) {
    if (await isRunning(temporal, refund.workflowId)) continue;
    const found = await findRefundByWorkflow(pool, refund.workflowId);
    if (found === null) continue;
    const input = refundInput(refund, found.payment, capabilitiesOf(found.payment.provider));
    await temporal.workflow.start('refund', refundStart(input));
    started += 1;
  }
  return started;
}

async function startPayment(temporal: Client, payment: Payment): Promise<void> {
  const input = paymentInput(payment, capabilitiesOf);
  await temporal.workflow.start('payment', paymentStart(input));
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
