import { z } from 'zod';
import { ROLES, type Role } from '../domain/access.ts';
import { idsFrom, newId } from './ids.ts';
import type { Connection } from './pool.ts';
import { sql } from './sql.ts';

/** What an operator set out to do, and from where. */
export type OperatorActivity = {
  /** Or `cli` for `npm run admin`, or `nobody` for a sign-in under an unknown address. */
  readonly operatorId: string;
  readonly email: string;
  /** Null for who has none. */
  readonly role: Role | null;
  /** The operation's id. */
  readonly action: string;
  /** The id it is about; null where there is none. */
  readonly target: string | null;
  /** The request without secrets (`request_summary`), and each part of the path by its name. */
  readonly details: Readonly<Record<string, string>>;
  readonly requestId: string;
  readonly remoteAddress: string;
  readonly userAgent: string | null;
};

const activityRow = z.object({
  id: z.string(),
  operator_id: z.string(),
  email: z.string(),
  role: z.enum(ROLES).nullable(),
  action: z.string(),
  target: z.string().nullable(),
  details: z.record(z.string(), z.string()),
  request_id: z.string(),
  remote_address: z.string(),
  user_agent: z.string().nullable(),
  status: z.int().nullable(),
  at: z.string(),
});
export type StoredAct = z.infer<typeof activityRow>;

/** Ids are made by the API's clock, times by the database's. */
const CLOCKS_DIFFER_MS = 3_600_000;

/**
 * Written before the act is done: without this row nothing happens.
 * @param status of the answer, where the row comes after it; null: {@link finishAct} adds it.
 * @returns the act's id.
 */
export async function insertAct(
  db: Connection,
  act: OperatorActivity,
  status: number | null = null,
): Promise<string> {
  const id = newId('act');
  await db.query(sql.typeAlias('none')`
    INSERT INTO operator_activity (id, operator_id, email, role, action, target, details,
      request_id, remote_address, user_agent, status)
    VALUES (${id}, ${act.operatorId}, ${act.email}, ${act.role}, ${act.action}, ${act.target},
      ${sql.jsonb(act.details)}, ${act.requestId}, ${act.remoteAddress}, ${act.userAgent},
      ${status})`);
  return id;
}

/** Adds what it was answered with. */
export async function finishAct(db: Connection, id: string, status: number): Promise<void> {
  await db.query(sql.typeAlias('none')`
    UPDATE operator_activity SET status = ${status} WHERE id = ${id} AND status IS NULL`);
}

export type ActFilter = {
  readonly target: string | null;
  readonly operatorId: string | null;
  readonly action: string | null;
  /** Only acts of these; null: all. */
  readonly actions: readonly string[] | null;
  readonly from: string | null;
  readonly before: string | null;
};

/** Newest first. @param page.afterId goes on after this act of an earlier page. */
export async function listActs(
  db: Connection,
  filter: ActFilter,
  page: { readonly afterId: string | null; readonly limit: number },
): Promise<readonly StoredAct[]> {
  const where = [sql.fragment`true`];
  if (filter.target !== null) where.push(sql.fragment`target = ${filter.target}`);
  if (filter.operatorId !== null) where.push(sql.fragment`operator_id = ${filter.operatorId}`);
  if (filter.action !== null) where.push(sql.fragment`action = ${filter.action}`);
  if (filter.actions !== null) {
    where.push(sql.fragment`action = ANY (${sql.array([...filter.actions], 'text')})`);
  }
  if (filter.from !== null) {
    where.push(sql.fragment`id >= ${idsFrom('act', filter.from, -CLOCKS_DIFFER_MS)}
      AND at >= ${filter.from}::timestamptz`);
  }
  if (filter.before !== null) {
    where.push(sql.fragment`id < ${idsFrom('act', filter.before, CLOCKS_DIFFER_MS)}
      AND at < ${filter.before}::timestamptz`);
  }
  if (page.afterId !== null) where.push(sql.fragment`id < ${page.afterId}`);
  return await db.any(sql.type(activityRow)`
    SELECT id, operator_id, email, role, action, target, details, request_id, remote_address,
      user_agent, status, at
    FROM operator_activity WHERE ${sql.join(where, sql.fragment` AND `)}
    ORDER BY id DESC LIMIT ${page.limit}`);
}
