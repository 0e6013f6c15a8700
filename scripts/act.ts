import { userInfo } from 'node:os';
import { newId } from '../db/ids.ts';
import { finishAct, insertAct } from '../db/operator-acts.ts';
import type { Pool } from '../db/pool.ts';

/**
 * Does what somebody asked for at the command line, kept as operators' acts are: written down
 * before it is done. What was refused, or did not come to its end, stays without one.
 * @param run says whether it came to its end.
 */
export async function keepAct(
  pool: Pool,
  what: string,
  given: Readonly<Record<string, unknown>>,
  run: () => Promise<boolean>,
): Promise<void> {
  const { name, role, merchant } = given;
  const id = await insertAct(pool, {
    operatorId: 'cli',
    email: userInfo().username,
    role: null,
    action: `npm run admin -- ${what}`,
    target: typeof merchant === 'string' ? merchant.slice(0, 100) : null,
    details: { asked: JSON.stringify({ name, role }).slice(0, 1_000) },
    requestId: newId('request'),
    remoteAddress: 'local',
    userAgent: null,
  });
  if (await run()) await finishAct(pool, id, 200);
}
