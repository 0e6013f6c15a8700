import { z } from 'zod';
import { ROLES, type Role } from '../domain/access.ts';
import { newId } from './ids.ts';
import type { Connection } from './pool.ts';
import { sql } from './sql.ts';

/** What an operator set out to do, and from where. */
export type OperatorAct = {
  readonly operatorId: string;
  readonly email: string;
  readonly role: Role;
  /** The operation's id. */
  readonly action: string;
  /** The id it is about; null where there is none. */
  readonly target: string | null;
  /** What was asked, without secrets. */
  readonly details: Readonly<Record<string, string>>;
  readonly requestId: string;
  readonly remoteAddress: string;
  readonly userAgent: string | null;
};

const actRow = z.object({
  id: z.string(),
  operator_id: z.string(),
  email: z.string(),
  role: z.enum(ROLES),
  action: z.string(),
  target: z.string().nullable(),
  details: z.record(z.string(), z.string()),
  request_id: z.string(),
  remote_address: z.string(),
  user_agent: z.string().nullable(),
  status: z.int().nullable(),
  at: z.string(),
});
export type StoredAct = z.infer<typeof actRow>;

/** Written before the act is done: without this row nothing happens. @returns the act's id. */
export async function insertAct(db: Connection, act: OperatorAct): Promise<string> {
  const id = newId('act');
  await db.query(sql.typeAlias('none')`
    INSERT INTO operator_acts (id, operator_id, email, role, action, target, details, request_id,
      remote_address, user_agent)
    VALUES (${id}, ${act.operatorId}, ${act.email}, ${act.role}, ${act.action}, ${act.target},
      ${sql.jsonb(act.details)}, ${act.requestId}, ${act.remoteAddress}, ${act.userAgent})`);
  return id;
}

/** Adds what it was answered with. */
export async function finishAct(db: Connection, id: string, status: number): Promise<void> {
  await db.query(sql.typeAlias('none')`
    UPDATE operator_acts SET status = ${status} WHERE id = ${id} AND status IS NULL`);
}

/** Newest first. */
export async function listActs(
  db: Connection,
  filter: {
    readonly target: string | null;
    readonly operatorId: string | null;
    readonly beforeId: string | null;
    readonly limit: number;
  },
): Promise<readonly StoredAct[]> {
  return await db.any(sql.type(actRow)`
    SELECT id, operator_id, email, role, action, target, details, request_id, remote_address,
      user_agent, status, at
    FROM operator_acts
    WHERE (${filter.target}::text IS NULL OR target = ${filter.target})
      AND (${filter.operatorId}::text IS NULL OR operator_id = ${filter.operatorId})
      AND (${filter.beforeId}::text IS NULL OR id < ${filter.beforeId})
    ORDER BY id DESC LIMIT ${filter.limit}`);
}
