import { z } from 'zod';
import { DELIVERY_STATUSES, type Delivery } from './deliveries.ts';
import { OVERDUE_AFTER_MS } from './delivery-turns.ts';
import { eventData } from './outgoing-events.ts';
import type { Connection, Pool } from './pool.ts';
import { sql } from './sql.ts';

/** What one try of a delivery needs. */
const taskRow = z.object({
  delivery_id: z.string(),
  merchant_id: z.string(),
  status: z.enum(DELIVERY_STATUSES),
  endpoint_id: z.string(),
  url: z.string(),
  active: z.boolean(),
  event_id: z.string(),
  type: z.string(),
  data: eventData,
  created_at: z.string(),
});
export type DeliveryTask = z.infer<typeof taskRow>;

export async function findDeliveryTask(db: Connection, id: string): Promise<DeliveryTask> {
  return await db.one(sql.type(taskRow)`
    SELECT d.id AS delivery_id, d.merchant_id, d.status, w.id AS endpoint_id, w.url, w.active,
      e.id AS event_id, e.type, e.data, e.created_at
    FROM deliveries d JOIN webhook_endpoints w ON w.id = d.endpoint_id
    JOIN outgoing_events e ON e.id = d.event_id WHERE d.id = ${id}`);
}

/** What became of a delivery by a try. */
export type Tried = {
  readonly status: Delivery['status'];
  /** How many tries of this run are written down. */
  readonly runAttempts: number;
  /** Why this try switched the endpoint off; null: it did not. */
  readonly disabledReason: string | null;
};

/**
 * Writes a try down, and what became of the delivery and its endpoint. A run is over when it was
 * tried `triesMax` times: only what stands here counts, so neither a crash nor a database that was
 * away shortens the schedule. One that is tried again is overdue some time after that.
 */
export function recordDeliveryAttempt(
  pool: Pool,
  tried: {
    readonly deliveryId: string;
    readonly endpointId: string;
    readonly durationMs: number;
    readonly statusCode: number | null;
    readonly error: string | null;
    readonly response: string | null;
    readonly isDelivered: boolean;
    /** The endpoint said that it wants nothing more. */
    readonly goneReason: string | null;
    /** The pause after each try of a run; after the last pause comes the last try. */
    readonly scheduleMs: readonly number[];
    readonly disableAfterMs: number;
  },
): Promise<Tried> {
  const { deliveryId, isDelivered, scheduleMs } = tried;
  const pauses = sql.array([...scheduleMs], 'int8');
  return pool.transaction(async (db) => {
    const row = z.object({
      ordinal: z.int(),
      run_attempts: z.int(),
      status: z.enum(DELIVERY_STATUSES),
    });
    const { ordinal, run_attempts, status } = await db.one(sql.type(row)`
      UPDATE deliveries SET attempt_count = attempt_count + 1, run_attempts = run_attempts + 1,
        updated_at = now(),
        overdue_at = now() + ${OVERDUE_AFTER_MS} * interval '1 millisecond'
          + coalesce((${pauses})[run_attempts + 1], 0) * interval '1 millisecond',
        status = CASE WHEN ${isDelivered} THEN 'succeeded' WHEN status <> 'pending' THEN status
          WHEN ${tried.goneReason !== null} OR run_attempts >= ${scheduleMs.length} THEN 'failed'
          ELSE status END
      WHERE id = ${deliveryId} RETURNING attempt_count AS ordinal, run_attempts, status`);
    await db.query(sql.typeAlias('none')`
      INSERT INTO delivery_attempts (delivery_id, ordinal, duration_ms, status_code, error,
        response)
      VALUES (${deliveryId}, ${ordinal}, ${tried.durationMs}, ${tried.statusCode}, ${tried.error},
        ${tried.response})`);
    const disabledReason = isDelivered
      ? await clearFailing(db, tried.endpointId)
      : await noteFailing(db, tried);
    return { status, runAttempts: run_attempts, disabledReason };
  });
}

async function clearFailing(db: Connection, endpointId: string): Promise<null> {
  await db.query(sql.typeAlias('none')`
    UPDATE webhook_endpoints SET failing_since = NULL
    WHERE id = ${endpointId} AND failing_since IS NOT NULL`);
  return null;
}

/** @returns why the endpoint is switched off by this, and was not before. */
async function noteFailing(
  db: Connection,
  tried: {
    readonly endpointId: string;
    readonly goneReason: string | null;
    readonly disableAfterMs: number;
  },
): Promise<string | null> {
  const { endpointId, goneReason, disableAfterMs } = tried;
  const row = z.object({ active: z.boolean(), reason: z.string().nullable() });
  // A statement of its own: one that waits for another's lock may see the row as it was before.
  const { active, reason } = await db.one(sql.type(row)`
    SELECT active, coalesce(${goneReason}, CASE WHEN failing_since
      < now() - ${disableAfterMs} * interval '1 millisecond'
      THEN 'nothing could be delivered for too long' END) AS reason
    FROM webhook_endpoints WHERE id = ${endpointId} FOR UPDATE`);
  await db.query(sql.typeAlias('none')`
    UPDATE webhook_endpoints SET failing_since = coalesce(failing_since, now()),
      active = active AND ${reason === null},
      disabled_reason = CASE WHEN active THEN ${reason} ELSE disabled_reason END
    WHERE id = ${endpointId}`);
  return active ? reason : null;
}

/** Ends a delivery that is still open. */
export async function endDelivery(
  db: Connection,
  id: string,
  status: 'failed' | 'canceled',
): Promise<void> {
  await db.query(sql.typeAlias('none')`
    UPDATE deliveries SET status = ${status}, updated_at = now()
    WHERE id = ${id} AND status = 'pending'`);
}
