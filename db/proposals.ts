import { z } from 'zod';
import type { Decision } from '../domain/decision.ts';
import { newId } from './ids.ts';
import { EXTERNAL, SET_BY_CLI } from './operators.ts';
import type { Connection } from './pool.ts';
import { sql } from './sql.ts';

/** What an operator asks for that may take a second one. */
export type Asked = {
  /** The operation's id, or `decision`. */
  readonly action: string;
  /** What it is about; a later request about it replaces one that waits. */
  readonly subjectId: string;
  /** When the subject was made. */
  readonly madeAt: string;
  /**
   * When the subject last changed: what two agreed on since then was not heard by who asks again.
   * {@link DONE} where asking again may not do it again.
   */
  readonly changedAt: string;
  /** With {@link decision}, what makes two requests the same: a keyed hash, never a secret. */
  readonly fingerprint: string | null;
  readonly decision: Pick<Decision, 'decision' | 'receipt' | 'amountMinor'> | null;
  readonly reason: string;
  /** Tells the second operator what it is about; without secrets. */
  readonly summary: Readonly<Record<string, unknown>>;
  readonly operatorId: string;
  readonly needsTwo: boolean;
};

/** What two agree on is carried out in the same transaction, and the very same never twice. */
export const DONE = 'infinity';

/** How long a first operator's request waits for the second. */
export const OPEN_HOURS = 24;

export type Waiting = { readonly id: string; readonly createdAt: string };

/** Where a request stands: `by` names who is behind it, once it may be carried out. */
export type Standing =
  | { readonly kind: 'agreed'; readonly by: readonly string[] }
  | { readonly kind: 'awaits_second'; readonly waiting: Waiting }
  /** The second is none: nothing was written, and the first one's request still waits. */
  | { readonly kind: 'not_independent' }
  /** Two agreed on the very same within the time that a request waits, and it was done. */
  | { readonly kind: 'already_done' };

const askedRow = z.object({
  id: z.string(),
  created_at: z.string(),
  proposed_by: z.string(),
  confirmed_by: z.string().nullable(),
  is_same: z.boolean(),
  is_fresh: z.boolean(),
});
const waitingRow = askedRow.pick({ id: true, created_at: true });

/**
 * Who proposes does not approve. Where two are needed, the first one's request is a proposal, and
 * the same request by another confirms it; any other about the same subject replaces it. Two who
 * agreed agree still when one of them asks again: nobody may have heard them.
 * @param tx what is agreed on may be carried out in the same transaction.
 */
export async function propose(tx: Connection, asked: Asked): Promise<Standing> {
  const { action, subjectId, decision, operatorId, needsTwo } = asked;
  // Two operators at once: one of them is the second.
  await tx.query(sql.typeAlias('none')`
    SELECT FROM pg_advisory_xact_lock(hashtextextended(${subjectId}, 0))`);
  const last = await tx.maybeOne(sql.type(askedRow)`
    SELECT id, created_at, proposed_by, confirmed_by,
      decision IS NOT DISTINCT FROM ${decision?.decision ?? null}
        AND receipt IS NOT DISTINCT FROM ${decision?.receipt ?? null}
        AND amount IS NOT DISTINCT FROM ${decision?.amountMinor ?? null}::bigint
        AND fingerprint IS NOT DISTINCT FROM ${asked.fingerprint} AS is_same,
      coalesce(confirmed_at >= ${asked.changedAt}::timestamptz, false) AS is_fresh
    FROM (SELECT * FROM decisions WHERE subject_id = ${subjectId} AND action = ${action}
      ORDER BY id DESC LIMIT 1) AS w
    WHERE created_at > now() - ${OPEN_HOURS} * interval '1 hour'`);
  const standing = needsTwo && last?.is_same === true ? await join(tx, last, asked) : null;
  if (standing !== null) return standing;
  const row = await tx.one(sql.type(waitingRow)`
    INSERT INTO decisions (id, action, subject_id, decision, receipt, amount, fingerprint, summary,
      reason, proposed_by, confirmed_by)
    VALUES (${newId('decision')}, ${action}, ${subjectId}, ${decision?.decision ?? null},
      ${decision?.receipt ?? null}, ${decision?.amountMinor ?? null}, ${asked.fingerprint},
      ${sql.jsonb(asked.summary)}, ${asked.reason}, ${operatorId},
      ${needsTwo ? null : operatorId})
    RETURNING id, created_at`);
  if (!needsTwo) return { kind: 'agreed', by: [operatorId] };
  return { kind: 'awaits_second', waiting: toWaiting(row) };
}

function toWaiting({ id, created_at }: z.infer<typeof waitingRow>): Waiting {
  return { id, createdAt: created_at };
}

/** Where the same request stands, made once more. Null where it is over: then it is a new one. */
async function join(
  tx: Connection,
  last: z.infer<typeof askedRow>,
  { operatorId, madeAt, changedAt }: Pick<Asked, 'operatorId' | 'madeAt' | 'changedAt'>,
): Promise<Standing | null> {
  const { id, proposed_by, confirmed_by, is_fresh } = last;
  if (confirmed_by !== null) {
    if (changedAt === DONE) return { kind: 'already_done' };
    const both = [proposed_by, confirmed_by];
    const isOfTwo = proposed_by !== confirmed_by && both.includes(operatorId);
    return isOfTwo && is_fresh ? { kind: 'agreed', by: both } : null;
  }
  if (proposed_by === operatorId) return { kind: 'awaits_second', waiting: toWaiting(last) };
  if (!(await areIndependent(tx, [proposed_by, operatorId], madeAt))) {
    return { kind: 'not_independent' };
  }
  await tx.query(sql.typeAlias('none')`
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

const proposalRow = z.object({
  id: z.string(),
  action: z.string(),
  subject_id: z.string(),
  summary: z.record(z.string(), z.unknown()),
  proposed_by: z.string(),
  created_at: z.string(),
});
export type Proposal = z.infer<typeof proposalRow>;

/** What waits for a second operator now, newest first. @param beforeId the last one shown. */
export async function listProposals(
  db: Connection,
  beforeId: string | null,
  limit: number,
): Promise<readonly Proposal[]> {
  return await db.any(sql.type(proposalRow)`
    SELECT id, action, subject_id, summary, proposed_by, created_at FROM decisions d
    WHERE confirmed_by IS NULL AND created_at > now() - ${OPEN_HOURS} * interval '1 hour'
      AND (${beforeId}::text IS NULL OR id < ${beforeId})
      AND NOT EXISTS (SELECT FROM decisions later WHERE later.subject_id = d.subject_id
        AND later.action = d.action AND later.id > d.id)
    ORDER BY id DESC LIMIT ${limit}`);
}
