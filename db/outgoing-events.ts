import { z } from 'zod';
import { type EventType, isEventType, withAmountText } from '../domain/outgoing-event.ts';
import type { Connection } from './pool.ts';
import { sql } from './sql.ts';

/** What an event tells, as all readers see it. */
export const eventData = z.record(z.string(), z.unknown()).transform(withAmountText);

const eventRow = z.object({
  id: z.string(),
  cursor: z.string(),
  merchant_id: z.string(),
  type: z.custom<EventType>((it) => typeof it === 'string' && isEventType(it)),
  payment_id: z.string().nullable(),
  refund_id: z.string().nullable(),
  data: eventData,
  created_at: z.string(),
});
export type OutgoingEvent = z.infer<typeof eventRow>;
const EVENT = sql.fragment`id, tx::text || '-' || position AS cursor, merchant_id, type,
  payment_id, refund_id, data, created_at`;

/** True for a place in the order of events, as `cursor` of one. */
export function isEventCursor(text: string): boolean {
  return /^\d{1,19}-\d{1,18}$/.test(text);
}

/**
 * Events after a cursor, in the order in which they may be told. Only transactions before the
 * oldest one still open are read: a row that commits later never lands behind a cursor.
 * @param after null: from the first.
 */
export async function listEvents(
  db: Connection,
  filter: {
    readonly merchantId: string | null;
    readonly paymentId: string | null;
    readonly after: string | null;
    readonly limit: number;
  },
): Promise<readonly OutgoingEvent[]> {
  const [tx = '0', position = '0'] = (filter.after ?? '0-0').split('-');
  return await db.any(sql.type(eventRow)`
    SELECT ${EVENT} FROM outgoing_events
    WHERE (tx, position) > (${tx}::xid8, ${position}::bigint)
      AND tx < pg_snapshot_xmin(pg_current_snapshot())
      AND (${filter.merchantId}::text IS NULL OR merchant_id = ${filter.merchantId})
      AND (${filter.paymentId}::text IS NULL OR payment_id = ${filter.paymentId})
    ORDER BY tx, position LIMIT ${filter.limit}`);
}

/** Where the order of events stands now: what comes after it is new. */
export async function findLatestCursor(db: Connection): Promise<string> {
  const row = await db.one(sql.type(z.object({ cursor: z.string() }))`
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text || '-0' AS cursor`);
  return row.cursor;
}

export async function findEvent(
  db: Connection,
  merchantId: string,
  id: string,
): Promise<OutgoingEvent | null> {
  return await db.maybeOne(sql.type(eventRow)`
    SELECT ${EVENT} FROM outgoing_events WHERE id = ${id} AND merchant_id = ${merchantId}`);
}
