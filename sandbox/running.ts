import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { openHome, readJson } from './home.ts';
import { readCommandLine } from './process.ts';

const WRITTEN = z.looseObject({
  api_url: z.url(),
  pids: z.looseObject({ supervisor: z.number() }),
});

/**
 * What the sandbox of this process wrote about itself. One that still starts is waited for.
 * @returns null when it ends before it is up.
 */
export async function readRunning(
  root: string,
  holderPid: number,
  signal: AbortSignal,
): Promise<z.infer<typeof WRITTEN> | null> {
  const home = openHome(root);
  while (readCommandLine(holderPid) !== null) {
    const read = WRITTEN.safeParse(readJson(home.details));
    if (read.success && read.data.pids.supervisor === holderPid) return read.data;
    await sleep(100, undefined, { signal });
  }
  return null;
}
