import { createSqlTag } from 'slonik';
import { z } from 'zod';
import { attemptRow, auditRow, paymentRow, webhookEventRow } from './rows.ts';

/** The tag for all SQL of this room: each query names the zod type of its rows. */
export const sql = createSqlTag({
  typeAliases: {
    attempt: attemptRow,
    audit: auditRow,
    id: z.object({ id: z.string() }),
    none: z.object({}).strict(),
    payment: paymentRow,
    webhookEvent: webhookEventRow,
  },
});

/** The columns of a payment that leave the database (alias p); ciphers and hashes stay. */
export const PAYMENT_COLUMNS = sql.join(
  Object.keys(paymentRow.shape).map((name) => sql.identifier(['p', name])),
  sql.fragment`, `,
);
