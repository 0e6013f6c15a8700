import { z } from 'zod';
import type { Connection } from './pool.ts';
import { webhookEventRow } from './rows.ts';
import { sql } from './sql.ts';
import { ifReadable, type Vault } from './vault.ts';
import { openBody } from './webhook-events.ts';

/** A stored callback as operators see it; its body only on demand. */
const callbackRow = webhookEventRow.extend({
  headers: z.record(z.string(), z.string()),
  verified_by: z.string(),
  remote_address: z.string().nullable(),
  error: z.string().nullable(),
  duplicate_count: z.int(),
  delivery_count: z.int(),
  delivered_at: z.string().nullable(),
  received_at: z.string(),
  applied_at: z.string().nullable(),
});
export type StoredCallback = z.infer<typeof callbackRow>;
const COLUMNS = sql.join(
  Object.keys(callbackRow.shape).map((name) => sql.identifier([name])),
  sql.fragment`, `,
);

/** Newest first. */
export async function listCallbacks(
  db: Connection,
  filter: {
    readonly status: StoredCallback['status'] | null;
    readonly provider: string | null;
    readonly paymentId: string | null;
    readonly beforeId: string | null;
    readonly limit: number;
  },
): Promise<readonly StoredCallback[]> {
  return await db.any(sql.type(callbackRow)`
    SELECT ${COLUMNS} FROM webhook_events
    WHERE (${filter.status}::text IS NULL OR status = ${filter.status})
      AND (${filter.provider}::text IS NULL OR provider = ${filter.provider})
      AND (${filter.paymentId}::text IS NULL OR payment_id = ${filter.paymentId})
      AND (${filter.beforeId}::text IS NULL OR id < ${filter.beforeId})
    ORDER BY id DESC LIMIT ${filter.limit}`);
}

export async function findCallback(db: Connection, id: string): Promise<StoredCallback | null> {
  return await db.maybeOne(sql.type(callbackRow)`
    SELECT ${COLUMNS} FROM webhook_events WHERE id = ${id}`);
}

/** The bytes as they came; null when there is no such callback. */
export async function openCallbackBody(
  db: Connection,
  vault: Vault,
  id: string,
): Promise<Buffer | 'unreadable' | null> {
  const row = await db.maybeOne(sql.type(z.object({ body_cipher: z.instanceof(Uint8Array) }))`
    SELECT body_cipher FROM webhook_events WHERE id = ${id}`);
  if (row === null) return null;
  return ifReadable(() => openBody(vault, id, row.body_cipher)) ?? 'unreadable';
}

/**
 * Puts a callback back among those that wait for their delivery: the sweeper takes it from there.
 * What it says is judged anew by the payment's table, so doing it twice changes nothing.
 */
export async function replayCallback(db: Connection, id: string): Promise<void> {
  await db.query(sql.typeAlias('none')`
    UPDATE webhook_events SET status = 'received', delivered_at = NULL, applied_at = NULL,
      error = NULL, replay_count = replay_count + 1
    WHERE id = ${id} AND event IS NOT NULL AND payment_id IS NOT NULL`);
}

/** Closes a parked callback that somebody looked at. @returns false where it is not parked. */
export async function resolveCallback(db: Connection, id: string, note: string): Promise<boolean> {
  const closed = await db.maybeOne(sql.typeAlias('id')`
    UPDATE webhook_events SET status = 'applied', applied_at = now(), error = ${note}
    WHERE id = ${id} AND status = 'parked' RETURNING id`);
  return closed !== null;
}
