import { z } from 'zod';
import type { Actor, AuditAction } from '../domain/payment-record.ts';
import type { Connection } from './pool.ts';
import { auditRow } from './rows.ts';
import { sql } from './sql.ts';

const foundRow = auditRow.extend({
  payment_id: z.string(),
  merchant_id: z.string(),
  hash: z.string(),
});
/** With whose payment it is about, and the hash that the next entry of the payment builds on. */
export type FoundAuditEntry = z.infer<typeof foundRow>;

export type AuditFilter = {
  readonly merchantId: string | null;
  readonly paymentId: string | null;
  readonly actor: Actor | null;
  readonly action: AuditAction | null;
  readonly from: string | null;
  readonly before: string | null;
};

/**
 * Entries of all payments, newest first. Ids of one millisecond are in no order, so the order is
 * the time's, and the id only breaks ties.
 * @param page.afterId goes on after this entry of an earlier page.
 */
export async function searchAudit(
  db: Connection,
  filter: AuditFilter,
  page: { readonly afterId: string | null; readonly limit: number },
): Promise<readonly FoundAuditEntry[]> {
  const where = [sql.fragment`true`];
  if (filter.merchantId !== null) where.push(sql.fragment`p.merchant_id = ${filter.merchantId}`);
  if (filter.paymentId !== null) where.push(sql.fragment`a.payment_id = ${filter.paymentId}`);
  if (filter.actor !== null) where.push(sql.fragment`a.actor = ${filter.actor}`);
  if (filter.action !== null) where.push(sql.fragment`a.action = ${filter.action}`);
  if (filter.from !== null) where.push(sql.fragment`a.at >= ${filter.from}::timestamptz`);
  if (filter.before !== null) where.push(sql.fragment`a.at < ${filter.before}::timestamptz`);
  if (page.afterId !== null) {
    where.push(sql.fragment`(a.at, a.id)
      < (SELECT shown.at, shown.id FROM audit_entries shown WHERE shown.id = ${page.afterId})`);
  }
  return await db.any(sql.type(foundRow)`
    SELECT a.id, a.seq, a.action, a.from_status, a.to_status, a.actor, a.cause, a.details, a.at,
      a.payment_id, p.merchant_id, encode(a.hash, 'hex') AS hash
    FROM audit_entries a JOIN payments p ON p.id = a.payment_id
    WHERE ${sql.join(where, sql.fragment` AND `)}
    ORDER BY a.at DESC, a.id DESC LIMIT ${page.limit}`);
}
