import { z } from 'zod';
import type { ReviewReason } from '../domain/payment.ts';
import { isUnpaid, type PaymentStatus } from '../domain/payment-states.ts';
import type { RefundReviewReason } from '../domain/refund.ts';
import type { RefundStatus } from '../domain/refund-states.ts';
import { isLateMoney } from '../domain/review.ts';
import type { Connection } from './pool.ts';
import { sql } from './sql.ts';

/** What ended without money and is due to be asked about; `nth` counts from 0. */
const dueRow = z.object({ id: z.string(), workflow_id: z.string(), nth: z.int() });
export type DueLookBack = z.infer<typeof dueRow>;

export type LookBackTable = 'payments' | 'refunds';

/** How long after the end the next look back is; null where the policy names none. */
const AFTER = {
  payments: sql.fragment`(payments.policy->'look_back_after_ms'->>(look_back_count::int))::bigint
    * interval '1 millisecond'`,
  refunds: sql.fragment`(
    SELECT (p.policy->'look_back_after_ms'->>(refunds.look_back_count::int))::bigint
    FROM payments p WHERE p.id = refunds.payment_id) * interval '1 millisecond'`,
} as const;

type Change<Status> = {
  readonly from: Status;
  readonly to: Status;
  /** Why it was in review before. */
  readonly reviewReason: ReviewReason | RefundReviewReason | null;
};

/**
 * When a payment is looked back at, after a change of its status. Only what may have reached the
 * provider is; and not what a person decided about who knew of late money.
 */
export function lookBackOfPayment({ from, to, reviewReason }: Change<PaymentStatus>) {
  if (!isUnpaid(to) || isLateMoney(reviewReason)) return sql.fragment`NULL`;
  if (from === to) return sql.fragment`look_back_at`;
  return sql.fragment`CASE WHEN EXISTS (
      SELECT FROM attempts a WHERE a.payment_id = payments.id AND a.dispatch_count > 0)
    THEN now() + ${AFTER.payments} END`;
}

/** The same for a refund. */
export function lookBackOfRefund({ from, to, reviewReason }: Change<RefundStatus>) {
  if (to !== 'failed' || isLateMoney(reviewReason)) return sql.fragment`NULL`;
  if (from === to) return sql.fragment`look_back_at`;
  return sql.fragment`CASE WHEN dispatch_count > 0 THEN now() + ${AFTER.refunds} END`;
}

/** What is due, the longest due first. */
export async function listDueLookBacks(
  db: Connection,
  table: LookBackTable,
  limit: number,
): Promise<readonly DueLookBack[]> {
  return await db.any(sql.type(dueRow)`
    SELECT id, workflow_id, look_back_count::int AS nth FROM ${sql.identifier([table])}
    WHERE look_back_at < now() ORDER BY look_back_at LIMIT ${limit}`);
}

/** Puts one to the end of what is due. To be done first: it stays due whatever comes of it. */
export async function postponeLookBack(
  db: Connection,
  table: LookBackTable,
  id: string,
): Promise<void> {
  await db.query(sql.typeAlias('none')`
    UPDATE ${sql.identifier([table])} SET look_back_at = now() + interval '1 minute'
    WHERE id = ${id} AND look_back_at IS NOT NULL`);
}

/** Temporal has it; the next one is due by the policy, counted from the end. */
export async function countLookBack(
  db: Connection,
  table: LookBackTable,
  { id, nth }: DueLookBack,
): Promise<void> {
  await db.query(sql.typeAlias('none')`
    UPDATE ${sql.identifier([table])} SET look_back_count = ${nth + 1}
    WHERE id = ${id} AND look_back_count = ${nth}`);
  await db.query(sql.typeAlias('none')`
    UPDATE ${sql.identifier([table])} SET look_back_at = completed_at + ${AFTER[table]}
    WHERE id = ${id} AND look_back_at IS NOT NULL`);
}

/** It cannot be asked about, or has gone on since. */
export async function dropLookBack(
  db: Connection,
  table: LookBackTable,
  id: string,
): Promise<void> {
  await db.query(sql.typeAlias('none')`
    UPDATE ${sql.identifier([table])} SET look_back_at = NULL WHERE id = ${id}`);
}
