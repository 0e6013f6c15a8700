import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { ROLES, type Role } from '../domain/access.ts';
import { newId } from './ids.ts';
import type { Connection, Pool } from './pool.ts';
import { sql } from './sql.ts';

const operatorRow = z.object({
  id: z.string(),
  email: z.string(),
  name: z.string(),
  role: z.enum(ROLES),
  active: z.boolean(),
  last_signed_in_at: z.string().nullable(),
  /** Who chose the password; null: the operator itself. */
  password_set_by: z.string().nullable(),
  password_set_at: z.string(),
  created_at: z.string(),
});
export type Operator = z.infer<typeof operatorRow>;
const withPassword = operatorRow.extend({ password_hash: z.string() });
const OPERATOR = sql.fragment`id, email, name, role, active, last_signed_in_at, password_set_by,
  password_set_at, created_at`;

/** As who set a password: whoever ran `npm run admin`, which may be any operator. */
export const SET_BY_CLI = 'cli';
/** Begins the id of who has no account here, but a token of an external issuer. */
export const EXTERNAL = 'external:';

type NewPassword = {
  readonly hash: string;
  /** Who chose it and so knows it: an operator, {@link SET_BY_CLI}, or null for itself. */
  readonly setBy: string | null;
};

/** Null when the address is taken. */
export async function insertOperator(
  db: Connection,
  next: {
    readonly email: string;
    readonly name: string;
    readonly role: Role;
    readonly password: NewPassword;
  },
): Promise<Operator | null> {
  return await db.maybeOne(sql.type(operatorRow)`
    INSERT INTO operators (id, email, name, role, password_hash, password_set_by)
    VALUES (${newId('operator')}, ${next.email.toLowerCase()}, ${next.name}, ${next.role},
      ${next.password.hash}, ${next.password.setBy})
    ON CONFLICT (email) DO NOTHING RETURNING ${OPERATOR}`);
}

/** Newest first. @param beforeId the last of the page before. */
export async function listOperators(
  db: Connection,
  beforeId: string | null,
  limit: number,
): Promise<readonly Operator[]> {
  return await db.any(sql.type(operatorRow)`
    SELECT ${OPERATOR} FROM operators
    WHERE ${beforeId}::text IS NULL OR id < ${beforeId} ORDER BY id DESC LIMIT ${limit}`);
}

/**
 * Changes what is given; a new password or being switched off ends all sessions. All who ever set
 * the password stay known: for a while they still count as knowing it (db/proposals.ts).
 */
export function updateOperator(
  pool: Pool,
  id: string,
  changes: {
    readonly role?: Role | undefined;
    readonly active?: boolean | undefined;
    readonly password?: NewPassword | undefined;
    /** The change counts only while this is the password; else the answer is null. */
    readonly knownHash?: string;
  },
): Promise<Operator | null> {
  const { knownHash = null } = changes;
  const { hash, setBy } = changes.password ?? { hash: null, setBy: null };
  const isSetByOther = sql.fragment`${hash}::text IS NOT NULL AND password_set_by IS NOT NULL`;
  return pool.transaction(async (db) => {
    const operator = await db.maybeOne(sql.type(operatorRow)`
      UPDATE operators SET role = coalesce(${changes.role ?? null}, role),
        active = coalesce(${changes.active ?? null}::boolean, active),
        password_hash = coalesce(${hash}, password_hash),
        former_password_set_by = CASE WHEN ${isSetByOther}
          THEN array_remove(former_password_set_by, password_set_by) || password_set_by
          ELSE former_password_set_by END,
        former_password_until = CASE WHEN ${isSetByOther} THEN now()
          ELSE former_password_until END,
        password_set_by = CASE WHEN ${hash}::text IS NULL THEN password_set_by
          ELSE ${setBy} END,
        password_set_at = CASE WHEN ${hash}::text IS NULL THEN password_set_at ELSE now() END,
        updated_at = now()
      WHERE id = ${id} AND password_hash = coalesce(${knownHash}, password_hash)
      RETURNING ${OPERATOR}`);
    if (operator !== null && (changes.active === false || hash !== null)) {
      await db.query(sql.typeAlias('none')`
        UPDATE refresh_tokens SET revoked_at = now() WHERE operator_id = ${id}
          AND revoked_at IS NULL`);
    }
    return operator;
  });
}

/** Null when there is none, it is switched off, or this session of it has ended. */
export async function findActiveOperator(
  db: Connection,
  id: string,
  sessionId: string,
): Promise<Operator | null> {
  return await db.maybeOne(sql.type(operatorRow)`
    SELECT ${OPERATOR} FROM operators WHERE id = ${id} AND active AND EXISTS (
      SELECT FROM refresh_tokens
      WHERE family = ${sessionId} AND operator_id = operators.id AND revoked_at IS NULL)`);
}

/** For signing in; null when there is none, or it is switched off. */
export async function findOperatorByEmail(
  db: Connection,
  email: string,
): Promise<{ readonly operator: Operator; readonly passwordHash: string } | null> {
  const row = await db.maybeOne(sql.type(withPassword)`
    SELECT ${OPERATOR}, password_hash FROM operators
    WHERE email = ${email.toLowerCase()} AND active`);
  if (row === null) return null;
  const { password_hash, ...operator } = row;
  return { operator, passwordHash: password_hash };
}

/** A session is the family of its refresh tokens; each is told once and stored as a hash. */
export type SessionTokens = { readonly sessionId: string; readonly refreshToken: string };

const REFRESH_DAYS = 14;
const hashOf = (token: string) => createHash('sha256').update(token).digest();

/**
 * Opens a session. As all that touches an operator's sessions it locks the operator first, so that
 * no token slips in while others are being ended.
 * @param knownHash of the password that was shown: checking it takes time, and it may be another's
 * by now.
 * @returns null when that is the password no longer, or the operator is switched off.
 */
export function openSession(
  pool: Pool,
  operatorId: string,
  knownHash: string,
): Promise<SessionTokens | null> {
  return pool.transaction(async (db) => {
    const operator = await db.maybeOne(sql.typeAlias('id')`
      UPDATE operators SET last_signed_in_at = now()
      WHERE id = ${operatorId} AND active AND password_hash = ${knownHash} RETURNING id`);
    if (operator === null) return null;
    return await insertToken(db, operator.id, randomBytes(16).toString('hex'));
  });
}

async function insertToken(
  db: Connection,
  operatorId: string,
  family: string,
): Promise<SessionTokens> {
  const token = `rt_${randomBytes(32).toString('base64url')}`;
  await db.query(sql.typeAlias('none')`
    INSERT INTO refresh_tokens (hash, operator_id, family, expires_at)
    VALUES (${sql.binary(hashOf(token))}, ${operatorId}, ${family},
      now() + ${REFRESH_DAYS} * interval '1 day')`);
  return { sessionId: family, refreshToken: token };
}

const tokenRow = z.object({
  family: z.string(),
  is_used: z.boolean(),
  is_open: z.boolean(),
});

/**
 * Takes a refresh token for the next one. A token that comes a second time was stolen, from us or
 * from its thief, so its whole family ends.
 */
export function renewSession(
  pool: Pool,
  token: string,
): Promise<(SessionTokens & { readonly operator: Operator }) | null> {
  return pool.transaction(async (db) => {
    const operator = await lockOperatorOf(db, token);
    const found = await db.maybeOne(sql.type(tokenRow)`
      SELECT family, used_at IS NOT NULL AS is_used,
        expires_at > now() AND revoked_at IS NULL AS is_open
      FROM refresh_tokens WHERE hash = ${sql.binary(hashOf(token))}`);
    if (operator === null || found === null || !found.is_open) return null;
    if (found.is_used) {
      await endFamily(db, found.family);
      return null;
    }
    await db.query(sql.typeAlias('none')`
      UPDATE refresh_tokens SET used_at = now() WHERE hash = ${sql.binary(hashOf(token))}`);
    return { operator, ...(await insertToken(db, operator.id, found.family)) };
  });
}

/** Null when the token is nobody's, or of who is switched off. */
async function lockOperatorOf(db: Connection, token: string): Promise<Operator | null> {
  return await db.maybeOne(sql.type(operatorRow)`
    SELECT ${OPERATOR} FROM operators WHERE active AND id = (
      SELECT operator_id FROM refresh_tokens WHERE hash = ${sql.binary(hashOf(token))})
    FOR NO KEY UPDATE`);
}

/** Whose session the token belongs to, whether or not it still opens anything. */
export async function findOperatorOfSession(
  db: Connection,
  token: string,
): Promise<Operator | null> {
  return await db.maybeOne(sql.type(operatorRow)`
    SELECT ${OPERATOR} FROM operators WHERE id = (
      SELECT operator_id FROM refresh_tokens WHERE hash = ${sql.binary(hashOf(token))})`);
}

/** Ends the session that the token belongs to, if any. */
export async function endSession(pool: Pool, token: string): Promise<void> {
  await pool.transaction(async (db) => {
    await lockOperatorOf(db, token);
    const found = await db.maybeOne(sql.type(tokenRow.pick({ family: true }))`
      SELECT family FROM refresh_tokens WHERE hash = ${sql.binary(hashOf(token))}`);
    if (found !== null) await endFamily(db, found.family);
  });
}

async function endFamily(db: Connection, family: string): Promise<void> {
  await db.query(sql.typeAlias('none')`
    UPDATE refresh_tokens SET revoked_at = now() WHERE family = ${family} AND revoked_at IS NULL`);
}
