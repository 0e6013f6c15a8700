import { createSqlTag } from 'slonik';
import { z } from 'zod';
import { attemptRow, auditRow, paymentRow, refundRow, webhookEventRow } from './rows.ts';

/** The tag for all SQL of this room: each query names the zod type of its rows. */
export const sql = createSqlTag({
  typeAliases: {
    attempt: attemptRow,
    audit: auditRow,
    id: z.object({ id: z.string() }),
    none: z.object({}).strict(),
    payment: paymentRow,
    refund: refundRow,
    webhookEvent: webhookEventRow,
  },
});

/** Nearly all payments have one attempt: then no other row is read. */
const EARLIER_PROVIDER_IDS = sql.fragment`
  CASE WHEN p.attempt_ordinal = 1 THEN '{}'::text[] ELSE ARRAY(
    SELECT a.provider_payment_id FROM attempts a
    WHERE a.payment_id = p.id AND a.id <> p.attempt_id AND a.provider_payment_id IS NOT NULL
    ORDER BY a.ordinal) END AS earlier_provider_ids`;

/** The columns of a payment that leave the database (alias p); ciphers and hashes stay. */
export const PAYMENT_COLUMNS = columnsOf('p', paymentRow.shape, {
  earlier_provider_ids: EARLIER_PROVIDER_IDS,
});
/** The columns of a refund (alias r). */
export const REFUND_COLUMNS = columnsOf('r', refundRow.shape);

/**
 * From when on a payment's or refund's silence is longer than it said: the end of the wait that it
 * told, or ten minutes after the last that was written of it, as long as a send may take.
 */
export const SILENT_SINCE = sql.fragment`coalesce(wait_until, updated_at + interval '10 minutes')`;

/**
 * Of an open row: overdue for longer than it said, and not because somebody wants it; an operator
 * who holds a payment knows of it. Reviews wait as long as a person likes, and are not meant.
 */
export function isOverdue(graceMs: number) {
  return sql.fragment`(waiting_for IS DISTINCT FROM 'resume'
    AND ${SILENT_SINCE} < now() - ${graceMs} * interval '1 millisecond')`;
}

/** @param computed in place of a column of that name. */
function columnsOf(
  alias: string,
  shape: Readonly<Record<string, unknown>>,
  computed: Readonly<Record<string, typeof EARLIER_PROVIDER_IDS>> = {},
) {
  const names = Object.keys(shape).map((name) => computed[name] ?? sql.identifier([alias, name]));
  return sql.join(names, sql.fragment`, `);
}
