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

/** The columns of a payment that leave the database (alias p); ciphers and hashes stay. */
export const PAYMENT_COLUMNS = columnsOf('p', paymentRow.shape);
/** The columns of a refund (alias r). */
export const REFUND_COLUMNS = columnsOf('r', refundRow.shape);

function columnsOf(alias: string, shape: Readonly<Record<string, unknown>>) {
  const names = Object.keys(shape).map((name) => sql.identifier([alias, name]));
  return sql.join(names, sql.fragment`, `);
}
