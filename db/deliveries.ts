import { z } from 'zod';
import { type EventType, isEventType } from '../domain/outgoing-event.ts';
import { idsFrom, newId } from './ids.ts';
import type { Connection } from './pool.ts';
import { sql } from './sql.ts';
import type { WebhookEndpoint } from './webhook-endpoints.ts';

export const DELIVERY_STATUSES = ['pending', 'succeeded', 'failed', 'canceled'] as const;

const deliveryRow = z.object({
  id: z.string(),
  event_id: z.string(),
  event_type: z.custom<EventType>((it) => typeof it === 'string' && isEventType(it)),
  endpoint_id: z.string(),
  endpoint_url: z.string(),
  endpoint_active: z.boolean(),
  merchant_id: z.string(),
  status: z.enum(DELIVERY_STATUSES),
  attempt_count: z.int(),
  created_at: z.string(),
  updated_at: z.string(),
});
export type Delivery = z.infer<typeof deliveryRow>;
const DELIVERY = sql.fragment`d.id, d.event_id, e.type AS event_type, d.endpoint_id,
  w.url AS endpoint_url, w.active AS endpoint_active, d.merchant_id, d.status, d.attempt_count,
  d.created_at, d.updated_at`;
const FROM = sql.fragment`FROM deliveries d JOIN outgoing_events e ON e.id = d.event_id
  JOIN webhook_endpoints w ON w.id = d.endpoint_id`;

const attemptRow = z.object({
  ordinal: z.int(),
  at: z.string(),
  duration_ms: z.int(),
  status_code: z.int().nullable(),
  error: z.string().nullable(),
  response: z.string().nullable(),
});
export type DeliveryAttempt = z.infer<typeof attemptRow>;

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
  const delivery = await findAnyDelivery(db, id);
  return delivery?.merchant_id === merchantId ? delivery : null;
}

/** Whosever it is; for operators. */
export async function findAnyDelivery(db: Connection, id: string): Promise<Delivery | null> {
  return await db.maybeOne(sql.type(deliveryRow)`SELECT ${DELIVERY} ${FROM} WHERE d.id = ${id}`);
}

/** A run has about ten, and a delivery as many runs as somebody asks for. */
const ATTEMPTS_SHOWN = 100;

/** The last hundred, in order. */
export async function listDeliveryAttempts(
  db: Connection,
  id: string,
): Promise<readonly DeliveryAttempt[]> {
  return await db.any(sql.type(attemptRow)`
    SELECT ordinal, at, duration_ms, status_code, error, response FROM (
      SELECT * FROM delivery_attempts WHERE delivery_id = ${id}
      ORDER BY ordinal DESC LIMIT ${ATTEMPTS_SHOWN}) last
    ORDER BY ordinal`);
}

/** Begins a delivery anew, from the first try. */
export async function resendDelivery(db: Connection, id: string): Promise<void> {
  await db.query(sql.typeAlias('none')`
    UPDATE deliveries SET run = run + 1, run_attempts = 0, status = 'pending', updated_at = now()
    WHERE id = ${id} AND status <> 'pending'`);
}

/** Events looked at in one statement, asked for or not. */
const RECOVERY_BATCH = 1_000;
/** An event's id is made on one clock and its time on another. */
const CLOCK_SLACK_MS = 3_600_000;

/**
 * Delivers what an endpoint lacks of the events since a time: what failed, and what happened while
 * it was off. What it has, and what is on its way, stays as it is. Each batch stands for itself, so
 * a recovery that breaks off is finished by the next. @returns how many are on their way now.
 */
export async function recoverDeliveries(
  db: Connection,
  endpoint: Pick<WebhookEndpoint, 'id' | 'merchant_id' | 'event_types'>,
  since: string,
): Promise<number> {
  const row = z.object({ last: z.string().nullable(), recovered: z.int() });
  const isAskedFor = sql.fragment`(endpoint_id = ${endpoint.id} OR endpoint_id IS NULL
    AND type NOT LIKE '%.updated' AND (${endpoint.event_types.length === 0}
      OR type = ANY (${sql.array([...endpoint.event_types], 'text')})))`;
  let total = 0;
  let after: string | null = idsFrom('message', since, -CLOCK_SLACK_MS);
  while (after !== null) {
    const page: z.infer<typeof row> = await db.one(sql.type(row)`
      WITH page AS (
        SELECT id, type, endpoint_id, created_at FROM outgoing_events
        WHERE merchant_id = ${endpoint.merchant_id} AND id > ${after}
        ORDER BY id LIMIT ${RECOVERY_BATCH}),
      recovered AS (
        INSERT INTO deliveries AS d (id, event_id, endpoint_id, merchant_id)
        SELECT new_id('del'), id, ${endpoint.id}, ${endpoint.merchant_id} FROM page
        WHERE created_at >= ${since} AND ${isAskedFor}
        ON CONFLICT (event_id, endpoint_id) DO UPDATE
          SET run = d.run + 1, run_attempts = 0, status = 'pending', updated_at = now()
          WHERE d.status IN ('failed', 'canceled')
        RETURNING id)
      SELECT (SELECT max(id) FROM page) AS last, (SELECT count(id) FROM recovered) AS recovered`);
    total += page.recovered;
    after = page.last;
  }
  return total;
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
