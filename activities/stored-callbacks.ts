import type { Client } from '@temporalio/client';
import { recordAccountEvent } from '../db/account-events.ts';
import { findLatePayment, findLateRefund, isForWorkflow } from '../db/late-events.ts';
import type { Pool } from '../db/pool.ts';
import type { WebhookEvent } from '../db/rows.ts';
import { markDelivered, markWebhookEvent } from '../db/webhook-events.ts';
import { reopenedByCallback, reopenedRefundInput } from '../domain/inputs.ts';
import { deliveryIdOf, isAccountEvent, isRefundEvent } from '../domain/webhook-event.ts';
import { capabilitiesOf } from '../providers/index.ts';
import { type Delivery, deliverEvent, deliverRefundEvent } from '../temporal/deliver-callback.ts';
import type { ActivityDeps } from './deps.ts';

type Temporal = Pick<ActivityDeps, 'pool' | 'temporal'>;

const FATES = {
  nothing_new: { status: 'applied', note: 'nothing new' },
  unknown: { status: 'parked', note: 'there is no payment for it' },
} as const;

/** Brings a stored callback to its workflow, and writes down what became of it. */
export async function deliverStored(
  { pool, temporal }: Temporal,
  stored: WebhookEvent,
): Promise<boolean> {
  const told = await recordStored(pool, stored);
  const fate = told ?? (await deliver(pool, temporal, stored));
  if (fate === 'written') return true;
  if (fate === 'delivered') await markDelivered(pool, stored.id);
  else await markWebhookEvent(pool, { eventId: stored.id, ...FATES[fate] }, null);
  return true;
}

/** Looks again for the payment that money at the provider is of; true when it is there now. */
export async function retryMoney({ pool }: Temporal, parked: WebhookEvent): Promise<boolean> {
  return (await recordStored(pool, parked)) === 'written';
}

/** What names its payment by the provider's id is written down at once; null for all else. */
async function recordStored(
  pool: Pool,
  stored: WebhookEvent,
): Promise<'written' | 'unknown' | null> {
  const { event, provider, account } = stored;
  if (event === null || !isAccountEvent(event)) return null;
  const found = { eventId: deliveryIdOf(stored), provider, account, event };
  return (await recordAccountEvent(pool, found)) === 'unknown' ? 'unknown' : 'written';
}

async function deliver(pool: Pool, temporal: Client, stored: WebhookEvent): Promise<Delivery> {
  const { event, workflow_id, provider } = stored;
  if (event === null || isAccountEvent(event)) return 'unknown';
  if (workflow_id === null || !(await isForWorkflow(pool, stored))) return 'unknown';
  const eventId = deliveryIdOf(stored);
  if (isRefundEvent(event)) {
    const delivered = { eventId, event, unstored: null };
    return await deliverRefundEvent(temporal, workflow_id, delivered, async () => {
      const found = await findLateRefund(pool, workflow_id, event);
      if (typeof found === 'string') return found;
      const capabilities = capabilitiesOf(provider);
      return reopenedRefundInput(found.refund, found.payment, capabilities, { isSent: true });
    });
  }
  const delivered = { eventId, event, unstored: null };
  return await deliverEvent(temporal, workflow_id, delivered, async () => {
    const payment = await findLatePayment(pool, workflow_id, event);
    if (typeof payment === 'string') return payment;
    return reopenedByCallback(payment, capabilitiesOf, Date.now());
  });
}
