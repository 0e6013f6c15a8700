import { z } from 'zod';
import type { Decision } from '../domain/decision.ts';
import { newId } from './ids.ts';
import { EXTERNAL, SET_BY_CLI } from './operators.ts';
import type { Connection, Pool } from './pool.ts';
import { sql } from './sql.ts';

const wordRow = z.object({
  id: z.string(),
  decision: z.string(),
  receipt: z.string().nullable(),
  amount: z.int().nullable(),
  proposed_by: z.string(),
  confirmed_by: z.string().nullable(),
  is_fresh: z.boolean(),
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
 * same decision with the same receipt and amount by another confirms it; any other replaces it. Two
 * who agreed agree still when one of them says it again: nobody may have heard them.
 * @param made.madeAt when the payment or refund was made.
 * @param made.changedAt when it last changed: what was agreed before that has been heard.
 */
export function recordDecision(
  pool: Pool,
  made: {
    readonly subjectId: string;
    readonly madeAt: string;
    readonly changedAt: string;
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
    const last = await db.maybeOne(sql.type(wordRow)`
      SELECT id, decision, receipt, amount, proposed_by, confirmed_by,
        coalesce(confirmed_at >= ${made.changedAt}::timestamptz, false) AS is_fresh
      FROM (SELECT * FROM decisions WHERE subject_id = ${subjectId} ORDER BY id DESC LIMIT 1) AS w
      WHERE created_at > now() - ${OPEN_HOURS} * interval '1 hour'`);
    const isSame =
      last?.decision === decision && last.receipt === receipt && last.amount === amountMinor;
    const standing = needsTwo && isSame ? await joinWord(db, last, made) : null;
    if (standing !== null) return standing;
    await db.query(sql.typeAlias('none')`
      INSERT INTO decisions (id, subject_id, decision, receipt, amount, reason, proposed_by,
        confirmed_by)
      VALUES (${newId('decision')}, ${subjectId}, ${decision}, ${receipt}, ${amountMinor},
        ${reason}, ${operatorId}, ${needsTwo ? null : operatorId})`);
    return needsTwo ? { kind: 'awaits_second' } : { kind: 'agreed', by: [operatorId] };
  });
}

/** Where the same word stands, said once more. Null where it is over: then it is a new one. */
async function joinWord(
  db: Connection,
  { id, proposed_by, confirmed_by, is_fresh }: z.infer<typeof wordRow>,
  { operatorId, madeAt }: { readonly operatorId: string; readonly madeAt: string },
): Promise<Standing | null> {
  if (confirmed_by !== null) {
    const both = [proposed_by, confirmed_by];
    const isOfTwo = proposed_by !== confirmed_by && both.includes(operatorId);
    return isOfTwo && is_fresh ? { kind: 'agreed', by: both } : null;
  }
  if (proposed_by === operatorId) return { kind: 'awaits_second' };
  if (!(await areIndependent(db, [proposed_by, operatorId], madeAt))) {
    return { kind: 'not_independent' };
  }
  await db.query(sql.typeAlias('none')`
    UPDATE decisions SET confirmed_by = ${operatorId}, confirmed_at = now() WHERE id = ${id}`);
  return { kind: 'agreed', by: [proposed_by, operatorId] };
}

/** How long an operator's own new password is no proof that nobody else came by it. */
export const KNOWN_HOURS = 24;
/**
 * The same for what was there before that password: else a puppet made for one payment would only
 * have to change it. Not for ever: in a team whose first passwords one person set, nobody could
 * ever decide about what is older than their own.
 */
export const KNOWN_DAYS = 30;

/**
 * False where one person may be signed in as both: as who ever set their passwords, or set the
 * password of who did. All of them count until the operator sets its own, and then for as long as
 * the constants above say. Who used the command line may be any of them, and so may, of those with
 * an account here, who has a token of an external issuer: nothing tells whose that is.
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
      SELECT who, setter FROM knows JOIN operators USING (id),
        unnest(former_password_set_by || password_set_by) AS setter
      WHERE setter IS NOT NULL AND (password_set_by IS NOT NULL OR former_password_until > least(
        greatest(${madeAt}::timestamptz, now() - ${KNOWN_DAYS} * interval '1 day'),
        now() - ${KNOWN_HOURS} * interval '1 hour')))
    SELECT ones.id FROM knows ones, knows others
    WHERE ones.who = ${one} AND others.who = ${other}
      AND (ones.id = others.id OR ${SET_BY_CLI} IN (ones.id, others.id)
        OR starts_with(ones.id, ${EXTERNAL}) <> starts_with(others.id, ${EXTERNAL})) LIMIT 1`);
  return shared === null;
}
