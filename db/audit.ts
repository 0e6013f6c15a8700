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

/** Before a payment's first entry there is the hash of its id. */
export const FIRST_PREVIOUS_HASH = sql.fragment`sha256(convert_to(payment_id, 'UTF8'))`;

/** The hash of an entry, by its columns and the hash before it, as the trigger makes it. */
export const hashAfter = (previousHash: ReturnType<typeof sql.fragment>) => sql.fragment`
  sha256(${previousHash} || convert_to(concat_ws(E'\x1f', id, payment_id, seq, key, action,
    coalesce(from_status, '-'), coalesce(to_status, '-'), actor, cause, details::text,
    to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US')), 'UTF8'))`;

/** The entries of these payments whose hash does not follow from the entry before. */
const brokenIn = (payments: ReturnType<typeof sql.fragment>) => sql.fragment`
  SELECT payment_id, seq FROM (
    SELECT payment_id, seq, hash, previous_hash,
      lag(hash, 1, ${FIRST_PREVIOUS_HASH}) OVER w AS before,
      row_number() OVER w AS place,
      ${hashAfter(sql.fragment`previous_hash`)} AS recomputed
    FROM audit_entries WHERE payment_id IN (${payments})
    WINDOW w AS (PARTITION BY payment_id ORDER BY seq)) chain
  WHERE previous_hash <> before OR hash <> recomputed OR place <> seq`;

/**
 * Numbers of the entries whose hash does not follow from the entry before: empty when nobody
 * changed the trail behind the trigger's back.
 */
export async function listBrokenLinks(
  db: Connection,
  paymentId: string,
): Promise<readonly number[]> {
  const rows = await db.any(sql.type(z.object({ seq: z.int() }))`
    SELECT seq FROM (${brokenIn(sql.fragment`SELECT ${paymentId}`)}) broken ORDER BY seq`);
  return rows.map((row) => row.seq);
}

const faultRow = z.object({
  payment_id: z.string(),
  kind: z.enum(['broken', 'missing', 'cut_off']),
  /** Of the entry; null where the whole trail is meant. */
  seq: z.int().nullable(),
});
export type TrailFault = z.infer<typeof faultRow>;

/** What was looked at, up to the last payment; null where there was none. */
export type VerifiedTrails = {
  readonly lastId: string | null;
  readonly payments: number;
  readonly faults: readonly TrailFault[];
};

/**
 * Follows the trails of the payments after one, in the order of their ids. A chain whose last
 * entries were taken away is whole as far as it goes, so its end is held against the payment: each
 * change of a status has its entry.
 */
export async function verifyTrails(
  db: Connection,
  afterId: string | null,
  limit: number,
): Promise<VerifiedTrails> {
  const page = sql.fragment`
    SELECT id, status FROM payments WHERE id > ${afterId ?? ''} ORDER BY id LIMIT ${limit}`;
  const summary = z.object({ last_id: z.string().nullable(), payments: z.int() });
  const { last_id, payments } = await db.one(sql.type(summary)`
    SELECT max(id) AS last_id, count(id) AS payments FROM (${page}) page`);
  // One statement sees one moment: a payment that moves on meanwhile has moved with its trail.
  const faults = await db.any(sql.type(faultRow)`
    WITH page AS (${page}),
    ends AS (
      SELECT p.id, p.status, (SELECT to_status FROM audit_entries a WHERE a.payment_id = p.id
        AND starts_with(action, 'payment.') AND to_status IS NOT NULL
        ORDER BY seq DESC LIMIT 1) AS told FROM page p)
    SELECT payment_id, 'broken' AS kind, seq
      FROM (${brokenIn(sql.fragment`SELECT id FROM page`)}) broken
    UNION ALL SELECT id, 'missing', NULL FROM ends WHERE told IS NULL
    UNION ALL SELECT id, 'cut_off', NULL FROM ends WHERE told <> status
    ORDER BY 1, 3`);
  return { lastId: last_id, payments, faults };
}
