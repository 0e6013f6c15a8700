import { type TrailFault, verifyTrails } from '../db/audit.ts';
import type { Pool } from '../db/pool.ts';

const PAGE = 500;

const FAULTS: Readonly<Record<TrailFault['kind'], string>> = {
  broken: 'does not follow from the entry before: it, or one before it, was changed or is gone',
  missing: 'has no trail',
  cut_off: 'stands elsewhere than where its trail ends: entries are gone, or it was changed alone',
};

/**
 * Follows every audit trail, page by page, beside an engine at work.
 * @returns the exit code: 1 where one was changed behind the engine's back.
 */
export async function verifyAudit(pool: Pool): Promise<number> {
  let payments = 0;
  let faults = 0;
  for (let after: string | null = null; ; ) {
    const page = await verifyTrails(pool, after, PAGE);
    payments += page.payments;
    faults += page.faults.length;
    for (const { payment_id, kind, seq } of page.faults) {
      console.error(`${payment_id}${seq === null ? '' : ` entry ${seq}`} ${FAULTS[kind]}`);
    }
    if (page.lastId === null) break;
    after = page.lastId;
  }
  console.log(`${payments} trails followed, ${faults} faults`);
  return faults === 0 ? 0 : 1;
}
