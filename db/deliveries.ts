import { z } from 'zod';
import { type EventType, isEventType } from '../domain/outgoing-event.ts';
import { newId } from './ids.ts';
import type { Connection, Pool } from './pool.ts';
import { sql } from './sql.ts';

export const DELIVERY_STATUSES = ['pending', 'succeeded', 'failed', 'canceled'] as const;

const deliveryRow = z.object({
  id: z.string(),
  event_id: z.string(),
  event_type: z.custom<EventType>((it) => typeof it === 'string' && isEventType(it)),
  endpoint_id: z.string(),
  status: z.enum(DELIVERY_STATUSES),
  attempt_count: z.int(),
  created_at: z.string(),
  updated_at: z.string(),
});
export type Delivery = z.infer<typeof deliveryRow>;
const DELIVERY = sql.fragment`d.id, d.event_id, e.type AS event_type, d.endpoint_id, d.status,
  d.attempt_count, d.created_at, d.updated_at`;
const FROM = sql.fragment`FROM deliveries d JOIN outgoing_events e ON e.id = d.event_id`;

const attemptRow = z.object({
  ordinal: z.int(),
  at: z.string(),
  duration_ms: z.int(),
  status_code: z.int().nullable(),
  error: z.string().nullable(),
  response: z.string().nullable(),
});
export type DeliveryAttempt = z.infer<typeof attemptRow>;

/** What one try of a delivery needs. */
const taskRow = z.object({
  delivery_id: z.string(),
  status: z.enum(DELIVERY_STATUSES),
  endpoint_id: z.string(),
  url: z.string(),
  active: z.boolean(),
  event_id: z.string(),
  type: z.string(),
  data: z.record(z.string(), z.unknown()),
  created_at: z.string(),
});
export type DeliveryTask = z.infer<typeof taskRow>;

export async function findDeliveryTask(db: Connection, id: string): Promise<DeliveryTask> {
  return await db.one(sql.type(taskRow)`
    SELECT d.id AS delivery_id, d.status, w.id AS endpoint_id, w.url, w.active, e.id AS event_id,
      e.type, e.data, e.created_at
    FROM deliveries d JOIN webhook_endpoints w ON w.id = d.endpoint_id
    JOIN outgoing_events e ON e.id = d.event_id WHERE d.id = ${id}`);
}

/** Newest first. */
export async function listDeliveries(
  db: Connection,
  filter: {
    readonly merchantId: string | null;
    readonly endpointId: string | null;
    readonly status: Delivery['status'] | null;
    readonly beforeId: string | null;
    readonly limit: number;
  },
): Promise<readonly Delivery[]> {
  return await db.any(sql.type(deliveryRow)`
    SELECT ${DELIVERY} ${FROM}
    WHERE (${filter.merchantId}::text IS NULL OR d.merchant_id = ${filter.merchantId})
      AND (${filter.endpointId}::text IS NULL OR d.endpoint_id = ${filter.endpointId})
      AND (${filter.status}::text IS NULL OR d.status = ${filter.status})
      AND (${filter.beforeId}::text IS NULL OR d.id < ${filter.beforeId})
    ORDER BY d.id DESC LIMIT ${filter.limit}`);
}

export async function findDelivery(
  db: Connection,
  merchantId: string,
  id: string,
): Promise<Delivery | null> {
  return await db.maybeOne(sql.type(deliveryRow)`
    SELECT ${DELIVERY} ${FROM} WHERE d.id = ${id} AND d.merchant_id = ${merchantId}`);
}

/** In order; at most a few dozen. */
export async function listDeliveryAttempts(
  db: Connection,
  id: string,
): Promise<readonly DeliveryAttempt[]> {
  return await db.any(sql.type(attemptRow)`
    SELECT ordinal, at, duration_ms, status_code, error, response FROM delivery_attempts
    WHERE delivery_id = ${id} ORDER BY ordinal LIMIT 1000`);
}

/** Deliveries whose workflow is to be started, oldest first, with the run it is. */
export async function listUndispatched(
  db: Connection,
  limit: number,
): Promise<readonly { readonly id: string; readonly run: number }[]> {
  return await db.any(sql.type(z.object({ id: z.string(), run: z.int() }))`
    SELECT id, run FROM deliveries WHERE dispatched_run < run ORDER BY id LIMIT ${limit}`);
}

export async function markDispatched(db: Connection, id: string, run: number): Promise<void> {
  await db.query(sql.typeAlias('none')`
    UPDATE deliveries SET dispatched_run = greatest(dispatched_run, ${run}) WHERE id = ${id}`);
}

/** Writes a try down, and what became of the delivery and its endpoint. */
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
    /** Why the endpoint is switched off now; null: it is not. */
    readonly disabledReason: string | null;
    readonly disableAfterMs: number;
  },
): Promise<void> {
  const { deliveryId, endpointId, isDelivered, disabledReason } = tried;
  return pool.transaction(async (db) => {
    const { ordinal } = await db.one(sql.type(z.object({ ordinal: z.int() }))`
      UPDATE deliveries SET attempt_count = attempt_count + 1, updated_at = now(),
        status = CASE WHEN ${isDelivered} THEN 'succeeded'
          WHEN ${disabledReason}::text IS NOT NULL THEN 'failed' ELSE status END
      WHERE id = ${deliveryId} RETURNING attempt_count AS ordinal`);
    await db.query(sql.typeAlias('none')`
      INSERT INTO delivery_attempts (delivery_id, ordinal, duration_ms, status_code, error,
        response)
      VALUES (${deliveryId}, ${ordinal}, ${tried.durationMs}, ${tried.statusCode}, ${tried.error},
        ${tried.response})`);
    const isTooLong = sql.fragment`failing_since
      < now() - ${tried.disableAfterMs} * interval '1 millisecond'`;
    await db.query(
      isDelivered
        ? sql.typeAlias('none')`
            UPDATE webhook_endpoints SET failing_since = NULL
            WHERE id = ${endpointId} AND failing_since IS NOT NULL`
        : sql.typeAlias('none')`
            UPDATE webhook_endpoints SET failing_since = coalesce(failing_since, now()),
              disabled_reason = CASE WHEN NOT active THEN disabled_reason
                ELSE coalesce(${disabledReason},
                  CASE WHEN ${isTooLong} THEN 'nothing could be delivered for too long' END) END,
              active = active AND ${disabledReason}::text IS NULL
                AND coalesce(NOT (${isTooLong}), true)
            WHERE id = ${endpointId}`,
    );
  });
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

/** Begins a delivery anew, from the first try. */
export async function resendDelivery(db: Connection, id: string): Promise<void> {
  await db.query(sql.typeAlias('none')`
    UPDATE deliveries SET run = run + 1, status = 'pending', updated_at = now()
    WHERE id = ${id} AND status <> 'pending'`);
}

/** The same for all that failed at an endpoint since a time. @returns how many. */
export async function recoverDeliveries(
  db: Connection,
  endpointId: string,
  since: string,
): Promise<number> {
  const rows = await db.any(sql.typeAlias('id')`
    UPDATE deliveries SET run = run + 1, status = 'pending', updated_at = now()
    WHERE endpoint_id = ${endpointId} AND status IN ('failed', 'canceled')
      AND created_at >= ${since}
    RETURNING id`);
  return rows.length;
}

/** An event for one endpoint only, to try it. @returns the delivery's id. */
export async function insertTestDelivery(
  db: Connection,
  endpoint: { readonly id: string; readonly merchantId: string },
): Promise<string> {
  const data = { object: 'webhook_endpoint', id: endpoint.id };
  const row = await db.one(sql.typeAlias('id')`
    WITH event AS (
      INSERT INTO outgoing_events (id, merchant_id, type, endpoint_id, data)
      VALUES (${newId('message')}, ${endpoint.merchantId}, 'endpoint.test', ${endpoint.id},
        ${sql.jsonb(data)}) RETURNING id)
    INSERT INTO deliveries (id, event_id, endpoint_id, merchant_id)
    SELECT ${newId('delivery')}, id, ${endpoint.id}, ${endpoint.merchantId} FROM event
    RETURNING id`);
  return row.id;
}
