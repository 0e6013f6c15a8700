import { z } from 'zod';
import type { Decision } from '../domain/decision.ts';
import { newId } from './ids.ts';
import type { Connection, Pool } from './pool.ts';
import { sql } from './sql.ts';

const openRow = z.object({
  id: z.string(),
  decision: z.string(),
  receipt: z.string().nullable(),
  amount: z.int().nullable(),
  proposed_by: z.string(),
});

/** How long a first operator's word waits for the second. */
const OPEN_HOURS = 24;

/** Where a decision stands: `by` names who is behind it, once it may be carried out. */
export type Standing =
  | { readonly kind: 'agreed'; readonly by: readonly string[] }
  | { readonly kind: 'awaits_second' }
  /** The second is none: nothing was written, and the first one's word still waits. */
  | { readonly kind: 'not_independent' };

/**
 * Writes an operator's decision down. Where two are needed, the first one's is a proposal, and the
 * same decision with the same receipt and amount by another confirms it; any other replaces it.
 * @param made.madeAt when the payment or refund was made.
 */
export function recordDecision(
  pool: Pool,
  made: {
    readonly subjectId: string;
    readonly madeAt: string;
    readonly decision: Decision['decision'];
    readonly receipt: string | null;
    readonly amountMinor: number | null;
    readonly reason: string;
    readonly operatorId: string;
    readonly needsTwo: boolean;
  },
): Promise<Standing> {
  const { subjectId, decision, receipt, amountMinor, reason, operatorId, needsTwo } = made;
  return pool.transaction(async (db) => {
    // Two operators at once: one of them is the second.
    await db.query(sql.typeAlias('none')`
      SELECT FROM pg_advisory_xact_lock(hashtextextended(${subjectId}, 0))`);
    const open = await db.maybeOne(sql.type(openRow)`
      SELECT id, decision, receipt, amount, proposed_by FROM decisions
      WHERE subject_id = ${subjectId} AND confirmed_by IS NULL
        AND created_at > now() - ${OPEN_HOURS} * interval '1 hour'
      ORDER BY id DESC LIMIT 1`);
    const isSame =
      open?.decision === decision && open.receipt === receipt && open.amount === amountMinor;
    if (needsTwo && open !== null && isSame && open.proposed_by !== operatorId) {
      if (!(await areIndependent(db, [open.proposed_by, operatorId], made.madeAt))) {
        return { kind: 'not_independent' };
      }
      await db.query(sql.typeAlias('none')`
        UPDATE decisions SET confirmed_by = ${operatorId} WHERE id = ${open.id}`);
      return { kind: 'agreed', by: [open.proposed_by, operatorId] };
    }
    if (needsTwo && isSame) return { kind: 'awaits_second' };
    await db.query(sql.typeAlias('none')`
      INSERT INTO decisions (id, subject_id, decision, receipt, amount, reason, proposed_by,
        confirmed_by)
      VALUES (${newId('decision')}, ${subjectId}, ${decision}, ${receipt}, ${amountMinor},
        ${reason}, ${operatorId}, ${needsTwo ? null : operatorId})`);
    return needsTwo ? { kind: 'awaits_second' } : { kind: 'agreed', by: [operatorId] };
  });
}

/** How long whoever set a password is taken to know it. */
const KNOWN_HOURS = 24;

/**
 * False where one person may be signed in as both: as who set their passwords, or set the password
 * of who did. What was set since the payment was made counts however long ago, so that nobody waits
 * a day for a puppet; what was set before, for a day.
 */
async function areIndependent(
  db: Connection,
  [one, other]: readonly [string, string],
  madeAt: string,
): Promise<boolean> {
  const shared = await db.maybeOne(sql.typeAlias('id')`
    WITH RECURSIVE knows (who, id) AS (
      SELECT id, id FROM unnest(${sql.array([one, other], 'text')}) AS id
      UNION
      SELECT who, password_set_by FROM knows JOIN operators USING (id)
      WHERE password_set_by IS NOT NULL AND password_set_at
        > least(${madeAt}::timestamptz, now() - ${KNOWN_HOURS} * interval '1 hour'))
    SELECT ones.id FROM knows ones JOIN knows others USING (id)
    WHERE ones.who = ${one} AND others.who = ${other} LIMIT 1`);
  return shared === null;
}
