import type { Connection, Pool } from '../../db/pool.ts';
import { sql } from '../../db/sql.ts';
import type { PlannedPayment } from './plan.ts';

const secondsOf = (ms: number) => sql.fragment`to_timestamp(${ms / 1000}::double precision)`;

/** True when the payment is there with its story, and its times are in the past. */
export async function isAged(db: Connection, { id, createdMs }: PlannedPayment): Promise<boolean> {
  return await db.exists(sql.typeAlias('none')`
    SELECT FROM payments WHERE id = ${id} AND created_at <= ${secondsOf(createdMs)}`);
}

/**
 * Puts a payment and what belongs to it where its story has it in time, all or nothing. The audit
 * trail stays as its trigger wrote it: nobody may say when an entry was made, neither do we.
 */
export function ageStory(owner: Pool, payment: PlannedPayment): Promise<void> {
  const { id, createdMs, endedMs, refund } = payment;
  const sentMs = createdMs + 300;
  const toldMs = payment.ending.status === 'created' ? createdMs : endedMs;
  return owner.transaction(async (db) => {
    await db.query(sql.typeAlias('none')`
      UPDATE payments SET created_at = ${secondsOf(createdMs)},
        updated_at = ${secondsOf(refund?.endedMs ?? toldMs)},
        completed_at = CASE WHEN completed_at IS NOT NULL THEN ${secondsOf(endedMs)} END
      WHERE id = ${id}`);
    await db.query(sql.typeAlias('none')`
      UPDATE attempts SET created_at = ${secondsOf(createdMs)},
        dispatched_at = CASE WHEN dispatched_at IS NOT NULL THEN ${secondsOf(sentMs)} END,
        settled_at = CASE WHEN settled_at IS NOT NULL THEN ${secondsOf(endedMs)} END
      WHERE payment_id = ${id}`);
    await db.query(sql.typeAlias('none')`
      UPDATE webhook_events SET received_at = ${secondsOf(endedMs - 60)},
        delivered_at = ${secondsOf(endedMs - 40)},
        applied_at = CASE WHEN applied_at IS NOT NULL THEN ${secondsOf(endedMs)} END
      WHERE payment_id = ${id}`);
    if (refund !== null) {
      await db.query(sql.typeAlias('none')`
        UPDATE refunds SET created_at = ${secondsOf(refund.createdMs)},
          dispatched_at = ${secondsOf(refund.createdMs + 300)},
          updated_at = ${secondsOf(refund.endedMs)},
          completed_at = CASE WHEN completed_at IS NOT NULL THEN ${secondsOf(refund.endedMs)} END
        WHERE id = ${refund.id}`);
    }
    await ageEvents(db, payment);
  });
}

async function ageEvents(db: Connection, payment: PlannedPayment): Promise<void> {
  const { id, createdMs, endedMs, refund } = payment;
  await db.query(sql.typeAlias('none')`
    UPDATE outgoing_events SET created_at = CASE
      WHEN type = 'payment.created' THEN ${secondsOf(createdMs)}
      WHEN type = 'payment.processing' THEN ${secondsOf(createdMs + 300)}
      WHEN type = 'payment.updated' AND refund_id IS NULL THEN ${secondsOf(createdMs + 900)}
      WHEN type = 'refund.created' THEN ${secondsOf(refund?.createdMs ?? endedMs)}
      WHEN refund_id IS NOT NULL THEN ${secondsOf(refund?.endedMs ?? endedMs)}
      ELSE ${secondsOf(endedMs)} END
    WHERE payment_id = ${id}`);
}

/** True when this login may do what {@link ageStory} does. */
export async function mayAge(db: Connection): Promise<boolean> {
  return await db.exists(sql.typeAlias('none')`
    SELECT WHERE has_table_privilege(session_user, 'outgoing_events', 'UPDATE')`);
}
