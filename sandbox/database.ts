import { createHash } from 'node:crypto';
import pg from 'pg';

const DATABASE = 'malipo';
const ROLE = 'malipo_app';

/**
 * Makes Malipo's database on a server of the sandbox unless it is there.
 * @param serverUrl a superuser on the database `postgres`.
 * @returns the address of the database.
 */
export async function ensureDatabase(serverUrl: string): Promise<string> {
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  try {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [
      DATABASE,
    ]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE} OWNER malipo`);
  } finally {
    await client.end();
  }
  const url = new URL(serverUrl);
  url.pathname = DATABASE;
  return url.toString();
}

/**
 * Makes the login of the API and the worker, who must not be the tables' owner, and answers its
 * address. In a server of the sandbox's own, which trusts whoever connects, that is `malipo_app`
 * itself; another server gets a login with a password, which a second sandbox does not share.
 * @param ownerUrl whoever migrated.
 * @param secret null in a server of the sandbox's own.
 */
export async function ensureAppLogin(ownerUrl: string, secret: string | null): Promise<string> {
  const url = new URL(ownerUrl);
  const statements = secret === null ? [`ALTER ROLE ${ROLE} LOGIN`] : makeLogin(url, secret);
  if (secret === null) [url.username, url.password] = [ROLE, ''];
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
  return url.toString();
}

/** @param url gets name and password. */
function makeLogin(url: URL, secret: string): readonly string[] {
  const derive = (what: string) =>
    createHash('sha256').update(`malipo/sandbox-login/${what}/${secret}`).digest('hex');
  const name = `malipo_sandbox_${derive('name').slice(0, 12)}`;
  const password = derive('password');
  [url.username, url.password] = [name, password];
  return [
    `DO $$ BEGIN CREATE ROLE ${name}; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
    `ALTER ROLE ${name} LOGIN PASSWORD '${password}'`,
    `GRANT ${ROLE} TO ${name}`,
  ];
}
