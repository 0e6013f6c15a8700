import { z } from 'zod';
import { type Actor, AUDIT_ACTIONS, type AuditAction } from '../domain/payment-record.ts';
import { newId } from './ids.ts';
import type { Connection } from './pool.ts';
import type { AuditEntry } from './rows.ts';
import { sql } from './sql.ts';

export type NewAuditEntry = {
  readonly paymentId: string;
  readonly key: string;
  readonly action: AuditAction;
  readonly from: string | null;
  readonly to: string | null;
  readonly actor: Actor;
  readonly cause: string;
  readonly details: Record<string, string | number>;
};

/**
 * Appends to a payment's trail. Number, time and hash are the trigger's; the caller holds the
 * payment's row lock, so that numbers have no gaps.
 */
export async function appendAudit(db: Connection, entry: NewAuditEntry): Promise<void> {
  await db.query(sql.typeAlias('none')`
    INSERT INTO audit_entries (id, payment_id, key, action, from_status, to_status, actor, cause,
      details)
    VALUES (${newId('audit')}, ${entry.paymentId}, ${entry.key}, ${entry.action}, ${entry.from},
      ${entry.to}, ${entry.actor}, ${entry.cause}, ${sql.jsonb(entry.details)})`);
}

const stepRow = z.object({
  action: z.enum(AUDIT_ACTIONS),
  from_status: z.string().nullable(),
  to_status: z.string().nullable(),
});

/** What a step of a payment brought about. */
export type RecordedStep = { readonly changed: boolean; readonly refused: boolean };

/**
 * What this step of this payment brought about when it was recorded before; null when it was not.
 * The reply to a commit may be lost, so a repeated call is answered as the first one was.
 */
export async function findRecordedStep(
  db: Connection,
  paymentId: string,
  key: string,
): Promise<RecordedStep | null> {
  const row = await db.maybeOne(sql.type(stepRow)`
    SELECT action, from_status, to_status FROM audit_entries
    WHERE payment_id = ${paymentId} AND key = ${key}`);
  if (row === null) return null;
  return {
    changed: row.from_status !== row.to_status,
    refused: IS_REFUSED.some((action) => action === row.action),
  };
}

const IS_REFUSED = [
  'payment.transition_refused',
  'refund.transition_refused',
] as const satisfies AuditAction[];

/**
 * What the last unclear word of the provider was about a payment, or about a refund of it, and why
 * it needs a person; null when there was none.
 */
export async function findUnclearCause(
  db: Connection,
  paymentId: string,
  refundId: string | null = null,
): Promise<string | null> {
  const ofWhat =
    refundId === null
      ? sql.fragment`action IN ('payment.callback_unclear', 'payment.review_needed')`
      : sql.fragment`action IN ('refund.callback_unclear', 'refund.review_needed')
          AND details ->> 'refund' = ${refundId}`;
  const row = await db.maybeOne(sql.type(z.object({ cause: z.string() }))`
    SELECT cause FROM audit_entries WHERE payment_id = ${paymentId} AND ${ofWhat}
    ORDER BY seq DESC LIMIT 1`);
  return row?.cause ?? null;
}

/** A payment's whole story, oldest first. */
export async function listAudit(db: Connection, paymentId: string): Promise<readonly AuditEntry[]> {
  return await db.any(sql.typeAlias('audit')`
    SELECT id, seq, action, from_status, to_status, actor, cause, details, at
    FROM audit_entries WHERE payment_id = ${paymentId} ORDER BY seq`);
}

/**
 * Numbers of the entries whose hash does not follow from the entry before: empty when nobody
 * changed the trail behind the trigger's back.
 */
export async function listBrokenLinks(
  db: Connection,
  paymentId: string,
): Promise<readonly number[]> {
  const rows = await db.any(sql.type(z.object({ seq: z.int() }))`
    SELECT seq FROM (
      SELECT seq, hash, previous_hash,
        lag(hash, 1, sha256(convert_to(payment_id, 'UTF8'))) OVER w AS before,
        row_number() OVER w AS place,
        sha256(previous_hash || convert_to(concat_ws(E'\x1f', id, payment_id, seq, key, action,
          coalesce(from_status, '-'), coalesce(to_status, '-'), actor, cause, details::text,
          to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')), 'UTF8')) AS recomputed
      FROM audit_entries WHERE payment_id = ${paymentId} WINDOW w AS (ORDER BY seq)) chain
    WHERE previous_hash <> before OR hash <> recomputed OR place <> seq ORDER BY seq`);
  return rows.map((row) => row.seq);
}
