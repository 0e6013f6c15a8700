import * as fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from './failure.ts';
import { readCommandLine } from './process.ts';

export type Lock =
  | { readonly ok: true; readonly release: () => void }
  | { readonly ok: false; readonly holderPid: number };

/**
 * Takes a lock that dies with its holder: a file naming a process. A file whose process is gone,
 * or whose pid is another program by now, is taken over.
 */
export async function takeLock(path: string): Promise<Lock> {
  const mine = `${process.pid}\n${readCommandLine(process.pid)}`;
  for (;;) {
    if (createWithContent(path, mine)) {
      return { ok: true, release: () => releaseLock(path, mine) };
    }
    const found = readText(path);
    const [pid = '', command = ''] = found.split('\n');
    if (found !== '' && readCommandLine(Number(pid)) === command) {
      return { ok: false, holderPid: Number(pid) };
    }
    dropStale(path, found);
    await sleep(20);
  }
}

/** A link appears with its content or not at all, so nobody reads a lock without a holder. */
function createWithContent(path: string, content: string): boolean {
  const draft = `${path}.${process.pid}`;
  fs.writeFileSync(draft, content);
  try {
    fs.linkSync(draft, path);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  } finally {
    fs.rmSync(draft, { force: true });
  }
}

/** Two may find the same stale lock; the slower one puts back what it took by mistake. */
function dropStale(path: string, stale: string): void {
  const aside = `${path}.stale.${process.pid}`;
  try {
    fs.renameSync(path, aside);
    if (readText(aside) !== stale) fs.linkSync(aside, path);
  } catch {
    // Another one was quicker.
  }
  fs.rmSync(aside, { force: true });
}

function releaseLock(path: string, mine: string): void {
  if (readText(path) === mine) fs.rmSync(path, { force: true });
}

function readText(path: string): string {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
