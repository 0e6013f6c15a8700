import { z } from 'zod';
import type { Connection } from './pool.ts';
import { sql } from './sql.ts';

/** The sweeper's halves: what has no workflow, and callbacks that were not delivered. */
const SWEEP_PARTS = ['unstarted', 'undelivered'] as const;
export type SweepPart = (typeof SWEEP_PARTS)[number];

/** Writes down that a round of this half has ended. */
export async function markSweepRound(db: Connection, part: SweepPart): Promise<void> {
  await db.query(sql.typeAlias('none')`
    INSERT INTO sweep_rounds (part, ended_at) VALUES (${part}, now())
    ON CONFLICT (part) DO UPDATE SET ended_at = excluded.ended_at`);
}

/** Seconds since both halves had ended a round; null while one never did. */
export async function findSweepAge(db: Connection): Promise<number | null> {
  const row = await db.one(sql.type(z.object({ parts: z.int(), seconds: z.int().nullable() }))`
    SELECT count(part) AS parts, extract(epoch FROM now() - min(ended_at))::int AS seconds
    FROM sweep_rounds`);
  return row.parts < SWEEP_PARTS.length ? null : row.seconds;
}
