import { z } from 'zod';
import type { ProviderPolicy } from '../domain/policy.ts';
import type { Connection } from './pool.ts';
import { configIdOf } from './provider-configs.ts';
import type { paymentRow } from './rows.ts';
import { sql } from './sql.ts';

/**
 * Why a send that nobody claimed is not made any more: it was due too long ago, or its merchant or
 * provider was switched off since it was stored.
 */
export type Obstacle =
  | { readonly kind: 'too_late' }
  | { readonly kind: 'switched_off'; readonly what: 'merchant' | 'provider' };

const chargeRow = z.object({
  late_ms: z.int(),
  is_merchant_active: z.boolean(),
  is_provider_active: z.boolean(),
});

/**
 * Why a charge that nobody claimed may not be sent any more: it was due too long ago, by the
 * database's clock, or its merchant or provider was switched off since. Null when nothing is in its
 * way. What counts as the provider's configuration is the one that the payment began with, and for
 * the deployment's own credentials the one that a new payment would get.
 */
export async function findObstacle(
  db: Connection,
  payment: z.infer<typeof paymentRow>,
  attemptId: string,
): Promise<Obstacle | null> {
  const configId = configIdOf(payment.credentials_ref);
  const row = await db.one(sql.type(chargeRow)`
    SELECT m.active AS is_merchant_active, coalesce(c.active, true) AS is_provider_active,
      (extract(epoch FROM clock_timestamp() - a.due_at) * 1000)::bigint AS late_ms
    FROM payments p
    JOIN attempts a ON a.id = ${attemptId}
    JOIN merchants m ON m.id = p.merchant_id
    LEFT JOIN LATERAL (
      SELECT active FROM provider_configs
      WHERE CASE WHEN ${configId}::text IS NOT NULL THEN id = ${configId}
        ELSE provider = a.provider AND (merchant_id = p.merchant_id OR merchant_id IS NULL) END
      ORDER BY merchant_id NULLS LAST LIMIT 1) c ON true
    WHERE p.id = ${payment.id}`);
  if (!row.is_merchant_active) return { kind: 'switched_off', what: 'merchant' };
  if (!row.is_provider_active) return { kind: 'switched_off', what: 'provider' };
  const isLate = row.late_ms > payment.policy.charge.accept_within_ms;
  return isLate ? { kind: 'too_late' } : null;
}

const policyRow = z.object({ policy: z.custom<ProviderPolicy>() });
const refundRow = z.object({ late_ms: z.int() });

/**
 * Whether a refund's send comes too late after it was due: the first counts from the refund's
 * creation, and from the time its receipt may take to be told where that was asked for; a later one
 * counts from its planned time.
 */
export async function isRefundLate(
  db: Connection,
  refund: { readonly id: string; readonly paymentId: string },
  send: number,
): Promise<boolean> {
  const { policy } = await db.one(sql.type(policyRow)`
    SELECT policy FROM payments WHERE id = ${refund.paymentId}`);
  const row = await db.one(sql.type(refundRow)`
    SELECT (extract(epoch FROM clock_timestamp() - CASE
        WHEN ${send} > 1 THEN coalesce(wait_until, dispatched_at)
        WHEN EXISTS (SELECT FROM audit_entries e WHERE e.payment_id = r.payment_id
          AND e.key = r.id || '/receipt-asked')
        THEN created_at + ${policy.refund.result_wait_ms} * interval '1 millisecond'
        ELSE created_at END) * 1000)::bigint AS late_ms
    FROM refunds r WHERE id = ${refund.id}`);
  return row.late_ms > policy.refund.accept_within_ms;
}
