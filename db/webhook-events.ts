import { z } from 'zod';
import { eventIdOf, type SealedWebhookEvent } from '../domain/webhook-event.ts';
import type { Connection } from './pool.ts';
import { type WebhookEvent, webhookEventRow } from './rows.ts';
import { sql } from './sql.ts';
import type { Vault } from './vault.ts';

/** What the body of a callback is bound to. */
export function placeOfBody(eventId: string): string {
  return `webhook_events.body/${eventId}`;
}

export function sealBody(vault: Vault, eventId: string, body: Uint8Array): string {
  const text = Buffer.from(body).toString('base64');
  return vault.encrypt(placeOfBody(eventId), text).toString('base64');
}

export function openBody(vault: Vault, eventId: string, cipher: Uint8Array): Buffer {
  return Buffer.from(vault.decrypt(placeOfBody(eventId), cipher), 'base64');
}

/** An attempt (a) that was sent to this provider, with this account. */
export function isSentBy(provider: string, account: string | null) {
  const ofAccount =
    account === null
      ? sql.fragment`true`
      : sql.fragment`split_part(a.credentials_ref, '@', 1) = ${account}`;
  return sql.fragment`a.provider = ${provider} AND ${ofAccount}`;
}

const attemptPlace = z.object({
  id: z.string(),
  payment_id: z.string(),
  credentials_ref: z.string(),
});

/**
 * The attempt that a provider calls by this id; null when the account that speaks took no such
 * payment.
 */
export async function findAttemptOf(
  db: Connection,
  { provider, account }: { readonly provider: string; readonly account: string | null },
  providerPaymentId: string,
): Promise<z.infer<typeof attemptPlace> | null> {
  return await db.maybeOne(sql.type(attemptPlace)`
    SELECT a.id, a.payment_id, a.credentials_ref FROM attempts a
    WHERE ${isSentBy(provider, account)} AND a.provider_payment_id = ${providerPaymentId}
    ORDER BY a.payment_id LIMIT 1`);
}

/**
 * Keeps a callback. The unique key of provider and event makes duplicates visible: the first call
 * inserts, every other only counts. The row's id tells which one was first. Its payment is the one
 * that it names, when that was sent to the provider and account that speak; else null.
 */
export async function insertWebhookEvent(
  db: Connection,
  next: SealedWebhookEvent,
): Promise<{
  readonly inserted: boolean;
  readonly event: WebhookEvent;
  /** How often it came before. */
  readonly repeats: number;
}> {
  const event = next.event === null ? null : sql.jsonb(next.event);
  const account = next.account ?? null;
  const { duplicate_count, ...row } = await db.one(sql.type(storedRow)`
    INSERT INTO webhook_events (id, provider, account, event_key, status, workflow_id, payment_id,
      event, body_cipher, headers, verified_by, remote_address, error)
    VALUES (${next.id}, ${next.provider}, ${account}, ${next.eventKey}, ${next.status},
      ${next.workflowId},
      (SELECT a.payment_id FROM attempts a
        WHERE a.payment_id = coalesce(
            (SELECT id FROM payments WHERE workflow_id = ${next.workflowId}),
            (SELECT payment_id FROM refunds WHERE workflow_id = ${next.workflowId}))
          AND ${isSentBy(next.provider, account)} LIMIT 1),
      ${event},
      ${sql.binary(Buffer.from(next.bodyCipher, 'base64'))}, ${sql.jsonb(next.headers)},
      ${next.verifiedBy}, ${next.remoteAddress}, ${next.error})
    ON CONFLICT (provider, event_key) DO UPDATE
      SET duplicate_count = webhook_events.duplicate_count + 1
    RETURNING id, provider, account, event_key, status, workflow_id, payment_id, event,
      replay_count, duplicate_count`);
  return { inserted: row.id === next.id, event: row, repeats: duplicate_count };
}

const storedRow = webhookEventRow.extend({ duplicate_count: z.int() });

/** Whether a callback names a payment or refund that was sent to whoever proved it. */
export async function isAboutOurs(
  db: Connection,
  { provider, account, workflowId }: SealedWebhookEvent,
): Promise<boolean> {
  return await db.exists(sql.typeAlias('id')`
    SELECT a.id FROM attempts a
    WHERE a.payment_id = coalesce(
        (SELECT id FROM payments WHERE workflow_id = ${workflowId}),
        (SELECT payment_id FROM refunds WHERE workflow_id = ${workflowId}))
      AND ${isSentBy(provider, account)}`);
}

/**
 * Keeps only the bytes of a callback that the database refuses as it was read, parked under a key
 * of its own. What it means was told to its payment already, or an operator reads it.
 */
export async function insertUnreadEvent(
  db: Connection,
  { id, provider, account, workflowId, bodyCipher, verifiedBy }: SealedWebhookEvent,
  note: string,
): Promise<void> {
  await db.query(sql.typeAlias('none')`
    INSERT INTO webhook_events (id, provider, account, event_key, status, workflow_id,
      body_cipher, headers, verified_by, error)
    VALUES (${id}, ${provider}, ${account ?? null}, ${`unread-${id}`}, 'parked', ${workflowId},
      ${sql.binary(Buffer.from(bodyCipher, 'base64'))}, ${sql.jsonb({})}, ${verifiedBy}, ${note})
    ON CONFLICT DO NOTHING`);
}

/**
 * How long a workflow has to apply what it was told, before it is told again: a minute, then twice
 * as long each time, up to an hour. A workflow takes 10,000 signals, and workers may be away for
 * weeks.
 */
const TOLD_AGAIN_AFTER = sql.fragment`least(interval '1 hour',
  interval '1 minute' * power(2, least(delivery_count - 1, 6)))`;

/**
 * Callbacks that were stored but not delivered, or delivered long ago and never applied; what the
 * sweeper tried in vain comes after what it did not try.
 */
export async function listUndelivered(
  db: Connection,
  olderThanMs: number,
  limit: number,
): Promise<readonly WebhookEvent[]> {
  return await db.any(sql.typeAlias('webhookEvent')`
    SELECT id, provider, account, event_key, status, workflow_id, payment_id, event,
      replay_count
    FROM webhook_events
    WHERE status = 'received'
      AND received_at < now() - ${olderThanMs} * interval '1 millisecond'
      AND (delivered_at IS NULL OR delivered_at < now() - ${TOLD_AGAIN_AFTER})
    ORDER BY coalesce(swept_at, received_at) LIMIT ${limit}`);
}

/** Who sent it; null while it is not stored. */
export async function findEventProvider(
  db: Connection,
  deliveryId: string,
): Promise<string | null> {
  const row = await db.maybeOne(sql.type(z.object({ provider: z.string() }))`
    SELECT provider FROM webhook_events WHERE id = ${eventIdOf(deliveryId)}`);
  return row?.provider ?? null;
}

/** Writes down what became of a callback. Applied stays applied. */
export async function markWebhookEvent(
  db: Connection,
  mark: {
    readonly eventId: string;
    readonly status: 'applied' | 'parked';
    readonly note: string | null;
  },
  paymentId: string | null,
): Promise<void> {
  await db.query(sql.typeAlias('none')`
    UPDATE webhook_events SET status = ${mark.status}, error = ${mark.note},
      payment_id = coalesce(payment_id, ${paymentId}),
      applied_at = CASE WHEN ${mark.status} = 'applied' THEN now() END
    WHERE id = ${eventIdOf(mark.eventId)} AND status <> 'applied'`);
}

/** Puts a parked callback among those that the sweeper delivers. */
export async function awaitDelivery(db: Connection, eventId: string): Promise<void> {
  await db.query(sql.typeAlias('none')`
    UPDATE webhook_events SET status = 'received' WHERE id = ${eventId} AND status = 'parked'`);
}

/** Writes down that Temporal took the callback over. */
export async function markDelivered(db: Connection, eventId: string): Promise<void> {
  await db.query(sql.typeAlias('none')`
    UPDATE webhook_events SET delivery_count = delivery_count + 1, delivered_at = now()
    WHERE id = ${eventId}`);
}
