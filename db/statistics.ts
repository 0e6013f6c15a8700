import { z } from 'zod';
import { type FailureCode, isFailureCode } from '../domain/error.ts';
import { type Currency, isCurrency } from '../domain/money.ts';
import { isClosed, PAYMENT_STATUSES } from '../domain/payment-states.ts';
import { idsFrom } from './ids.ts';
import type { Connection } from './pool.ts';
import { sql } from './sql.ts';

const failureCode = z.custom<FailureCode>((it) => typeof it === 'string' && isFailureCode(it));
/** From creation to the end; null while none has ended. */
const elapsed = { median_ms: z.int().nullable(), p95_ms: z.int().nullable() };

const groupRow = z.object({
  at: z.string(),
  provider: z.string(),
  currency: z.custom<Currency>((it) => typeof it === 'string' && isCurrency(it)),
  status: z.enum(PAYMENT_STATUSES),
  failure_code: failureCode.nullable(),
  payments: z.int(),
  amount: z.int(),
  amount_refunded: z.int(),
  ...elapsed,
  resolved_by_polling: z.int(),
});
export type StatisticsGroup = z.infer<typeof groupRow>;

const summaryRow = z.object({
  provider: z.string(),
  payments: z.int(),
  succeeded: z.int(),
  failed: z.int(),
  canceled: z.int(),
  open: z.int(),
  needs_review: z.int(),
  ...elapsed,
  resolved_by_polling: z.int(),
  failures: z.array(z.object({ code: failureCode, payments: z.int() })),
});
export type ProviderSummary = z.infer<typeof summaryRow>;

export const STATISTICS_STEPS = ['hour', 'day', 'week', 'month'] as const;

/** Of payments created in this time. The caller bounds it: each of them is read. */
type Window = {
  readonly merchantId: string | null;
  readonly from: string;
  readonly before: string;
};

const DAY_MS = 86_400_000;
const FAILURES_SHOWN = 5;
/** Not yet ended, and nobody's turn but the provider's, the payer's or the merchant's. */
const OPEN = PAYMENT_STATUSES.filter((it) => !isClosed(it) && it !== 'needs_review');

function isWithin({ merchantId, from, before }: Window) {
  return sql.fragment`p.id >= ${idsFrom('payment', from, -DAY_MS)}
    AND p.id < ${idsFrom('payment', before, DAY_MS)}
    AND p.created_at >= ${from} AND p.created_at < ${before}
    AND (${merchantId}::text IS NULL OR p.merchant_id = ${merchantId})`;
}

const ELAPSED_MS = sql.fragment`extract(epoch FROM p.completed_at - p.created_at) * 1000`;
const ELAPSED = sql.fragment`
  (percentile_disc(0.5) WITHIN GROUP (ORDER BY ${ELAPSED_MS}))::bigint AS median_ms,
  (percentile_disc(0.95) WITHIN GROUP (ORDER BY ${ELAPSED_MS}))::bigint AS p95_ms`;

/**
 * Audit entries by which a status query brought a payment to its end. Their keys are those that
 * workflows give to what they asked for. In the words of the index
 * `audit_entries_resolved_by_polling`, since only then it is used.
 */
export const BY_STATUS_QUERY = sql.fragment`
  action IN ('payment.succeeded', 'payment.failed', 'payment.canceled')
  AND to_status IN ('succeeded', 'failed', 'canceled')
  AND key ~ '(^|/)(lookup|review|verify)(/|$)' AND from_status <> to_status`;

/** Payments that are where a status query brought them: the callback never came, or came later. */
function countByPolling({ from, before }: Window) {
  return sql.fragment`count(p.id) FILTER (WHERE (p.id, p.status) IN (
    SELECT payment_id, to_status FROM audit_entries
    WHERE ${BY_STATUS_QUERY}
      AND payment_id >= ${idsFrom('payment', from, -DAY_MS)}
      AND payment_id < ${idsFrom('payment', before, DAY_MS)})) AS resolved_by_polling`;
}

/** More groups than this fill no answer: whoever asked takes another step or window. */
export const STATISTICS_GROUPS_MAX = 5_000;

/**
 * Counts and sums by step of time, provider, currency, status and failure.
 * @returns one more than {@link STATISTICS_GROUPS_MAX} where there are more.
 */
export async function summarizePayments(
  db: Connection,
  asked: Window & { readonly step: (typeof STATISTICS_STEPS)[number] },
): Promise<readonly StatisticsGroup[]> {
  return await db.any(sql.type(groupRow)`
    SELECT date_trunc(${asked.step}, p.created_at, 'UTC') AS at, p.provider, p.currency, p.status,
      p.failure_code, count(p.id) AS payments, sum(p.amount)::bigint AS amount,
      sum(p.amount_refunded)::bigint AS amount_refunded, ${ELAPSED}, ${countByPolling(asked)}
    FROM payments p WHERE ${isWithin(asked)}
    GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    LIMIT ${STATISTICS_GROUPS_MAX + 1}`);
}

/** How each provider does, with its most frequent failures; those without payments are left out. */
export async function summarizeProviders(
  db: Connection,
  asked: Window,
): Promise<readonly ProviderSummary[]> {
  const counted = (status: (typeof PAYMENT_STATUSES)[number]) =>
    sql.fragment`count(p.id) FILTER (WHERE p.status = ${status})`;
  return await db.any(sql.type(summaryRow)`
    WITH failures AS (
      SELECT provider, failure_code AS code, count(p.id) AS payments,
        row_number() OVER (PARTITION BY provider ORDER BY count(p.id) DESC, failure_code) AS place
      FROM payments p
      WHERE ${isWithin(asked)} AND status IN ('failed', 'canceled') AND failure_code IS NOT NULL
      GROUP BY provider, failure_code)
    SELECT p.provider, count(p.id) AS payments, ${counted('succeeded')} AS succeeded,
      ${counted('failed')} AS failed, ${counted('canceled')} AS canceled,
      count(p.id) FILTER (WHERE p.status = ANY(${sql.array(OPEN, 'text')})) AS open,
      ${counted('needs_review')} AS needs_review, ${ELAPSED}, ${countByPolling(asked)},
      coalesce((SELECT jsonb_agg(jsonb_build_object('code', f.code, 'payments', f.payments)
          ORDER BY f.place)
        FROM failures f WHERE f.provider = p.provider AND f.place <= ${FAILURES_SHOWN}),
        '[]') AS failures
    FROM payments p WHERE ${isWithin(asked)}
    GROUP BY p.provider ORDER BY p.provider LIMIT 100`);
}
