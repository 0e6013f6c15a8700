import type { ClientBase } from 'pg';
import type { DriverClient, DriverFactory } from 'slonik';
import { z } from 'zod';

/** The role that the migrations give the application's rights to. */
const APP_ROLE = 'malipo_app';

const OF_LOGIN = [
  'API, worker and scripts log in as who owns nothing and has the rights of malipo_app. As the',
  "tables' owner, once:",
  `  ALTER ROLE ${APP_ROLE} LOGIN PASSWORD '...';`,
  `or for another login:  GRANT ${APP_ROLE} TO <login>;`,
  'and name it in DATABASE_URL. The owner is for `npm run migrate` alone, in',
  'MALIPO_MIGRATE_DATABASE_URL. docs/deployment.md, section 1, has all of it.',
].join('\n');

const OF_POOLER = [
  'If a pooler such as PgBouncer stands between, it passes no settings of a connection on. Give',
  'them to the login that DATABASE_URL names, and let the pooler ignore them:',
  "  ALTER ROLE <login> SET statement_timeout = '10s';",
  "  ALTER ROLE <login> SET idle_in_transaction_session_timeout = '10s';",
  '  ignore_startup_parameters = statement_timeout,idle_in_transaction_session_timeout',
  'docs/deployment.md, section 9, has all of it.',
].join('\n');

/** The database answers, and the connection is not one that we may work with. */
export class DatabaseSetupError extends Error {
  constructor(fault: string, remedy: string, options?: ErrorOptions) {
    super(`${fault}. ${remedy}`, options);
    this.name = 'DatabaseSetupError';
  }
}

/** It, however often it was wrapped on its way to us. */
export function findSetupError(error: unknown): DatabaseSetupError | null {
  if (error instanceof DatabaseSetupError) return error;
  return error instanceof Error ? findSetupError(error.cause) : null;
}

/**
 * Asked of the login, not of the role in force: SET ROLE NONE is one statement away. A superuser is
 * a member of every role. Before the first migration there are no tables, and perhaps no role.
 */
const SESSION = `SELECT session_user::text AS login, rolsuper AS is_superuser,
  rolbypassrls AS bypasses_row_security,
  (SELECT min(pg_get_userbyid(owner)) FROM (
    SELECT relowner AS owner FROM pg_class
      WHERE relnamespace = to_regnamespace('public') AND relkind IN ('r', 'p')
    UNION SELECT datdba FROM pg_database WHERE datname = current_database()) AS owners
    WHERE pg_has_role(session_user, owner, 'MEMBER')) AS owner,
  (SELECT min(rolname::text) FROM pg_roles WHERE rolname IN ('pg_execute_server_program',
    'pg_write_server_files') AND pg_has_role(session_user, oid, 'MEMBER')) AS server_role,
  coalesce(has_table_privilege(session_user, to_regclass('public.audit_entries'),
    'UPDATE, DELETE, TRUNCATE, TRIGGER'), false) AS may_change_trail,
  coalesce((SELECT pg_has_role(current_user, oid, 'USAGE') FROM pg_roles
    WHERE rolname = '${APP_ROLE}'), true) AS has_rights,
  current_setting('statement_timeout') AS statement_timeout,
  current_setting('idle_in_transaction_session_timeout') AS idle_timeout
  FROM pg_roles WHERE rolname = session_user`;
const sessionRow = z.object({
  login: z.string(),
  is_superuser: z.boolean(),
  bypasses_row_security: z.boolean(),
  /** Of the tables or of the database, where the login is that or may become it. */
  owner: z.string().nullable(),
  /** A role that reaches past the database, where the login has it. */
  server_role: z.string().nullable(),
  may_change_trail: z.boolean(),
  has_rights: z.boolean(),
  statement_timeout: z.string(),
  idle_timeout: z.string(),
});
type Session = z.infer<typeof sessionRow>;

/** What a login has too much or too little of; null: nothing. */
function findFaultOfLogin(session: Session): string | null {
  const { login, owner, server_role } = session;
  if (session.is_superuser) return `the login "${login}" is a superuser`;
  if (session.bypasses_row_security) return `the login "${login}" has BYPASSRLS`;
  if (owner === login) return `the login "${login}" owns the database or its tables`;
  if (owner !== null) return `the login "${login}" may become "${owner}", the owner`;
  if (server_role !== null) return `the login "${login}" has the role ${server_role}`;
  if (session.may_change_trail) return `the login "${login}" may change the audit trail`;
  if (!session.has_rights) return `the login "${login}" has not the rights of malipo_app`;
  return null;
}

/**
 * As a login that owns the tables, one wrong statement of ours could change the trail; without
 * timeouts, one that hangs holds its connection for ever.
 * @throws DatabaseSetupError
 */
function requireSession(row: unknown, needsTimeouts: boolean): void {
  const session = sessionRow.parse(row);
  const fault = findFaultOfLogin(session);
  if (fault !== null) throw new DatabaseSetupError(fault, OF_LOGIN);
  if (!needsTimeouts) return;
  if (session.statement_timeout === '0') {
    throw new DatabaseSetupError('the connection has no statement_timeout', OF_POOLER);
  }
  if (session.idle_timeout === '0') {
    const fault = 'the connection has no idle_in_transaction_session_timeout';
    throw new DatabaseSetupError(fault, OF_POOLER);
  }
}

/** A pooler's refusal of our settings, with its remedy; any other error as it is. */
function explainRefusal(error: unknown): unknown {
  const isPooler = error instanceof Error && /unsupported startup parameter/.test(error.message);
  return isPooler ? new DatabaseSetupError(error.message, OF_POOLER, { cause: error }) : error;
}

/** The same driver, whose connections are checked once each, when they are opened. */
export function withCheckedSessions(createDriver: DriverFactory): DriverFactory {
  return async (options) => {
    const driver = await createDriver(options).catch((error: unknown) => {
      throw explainRefusal(error);
    });
    return {
      async createClient() {
        const client = await driver.createClient();
        try {
          await checkClient(client);
          return client;
        } catch (error) {
          await client.destroy();
          throw error;
        }
      },
    };
  };
}

async function checkClient(client: DriverClient): Promise<void> {
  client.acquire();
  const { rows } = await client.query(SESSION);
  requireSession(rows[0], true);
  await client.release();
}

/**
 * The same for a connection of `pg`'s own.
 * @param needsTimeouts false for one that only waits.
 */
export async function checkConnection(
  client: Pick<ClientBase, 'query'>,
  needsTimeouts = true,
): Promise<void> {
  const { rows } = await client.query(SESSION);
  requireSession(rows[0], needsTimeouts);
}
