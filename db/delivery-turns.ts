import { z } from 'zod';
import type { DeliveryLimits } from '../domain/outgoing-event.ts';
import type { Connection } from './pool.ts';
import { sql } from './sql.ts';

const runRow = z.object({ id: z.string(), run: z.int() });
/** A run of a delivery, which is one workflow. */
export type DeliveryRun = Readonly<z.infer<typeof runRow>>;

/** So long after its next try was due a delivery is overdue: pauses of a busy endpoint fit in. */
export const OVERDUE_AFTER_MS = 600_000;
const OVERDUE_AT = sql.fragment`now() + ${OVERDUE_AFTER_MS} * interval '1 millisecond'`;

/**
 * Deliveries whose workflow is to be started, in the order in which they have their turn: whose
 * merchant has the fewest before their first try comes first, and of one merchant's the one whose
 * endpoint has the fewest; then the oldest. A recovery may leave a hundred thousand of one
 * merchant, and who has one delivery must not wait for them.
 *
 * Of a merchant, and of an endpoint, so many are before their first try at the same time, and no
 * more. What waits for another try does not count, or an endpoint that is down would hold up the
 * others of its merchant for hours; nor does what is overdue, whose workflow may be lost.
 *
 * The recursion jumps from endpoint to endpoint by the index, since a DISTINCT would read all that
 * waits.
 */
export async function listUndispatched(
  db: Connection,
  limits: Pick<DeliveryLimits, 'first_tries_max' | 'first_tries_per_endpoint_max'>,
  limit: number,
): Promise<readonly DeliveryRun[]> {
  const perEndpoint = limits.first_tries_per_endpoint_max;
  return await db.any(sql.type(runRow)`
    WITH RECURSIVE waiting AS (
      (SELECT merchant_id, endpoint_id FROM deliveries WHERE dispatched_run < run
        ORDER BY merchant_id, endpoint_id LIMIT 1)
      UNION ALL
      SELECT next.merchant_id, next.endpoint_id FROM waiting w CROSS JOIN LATERAL (
        SELECT merchant_id, endpoint_id FROM deliveries
        WHERE dispatched_run < run
          AND (merchant_id, endpoint_id) > (w.merchant_id, w.endpoint_id)
        ORDER BY merchant_id, endpoint_id LIMIT 1) next),
    started AS (
      SELECT merchant_id, endpoint_id, count(id)::int AS deliveries FROM deliveries
      WHERE status = 'pending' AND dispatched_run = run AND run_attempts = 0
        AND overdue_at > now()
      GROUP BY merchant_id, endpoint_id),
    of_endpoints AS (
      SELECT w.merchant_id, own.id, own.run, coalesce(s.deliveries, 0) + own.nth AS place
      FROM waiting w LEFT JOIN started s USING (merchant_id, endpoint_id) CROSS JOIN LATERAL (
        SELECT id, run, row_number() OVER (ORDER BY id) AS nth FROM deliveries
        WHERE dispatched_run < run
          AND merchant_id = w.merchant_id AND endpoint_id = w.endpoint_id
        ORDER BY id LIMIT greatest(0, ${perEndpoint}::int - coalesce(s.deliveries, 0))) own),
    of_merchants AS (
      SELECT e.id, e.run, coalesce(s.deliveries, 0)
        + row_number() OVER (PARTITION BY e.merchant_id ORDER BY e.place, e.id) AS place
      FROM of_endpoints e LEFT JOIN (
        SELECT merchant_id, sum(deliveries)::int AS deliveries FROM started
        GROUP BY merchant_id) s USING (merchant_id))
    SELECT id, run FROM of_merchants WHERE place <= ${limits.first_tries_max}
    ORDER BY place, id LIMIT ${limit}`);
}

/** Their workflows stand: until they are overdue they count as started. */
export async function markDispatched(db: Connection, runs: readonly DeliveryRun[]): Promise<void> {
  await db.query(sql.typeAlias('none')`
    UPDATE deliveries d SET dispatched_run = it.run, overdue_at = ${OVERDUE_AT}
    FROM ${each(runs)} AS it (id, run) WHERE d.id = it.id AND d.run = it.run`);
}

/** Started deliveries that show no sign of life, the longest silent first. */
export async function listOverdue(db: Connection, limit: number): Promise<readonly DeliveryRun[]> {
  return await db.any(sql.type(runRow)`
    SELECT id, run FROM deliveries
    WHERE status = 'pending' AND dispatched_run = run AND overdue_at < now()
    ORDER BY overdue_at LIMIT ${limit}`);
}

/**
 * Their workflows have ended and they are still to be delivered: another run goes on where the last
 * one stood in the schedule.
 */
export async function beginAnotherRun(db: Connection, runs: readonly DeliveryRun[]): Promise<void> {
  await db.query(sql.typeAlias('none')`
    UPDATE deliveries d SET run = d.run + 1
    FROM ${each(runs)} AS it (id, run)
    WHERE d.id = it.id AND d.run = it.run AND d.status = 'pending'`);
}

const each = (runs: readonly DeliveryRun[]) =>
  sql.unnest(
    runs.map(({ id, run }) => [id, run]),
    ['text', 'int4'],
  );
