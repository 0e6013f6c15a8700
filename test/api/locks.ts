import type { TestApi } from './server.ts';

/** How many of the API's connections wait for a lock that the test holds. */
export async function countWaiting({ database }: Pick<TestApi, 'database'>): Promise<number> {
  // A transaction, such as the one that holds the lock, sees connections as of its first look.
  await database.queryAsOwner('SELECT pg_stat_clear_snapshot()');
  const rows = await database.queryAsOwner(
    `SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  );
  return rows.length;
}
