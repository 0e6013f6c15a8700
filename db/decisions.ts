import { z } from 'zod';
import type { Decision } from '../domain/decision.ts';
import { newId } from './ids.ts';
import type { Pool } from './pool.ts';
import { sql } from './sql.ts';

const openRow = z.object({
  id: z.string(),
  decision: z.string(),
  receipt: z.string().nullable(),
  proposed_by: z.string(),
});

/** How long a first operator's word waits for the second. */
const OPEN_HOURS = 24;

/**
 * Writes an operator's decision down. Where two are needed, the first one's is a proposal, and the
 * same decision with the same receipt by another operator confirms it; any other replaces it.
 * @returns who stands behind it, once it may be carried out; null while a second is awaited.
 */
export function recordDecision(
  pool: Pool,
  made: {
    readonly subjectId: string;
    readonly decision: Decision['decision'];
    readonly receipt: string | null;
    readonly reason: string;
    readonly operatorId: string;
    readonly needsTwo: boolean;
  },
): Promise<readonly string[] | null> {
  const { subjectId, decision, receipt, reason, operatorId, needsTwo } = made;
  return pool.transaction(async (db) => {
    // Two operators at once: one of them is the second.
    await db.query(sql.typeAlias('none')`
      SELECT FROM pg_advisory_xact_lock(hashtextextended(${subjectId}, 0))`);
    const open = await db.maybeOne(sql.type(openRow)`
      SELECT id, decision, receipt, proposed_by FROM decisions
      WHERE subject_id = ${subjectId} AND confirmed_by IS NULL
        AND created_at > now() - ${OPEN_HOURS} * interval '1 hour'
      ORDER BY id DESC LIMIT 1`);
    const isSame = open?.decision === decision && open.receipt === receipt;
    if (needsTwo && open !== null && isSame && open.proposed_by !== operatorId) {
      await db.query(sql.typeAlias('none')`
        UPDATE decisions SET confirmed_by = ${operatorId} WHERE id = ${open.id}`);
      return [open.proposed_by, operatorId];
    }
    if (needsTwo && isSame) return null;
    await db.query(sql.typeAlias('none')`
      INSERT INTO decisions (id, subject_id, decision, receipt, reason, proposed_by, confirmed_by)
      VALUES (${newId('decision')}, ${subjectId}, ${decision}, ${receipt}, ${reason},
        ${operatorId}, ${needsTwo ? null : operatorId})`);
    return needsTwo ? null : [operatorId];
  });
}
