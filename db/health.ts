import type { Pool } from './pool.ts';
import { sql } from './sql.ts';

/** True when the database answers and has our schema. */
export async function isDatabaseReady(pool: Pool): Promise<boolean> {
  try {
    await pool.query(sql.typeAlias('none')`SELECT FROM payments LIMIT 0`);
    return true;
  } catch {
    return false;
  }
}
