import { z } from 'zod';
import type { PaymentStatus } from '../domain/payment-states.ts';
import type { RefundStatus } from '../domain/refund-states.ts';
import type { Connection } from './pool.ts';
import type { WebhookEvent } from './rows.ts';
import { SILENT_SINCE, sql } from './sql.ts';

/** What may have lost its workflow. Only ids: a row that cannot be read holds no other up. */
const overdueRow = z.object({ id: z.string(), workflow_id: z.string(), is_sent: z.boolean() });
export type Overdue = z.infer<typeof overdueRow>;

/**
 * Each status has a queue of its own, and what was looked at goes to its end: no number of quiet
 * ones hides another.
 */
export const SWEPT_PAYMENTS = [
  'created',
  'processing',
  'requires_action',
  'authorized',
  'needs_review',
] as const satisfies readonly PaymentStatus[];
export const SWEPT_REFUNDS = ['pending', 'needs_review'] as const satisfies readonly RefundStatus[];

/** What nearly always waits rightly is not asked about more often. */
const SEEN_LATELY = sql.fragment`coalesce(swept_at > now() - interval '1 minute', false)`;

/**
 * Open payments that are overdue for longer than they said they would be, the longest unseen first.
 * One that may wait for days is looked at each hour all the same.
 */
export async function listOverduePayments(
  db: Connection,
  status: (typeof SWEPT_PAYMENTS)[number],
  graceMs: number,
  limit: number,
): Promise<readonly Overdue[]> {
  const grace = sql.fragment`${graceMs} * interval '1 millisecond'`;
  const isDue =
    status === 'created'
      ? sql.fragment`updated_at < now() - ${grace}`
      : sql.fragment`NOT ${SEEN_LATELY}
          AND (coalesce(swept_at, updated_at) < now() - interval '1 hour'
            OR ${SILENT_SINCE} < now() - ${grace})`;
  return await db.any(sql.type(overdueRow)`
    SELECT id, workflow_id, status <> 'created' AS is_sent FROM payments
    WHERE status = ${status} AND ${isDue}
    ORDER BY coalesce(swept_at, updated_at) LIMIT ${limit}`);
}

/**
 * Open refunds, likewise; those that nobody took up yet are waited for no longer than payments, and
 * one in review, which may wait for days, is looked at each hour all the same.
 */
export async function listOverdueRefunds(
  db: Connection,
  status: (typeof SWEPT_REFUNDS)[number],
  graceMs: number,
  limit: number,
): Promise<readonly Overdue[]> {
  return await db.any(sql.type(overdueRow)`
    SELECT id, workflow_id, dispatched_at IS NOT NULL AS is_sent FROM refunds
    WHERE status = ${status} AND (status = 'pending' OR NOT ${SEEN_LATELY})
      AND (CASE WHEN dispatched_at IS NULL AND waiting_for IS NULL THEN updated_at
          ELSE ${SILENT_SINCE} END < now() - ${graceMs} * interval '1 millisecond'
        OR (status = 'needs_review' AND coalesce(swept_at, updated_at) < now() - interval '1 hour'))
    ORDER BY coalesce(swept_at, updated_at) LIMIT ${limit}`);
}

/**
 * Disputes that found no payment when they came, and refunds made at the provider of payments that
 * had taken nothing then: the provider's id of a payment is written down with its answer, its money
 * with its outcome, and these may overtake both. After a week they are left to a person.
 */
export async function listParkedMoney(
  db: Connection,
  limit: number,
): Promise<readonly WebhookEvent[]> {
  return await db.any(sql.typeAlias('webhookEvent')`
    SELECT id, provider, account, event_key, status, workflow_id, payment_id, event, replay_count
    FROM webhook_events
    WHERE status = 'parked' AND event->>'kind' IN ('dispute', 'provider_refund')
      AND received_at > now() - interval '7 days' AND NOT ${SEEN_LATELY}
    ORDER BY coalesce(swept_at, received_at) LIMIT ${limit}`);
}

/** Puts a row at the end of its queue. To be done before it is looked at, whatever comes of it. */
export async function markSwept(
  db: Connection,
  table: 'payments' | 'refunds' | 'webhook_events',
  id: string,
): Promise<void> {
  await db.query(sql.typeAlias('none')`
    UPDATE ${sql.identifier([table])} SET swept_at = now() WHERE id = ${id}`);
}
