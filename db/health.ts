import { z } from 'zod';
import type { Pool } from './pool.ts';
import { findSetupError } from './session.ts';
import { sql } from './sql.ts';
import { isDatabaseUnavailable, sqlStateOf } from './unavailable.ts';

export const DATABASE_FAULTS = [
  'database_away',
  'schema_missing',
  'database_refused',
  'database_misconfigured',
] as const;
type DatabaseFault = (typeof DATABASE_FAULTS)[number];

/**
 * What waiting does not remedy, by PostgreSQL's code. Most of it shows when a connection is opened,
 * and there it looks as if nobody answered.
 */
const FAULTS: ReadonlyMap<string, DatabaseFault> = new Map([
  ['3D000', 'schema_missing'],
  ['42P01', 'schema_missing'],
  ['28000', 'database_refused'],
  ['28P01', 'database_refused'],
  ['42501', 'database_refused'],
]);

/**
 * True while the database only answers questions, as in a failover. Callbacks are kept by Temporal
 * meanwhile, so a process is not taken out of rotation for it. @throws where it is worse.
 */
export async function isDatabaseReadOnly(pool: Pool): Promise<boolean> {
  const row = z.object({ setting: z.string() });
  const { setting } = await pool.one(sql.type(row)`
    SELECT current_setting('transaction_read_only') AS setting`);
  return setting === 'on';
}

/** Null when the database answers and has our schema; else what is wrong with it. */
export async function findDatabaseFault(pool: Pool): Promise<DatabaseFault | null> {
  try {
    await pool.query(sql.typeAlias('none')`SELECT FROM payments LIMIT 0`);
    return null;
  } catch (error) {
    if (findSetupError(error) !== null) return 'database_misconfigured';
    const known = FAULTS.get(sqlStateOf(error) ?? '');
    return known ?? (isDatabaseUnavailable(error) ? 'database_away' : 'database_refused');
  }
}
