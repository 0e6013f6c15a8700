import { userInfo } from 'node:os';
import { cleanText, describeRequest } from '../api/activity-log.ts';
import { newId } from '../db/ids.ts';
import { finishAct, insertAct } from '../db/operator-activity.ts';
import type { Pool } from '../db/pool.ts';

/**
 * Does what somebody asked for at the command line, kept as operators' acts are: written down
 * before it is done. What was refused, or did not come to its end, stays without one.
 * @param given the options; their secrets are named and not told.
 * @param run answers the exit code: 0 when it came to its end.
 * @returns what it answered.
 */
export async function storeActivity(
  pool: Pool,
  what: string,
  given: Readonly<Record<string, unknown>>,
  run: () => Promise<number>,
): Promise<number> {
  const { merchant } = given;
  const id = await insertAct(pool, {
    operatorId: 'cli',
    email: nameOfUser(),
    role: null,
    action: `npm run admin -- ${what}`,
    target: typeof merchant === 'string' ? cleanText(merchant, 100) : null,
    details: { request_summary: describeRequest(given) },
    requestId: newId('request'),
    remoteAddress: 'local',
    userAgent: null,
  });
  const code = await run();
  if (code === 0) await finishAct(pool, id, 200);
  return code;
}

/** A container may run as a number for which the system has no user. */
function nameOfUser(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.()}`;
  }
}
