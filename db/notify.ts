import type { Connection } from './pool.ts';
import { sql } from './sql.ts';

/** Tells whoever listens on a channel that there is something to look for. */
export async function notify(db: Connection, channel: string): Promise<void> {
  await db.query(sql.typeAlias('none')`SELECT FROM pg_notify(${channel}, '')`);
}
