import pg from 'pg';
import { isDatabaseAway } from './away.ts';
import type { Pool } from './pool.ts';
import { findSetupError } from './session.ts';
import { sql } from './sql.ts';

export const DATABASE_FAULTS = [
  'database_away',
  'schema_missing',
  'database_refused',
  'database_misconfigured',
] as const;
type DatabaseFault = (typeof DATABASE_FAULTS)[number];

/**
 * What waiting does not mend, by PostgreSQL's code. Most of it shows when a connection is opened,
 * and there it looks as if nobody answered.
 */
const FAULTS: ReadonlyMap<string, DatabaseFault> = new Map([
  // Migrating makes our role: without it the connection's `-c role=` is what is wrong.
  ['22023', 'schema_missing'],
  ['3D000', 'schema_missing'],
  ['42P01', 'schema_missing'],
  ['28000', 'database_refused'],
  ['28P01', 'database_refused'],
  ['42501', 'database_refused'],
]);

/** Null when the database answers and has our schema; else what is wrong with it. */
export async function findDatabaseFault(pool: Pool): Promise<DatabaseFault | null> {
  try {
    await pool.query(sql.typeAlias('none')`SELECT FROM payments LIMIT 0`);
    return null;
  } catch (error) {
    if (findSetupError(error) !== null) return 'database_misconfigured';
    const known = FAULTS.get(codeOf(error) ?? '');
    return known ?? (isDatabaseAway(error) ? 'database_away' : 'database_refused');
  }
}

/** PostgreSQL's own, however often its error was wrapped on its way to us. */
function codeOf(error: unknown): string | undefined {
  if (error instanceof pg.DatabaseError) return error.code;
  return error instanceof Error ? codeOf(error.cause) : undefined;
}
