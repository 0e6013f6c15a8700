import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { openPool, type Pool } from '../db/pool.ts';

const TEMPLATE = 'malipo_template';

export type CreatedDatabase = {
  /** Superuser and owner of all that is in it. */
  readonly adminUrl: string;
  /** The login of API, worker and scripts. */
  readonly appUrl: string;
  readonly drop: () => Promise<void>;
};

export type TestDatabase = {
  /** As the application sees it: its role, its row checks. */
  readonly pool: Pool;
  readonly adminUrl: string;
  /** The login of API, worker and scripts. */
  readonly appUrl: string;
  /** One statement as superuser and owner. */
  queryAsOwner<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  /** What only the owner can do, and only on purpose: a change past the trail's own guard. */
  changeBehindTheTrigger(statement: string, values?: unknown[]): Promise<void>;
  /** Past triggers and keys, as a backup is put back: all of these statements, or none. */
  asRestore(...statements: readonly string[]): Promise<void>;
  /** Another pool on the same database, as a second process would have; closed with the first. */
  openAnotherPool(): Promise<Pool>;
  close(): Promise<void>;
};

/** A database of one's own with the newest schema and nothing in it. Close it at the end. */
export async function openTestDatabase(): Promise<TestDatabase> {
  const { adminUrl, appUrl, drop } = await createMigratedDatabase();
  const openOne = () => openPool({ databaseUrl: appUrl, size: 10, statementTimeoutMs: 10_000 });
  const pools = [await openOne()];
  const [pool] = pools;
  if (pool === undefined) throw new Error('no pool');
  const owner = new pg.Client({ connectionString: adminUrl });
  await owner.connect();
  return {
    pool,
    adminUrl,
    appUrl,
    async queryAsOwner<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) {
      return (await owner.query<Row>(text, values)).rows;
    },
    async changeBehindTheTrigger(statement: string, values: unknown[] = []) {
      const toggle = (verb: string) =>
        owner.query(`ALTER TABLE audit_entries ${verb} TRIGGER audit_entries_append_only`);
      await toggle('DISABLE');
      try {
        await owner.query(statement, values);
      } finally {
        await toggle('ENABLE');
      }
    },
    async asRestore(...statements: readonly string[]) {
      const steps = ["SET LOCAL session_replication_role = 'replica'", ...statements].join('; ');
      await owner.query(`BEGIN; ${steps}; COMMIT`);
    },
    async openAnotherPool() {
      const another = await openOne();
      pools.push(another);
      return another;
    },
    async close() {
      await Promise.all(pools.map((each) => each.end()));
      await owner.end();
      await drop();
    },
  };
}

/** A database without any schema, for tests of what makes the schema. */
export function createEmptyDatabase(): Promise<CreatedDatabase> {
  return createDatabase('template0');
}

/** The same with the newest schema, for processes that open pools of their own. */
export function createMigratedDatabase(): Promise<CreatedDatabase> {
  return createDatabase(TEMPLATE);
}

async function createDatabase(template: string): Promise<CreatedDatabase> {
  const serverUrl = process.env.MALIPO_TEST_DATABASE_URL;
  if (serverUrl === undefined) throw new Error('test/global-setup.ts names the test server');
  const name = `malipo_test_${randomBytes(6).toString('hex')}`;
  await runOnServer(
    serverUrl,
    `CREATE DATABASE ${name} TEMPLATE ${template}`,
    // As migrating does; it belongs to a database, and a copy of one does not have it.
    `REVOKE TEMPORARY ON DATABASE ${name} FROM PUBLIC`,
  );
  const url = new URL(serverUrl);
  url.pathname = name;
  const appUrl = new URL(url);
  appUrl.username = 'malipo_app';
  return {
    adminUrl: url.toString(),
    appUrl: appUrl.toString(),
    drop: () => runOnServer(serverUrl, `DROP DATABASE ${name} WITH (FORCE)`),
  };
}

async function runOnServer(serverUrl: string, ...statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
