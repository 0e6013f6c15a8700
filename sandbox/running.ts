import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { openHome, readJson } from './home.ts';
import { readCommandLine } from './process.ts';

const WRITTEN = z.object({
  api_url: z.url(),
  pids: z.object({ supervisor: z.number() }),
});

/** What it wrote, as it wrote it. */
type Running = { readonly details: unknown; readonly apiUrl: string };

/**
 * What the sandbox of this process wrote about itself. One that still starts is waited for.
 * @returns null when it ends before it is up.
 */
export async function readRunning(
  root: string,
  holderPid: number,
  signal: AbortSignal,
): Promise<Running | null> {
  const home = openHome(root);
  while (readCommandLine(holderPid) !== null) {
    const written = readJson(home.details);
    const read = WRITTEN.safeParse(written);
    if (read.success && read.data.pids.supervisor === holderPid) {
      return { details: written, apiUrl: read.data.api_url };
    }
    await sleep(100, undefined, { signal });
  }
  return null;
}
