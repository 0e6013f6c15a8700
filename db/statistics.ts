import { z } from 'zod';
import { FAILURES, type FailureCode } from '../domain/error.ts';
import { ID_PREFIXES } from '../domain/id.ts';
import { type Currency, isCurrency } from '../domain/money.ts';
import { PAYMENT_STATUSES } from '../domain/payment-states.ts';
import type { Connection } from './pool.ts';
import { sql } from './sql.ts';

const groupRow = z.object({
  at: z.string(),
  provider: z.string(),
  currency: z.custom<Currency>((it) => typeof it === 'string' && isCurrency(it)),
  status: z.enum(PAYMENT_STATUSES),
  failure_code: z
    .custom<FailureCode>((it) => typeof it === 'string' && Object.hasOwn(FAILURES, it))
    .nullable(),
  payments: z.int(),
  amount: z.int(),
  amount_refunded: z.int(),
  /** From creation to the end, the middle one; null while none has ended. */
  median_ms: z.int().nullable(),
});
export type StatisticsGroup = z.infer<typeof groupRow>;

export const STATISTICS_STEPS = ['hour', 'day', 'week', 'month'] as const;

const DAY_MS = 86_400_000;

/** Where ids of a time begin: they carry it in their first digits, so the primary key helps. */
function idsFrom(at: string, slackMs: number): string {
  const ms = Math.max(0, Date.parse(at) + slackMs);
  return `${ID_PREFIXES.payment}_${ms.toString(16).padStart(12, '0')}`;
}

/**
 * Counts and sums of payments created in a time, by step of time, provider, currency, status and
 * failure. It reads every payment of that time, so its window is bounded by the caller.
 */
export async function summarizePayments(
  db: Connection,
  asked: {
    readonly merchantId: string | null;
    readonly from: string;
    readonly before: string;
    readonly step: (typeof STATISTICS_STEPS)[number];
  },
): Promise<readonly StatisticsGroup[]> {
  return await db.any(sql.type(groupRow)`
    SELECT date_trunc(${asked.step}, created_at, 'UTC') AS at, provider, currency, status,
      failure_code, count(id) AS payments, sum(amount)::bigint AS amount,
      sum(amount_refunded)::bigint AS amount_refunded,
      (percentile_disc(0.5) WITHIN GROUP (
        ORDER BY extract(epoch FROM completed_at - created_at) * 1000))::bigint AS median_ms
    FROM payments
    WHERE id >= ${idsFrom(asked.from, -DAY_MS)} AND id < ${idsFrom(asked.before, DAY_MS)}
      AND created_at >= ${asked.from} AND created_at < ${asked.before}
      AND (${asked.merchantId}::text IS NULL OR merchant_id = ${asked.merchantId})
    GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5 LIMIT 5000`);
}
