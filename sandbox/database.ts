import pg from 'pg';

const DATABASE = 'malipo';

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
