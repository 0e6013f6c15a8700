import type { ClientBase } from 'pg';
import type { DriverClient, DriverFactory } from 'slonik';
import { z } from 'zod';

/** The application works as this role; the migrations create it. */
export const APP_ROLE = 'malipo_app';

const RECIPE = [
  'If a pooler such as PgBouncer stands between, it passes no settings of a connection on. Give',
  'them to the login that DATABASE_URL names, and let the pooler ignore them:',
  `  ALTER ROLE <login> SET role = '${APP_ROLE}';`,
  "  ALTER ROLE <login> SET statement_timeout = '10s';",
  "  ALTER ROLE <login> SET idle_in_transaction_session_timeout = '10s';",
  '  ignore_startup_parameters = options,statement_timeout,idle_in_transaction_session_timeout',
  'docs/deployment.md has all of it.',
].join('\n');

/** The database answers, and the connection is not one that we may work with. */
export class DatabaseSetupError extends Error {
  constructor(fault: string, options?: ErrorOptions) {
    super(`${fault}. ${RECIPE}`, options);
    this.name = 'DatabaseSetupError';
  }
}

/** It, however often it was wrapped on its way to us. */
export function findSetupError(error: unknown): DatabaseSetupError | null {
  if (error instanceof DatabaseSetupError) return error;
  return error instanceof Error ? findSetupError(error.cause) : null;
}

const SESSION = `SELECT current_user::text AS role,
  current_setting('statement_timeout') AS statement_timeout,
  current_setting('idle_in_transaction_session_timeout') AS idle_timeout`;
const sessionRow = z.object({
  role: z.string(),
  statement_timeout: z.string(),
  idle_timeout: z.string(),
});

/**
 * As the tables' owner, one wrong statement of ours could change the trail; without timeouts, one
 * that hangs holds its connection for ever.
 * @throws DatabaseSetupError
 */
function requireSession(row: unknown, needsTimeouts: boolean): void {
  const { role, statement_timeout, idle_timeout } = sessionRow.parse(row);
  if (role !== APP_ROLE) {
    throw new DatabaseSetupError(`the connection works as "${role}", not as "${APP_ROLE}"`);
  }
  if (!needsTimeouts) return;
  if (statement_timeout === '0') {
    throw new DatabaseSetupError('the connection has no statement_timeout');
  }
  if (idle_timeout === '0') {
    throw new DatabaseSetupError('the connection has no idle_in_transaction_session_timeout');
  }
}

/** A pooler's refusal of our settings, with its remedy; any other error as it is. */
function explainRefusal(error: unknown): unknown {
  const isPooler = error instanceof Error && /unsupported startup parameter/.test(error.message);
  return isPooler ? new DatabaseSetupError(error.message, { cause: error }) : error;
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
