import { z } from 'zod';
import { PAYMENT_STATUSES } from '../domain/payment-states.ts';
import type { Connection } from './pool.ts';
import { isOverdue, sql } from './sql.ts';

const openRow = z.object({
  provider: z.string(),
  status: z.enum(PAYMENT_STATUSES),
  payments: z.int(),
  oldest_seconds: z.int(),
  overdue: z.int(),
});
const waitingRow = z.object({
  callbacks: z.int(),
  deliveries: z.int(),
  pending_deliveries: z.int(),
  refunds: z.int(),
  disabled_endpoints: z.int(),
  parked_callbacks: z.int(),
  unmatched_receipts: z.int(),
});
const storyRow = z.object({ type: z.string(), provider: z.string(), events: z.int() });
const delayRow = z.object({ provider: z.string(), ms: z.int() });

export type OpenMetrics = z.infer<typeof openRow>;
export type WaitingMetrics = z.infer<typeof waitingRow>;
export type StoryFigures = z.infer<typeof storyRow>;
export type CallbackDelay = z.infer<typeof delayRow>;

/** Nobody needs to know how many more there are. */
const COUNTED_MAX = 10_000;

/** What is listed as stuck: a review waits as long as a person likes. */
const OVERDUE = sql.fragment`status <> 'needs_review' AND ${isOverdue(60_000)}`;

/** Open payments by provider and status; the index of open payments holds no others. */
export async function countOpenPayments(db: Connection): Promise<readonly OpenMetrics[]> {
  return await db.any(sql.type(openRow)`
    SELECT provider, status, count(id) AS payments,
      extract(epoch FROM now() - min(created_at))::int AS oldest_seconds,
      count(id) FILTER (WHERE ${OVERDUE}) AS overdue
    FROM payments
    WHERE status IN ('created', 'processing', 'requires_action', 'authorized', 'needs_review')
    GROUP BY provider, status`);
}

/**
 * What else waits: callbacks for their payment, deliveries for their workflow and to be taken,
 * refunds in review, endpoints that we switched off for their merchant, and what waits for a
 * person: callbacks that were parked, and money beside a payment's own.
 */
export async function countWaiting(db: Connection): Promise<WaitingMetrics> {
  return await db.one(sql.type(waitingRow)`
    SELECT
      (SELECT count(id) FROM webhook_events WHERE status = 'received') AS callbacks,
      (SELECT count(id) FROM (SELECT id FROM deliveries WHERE dispatched_run < run
        LIMIT ${COUNTED_MAX}) AS waiting) AS deliveries,
      (SELECT count(id) FROM deliveries WHERE status = 'pending') AS pending_deliveries,
      (SELECT count(id) FROM refunds WHERE status = 'needs_review') AS refunds,
      (SELECT count(id) FROM webhook_endpoints
        WHERE NOT active AND disabled_reason IS NOT NULL AND deleted_at IS NULL)
        AS disabled_endpoints,
      (SELECT count(id) FROM (SELECT id FROM webhook_events WHERE status = 'parked'
        LIMIT ${COUNTED_MAX}) AS parked) AS parked_callbacks,
      (SELECT count(id) FROM payments WHERE unmatched_receipts @> '[{"status": "open"}]')
        AS unmatched_receipts`);
}

/**
 * What happened between two places in the order of events, as findLatestCursor tells them: how
 * many events of each type and provider. Going on from `before` nothing is counted twice or missed.
 */
export async function countEvents(
  db: Connection,
  after: string,
  before: string,
): Promise<readonly StoryFigures[]> {
  const [tx = '0', position = '0'] = after.split('-');
  const [end = '0'] = before.split('-');
  return await db.any(sql.type(storyRow)`
    SELECT e.type, coalesce(e.data->>'provider', p.provider, '') AS provider,
      count(e.id) AS events
    FROM outgoing_events e LEFT JOIN payments p ON p.id = e.payment_id
    WHERE (e.tx, e.position) > (${tx}::xid8, ${position}::bigint) AND e.tx < ${end}::xid8
    GROUP BY 1, 2`);
}

/** The newest callback's id; what comes later has a later one. Null while there is none. */
export async function findLatestCallback(db: Connection): Promise<string | null> {
  const row = await db.one(sql.type(z.object({ id: z.string().nullable() }))`
    SELECT max(id) AS id FROM webhook_events`);
  return row.id;
}

/**
 * From the dispatch of an attempt to its first callback, of callbacks between two ids. One that two
 * processes stored in another order than they named it is left out: a histogram can bear it.
 * @param after null: from the first.
 */
export async function listCallbackDelays(
  db: Connection,
  after: string | null,
  last: string,
): Promise<readonly CallbackDelay[]> {
  return await db.any(sql.type(delayRow)`
    SELECT w.provider, (extract(epoch FROM w.received_at - a.dispatched_at) * 1000)::bigint AS ms
    FROM webhook_events w CROSS JOIN LATERAL (
      SELECT dispatched_at FROM attempts
      WHERE payment_id = w.payment_id AND provider = w.provider AND dispatched_at <= w.received_at
      ORDER BY ordinal DESC LIMIT 1) a
    WHERE w.id > ${after ?? ''} AND w.id <= ${last} AND NOT EXISTS (
      SELECT 1 FROM webhook_events earlier
      WHERE earlier.payment_id = w.payment_id AND earlier.id < w.id
        AND earlier.received_at >= a.dispatched_at)`);
}
