import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import pg from 'pg';

const MIGRATIONS = fileURLToPath(new URL('./migrations', import.meta.url));

/**
 * Brings a database to the newest schema; there is no way down (ADR 0001). Safe to run by several
 * processes at once (advisory lock) and again after it was killed (one transaction for each file).
 * @param databaseUrl the tables' owner; who may create roles too, where the roles are not there.
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
    await closeDatabase(client);
  } finally {
    await client.end();
  }
}

/**
 * Nobody but the owner makes anything in it, temporary tables neither: they are found before ours
 * wherever a path does not say otherwise. This is said each time, because it belongs to the
 * database, so that neither a dump nor a copy of it has it. Of a database that is not its own a
 * login cannot take it away; PostgreSQL only warns then.
 */
async function closeDatabase(client: pg.Client): Promise<void> {
  // PostgreSQL refuses two who change the rights of a database at once.
  await client.query(`DO $$ BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('malipo/close-database', 0));
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
  END $$`);
}
