import { z } from 'zod';
import { appendAudit } from './audit.ts';
import {
  AGE_MS,
  type DispatchClaim,
  type EarlierSend,
  earlierSendOf,
  sentRow,
} from './dispatch.ts';
import { isRefundLate } from './obstacles.ts';
import type { Connection, Pool } from './pool.ts';
import { notify } from './record.ts';
import { lockRefund } from './record-refund.ts';
import { sql } from './sql.ts';

const claimRow = z.object({ dispatch_count: z.int(), dispatch_nonce: z.string().nullable() });

/** Whether some run claimed the n-th send of a refund; see `findDispatch`. */
export async function findRefundDispatch(
  db: Connection,
  { refundId, send }: { readonly refundId: string; readonly send: number },
): Promise<EarlierSend | null> {
  const row = await db.one(sql.type(sentRow)`
    SELECT dispatch_count, provider_refund_id AS provider_id, ${AGE_MS} AS age_ms
    FROM refunds WHERE id = ${refundId}`);
  return earlierSendOf(row, send);
}

/** Claims the n-th send of a refund right before the first byte leaves; see `recordDispatch`. */
export function recordRefundDispatch(
  pool: Pool,
  claim: {
    readonly refundId: string;
    readonly paymentId: string;
    readonly send: number;
    readonly nonce: string;
  },
): Promise<DispatchClaim> {
  return pool.transaction(async (db) => {
    const refund = await lockRefund(db, claim);
    const sent = await db.one(sql.type(claimRow)`
      SELECT dispatch_count, dispatch_nonce FROM refunds WHERE id = ${refund.id}`);
    if (sent.dispatch_count === claim.send && sent.dispatch_nonce === claim.nonce) {
      return { kind: 'dispatched' };
    }
    const earlier = await findRefundDispatch(db, claim);
    if (earlier !== null) return earlier;
    const isNext = sent.dispatch_count === claim.send - 1;
    const isOurs = refund.origin === 'malipo';
    if (refund.status !== 'pending' || !isNext || !isOurs) return { kind: 'refused' };
    if (await isRefundLate(db, refund, claim.send)) return { kind: 'too_late' };
    await db.query(sql.typeAlias('none')`
      UPDATE refunds SET dispatch_count = ${claim.send}, dispatch_nonce = ${claim.nonce},
        dispatched_at = now(), updated_at = now(), waiting_for = 'provider_answer',
        wait_until = NULL
      WHERE id = ${refund.id}`);
    await appendAudit(db, {
      paymentId: claim.paymentId,
      key: `${refund.id}/dispatched/${claim.send}`,
      action: 'refund.dispatched',
      from: refund.status,
      to: refund.status,
      actor: 'workflow',
      cause: `send ${claim.send}`,
      details: { refund: refund.id, send: claim.send },
    });
    await notify(db, claim.paymentId);
    return { kind: 'dispatched' };
  });
}
