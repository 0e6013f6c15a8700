import { isDatabaseAway } from './away.ts';
import type { Pool } from './pool.ts';
import { sql } from './sql.ts';

export const DATABASE_FAULTS = ['database_away', 'schema_missing'] as const;

/** Null when the database answers and has our schema; else what is wrong with it. */
export async function findDatabaseFault(
  pool: Pool,
): Promise<(typeof DATABASE_FAULTS)[number] | null> {
  try {
    await pool.query(sql.typeAlias('none')`SELECT FROM payments LIMIT 0`);
    return null;
  } catch (error) {
    return isDatabaseAway(error) ? 'database_away' : 'schema_missing';
  }
}
