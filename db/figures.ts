import { z } from 'zod';
import { PAYMENT_STATUSES } from '../domain/payment-states.ts';
import type { Connection } from './pool.ts';
import { sql } from './sql.ts';

const openRow = z.object({
  provider: z.string(),
  status: z.enum(PAYMENT_STATUSES),
  payments: z.int(),
  oldest_seconds: z.int(),
  overdue: z.int(),
});
const waitingRow = z.object({ callbacks: z.int(), deliveries: z.int(), refunds: z.int() });

export type OpenFigures = z.infer<typeof openRow>;
export type WaitingFigures = z.infer<typeof waitingRow>;

/** A minute beyond the time that a payment said it would wait. */
const OVERDUE = sql.fragment`wait_until < now() - interval '1 minute'`;

/** Open payments by provider and status; the index of open payments holds no others. */
export async function countOpenPayments(db: Connection): Promise<readonly OpenFigures[]> {
  return await db.any(sql.type(openRow)`
    SELECT provider, status, count(id) AS payments,
      extract(epoch FROM now() - min(created_at))::int AS oldest_seconds,
      count(id) FILTER (WHERE ${OVERDUE}) AS overdue
    FROM payments
    WHERE status IN ('created', 'processing', 'requires_action', 'authorized', 'needs_review')
    GROUP BY provider, status`);
}

/** What else waits: callbacks for their payment, webhooks for their workflow, refunds in review. */
export async function countWaiting(db: Connection): Promise<WaitingFigures> {
  return await db.one(sql.type(waitingRow)`
    SELECT
      (SELECT count(id) FROM webhook_events WHERE status = 'received') AS callbacks,
      (SELECT count(id) FROM deliveries WHERE dispatched_run < run) AS deliveries,
      (SELECT count(id) FROM refunds WHERE status = 'needs_review') AS refunds`);
}
