import type { Connection } from './pool.ts';
import { sql } from './sql.ts';

const DAY_MS = 24 * 3_600_000;

/**
 * Whether the token of a callback's address is no longer taken: its payment or refund ended so long
 * ago. What is open or in review has no end. As long as the policy looks back at what ended, and a
 * day after it, answers may still come. Of a row that is gone nobody knows when it ended.
 */
export async function isTokenExpired(
  db: Connection,
  workflowId: string,
  lifeMs: number,
): Promise<boolean> {
  return await db.exists(sql.typeAlias('id')`
    SELECT ended.id FROM (
      SELECT id, completed_at, policy FROM payments WHERE workflow_id = ${workflowId}
      UNION ALL
      SELECT r.id, r.completed_at, p.policy FROM refunds r JOIN payments p ON p.id = r.payment_id
      WHERE r.workflow_id = ${workflowId}) ended
    WHERE ended.completed_at < now() - interval '1 millisecond' * greatest(${lifeMs}::bigint, (
      SELECT max(after::bigint) + ${DAY_MS}
      FROM jsonb_array_elements_text(ended.policy->'look_back_after_ms') AS after))`);
}
