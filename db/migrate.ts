import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import pg from 'pg';

const MIGRATIONS = fileURLToPath(new URL('./migrations', import.meta.url));

/**
 * Brings a database to the newest schema. Safe to run by several processes at once (advisory lock)
 * and again after it was killed (one transaction for each file).
 * @param databaseUrl a role that may create tables and roles.
 */
export async function migrate(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await runner({
      dbClient: client,
      dir: MIGRATIONS,
      direction: 'up',
      migrationsTable: 'schema_migrations',
      migrationLoaderStrategies: [{ extensions: ['.sql'], loader: 'sql' }],
      advisoryLockMode: 'wait',
      singleTransaction: false,
      checkOrder: true,
      log: () => undefined,
    });
  } finally {
    await client.end();
  }
}
