import { spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

export type GuardOptions = {
  readonly pids: readonly number[];
  readonly signal: NodeJS.Signals;
  /** A temporary folder to remove once the processes have ended. */
  readonly folder?: string;
};

export type Guard = { readonly release: () => void };

const SCRIPT = fileURLToPath(new URL('./guard.sh', import.meta.url));

/**
 * Watches over processes that cannot notice by themselves that we are gone (PostgreSQL, Temporal):
 * a small shell in its own session that ends them when this process dies, however it dies.
 */
export function guardProcesses(options: GuardOptions): Guard {
  const name = options.signal.replace(/^SIG/, '');
  const pids = options.pids.map(String);
  const shell = spawn('/bin/sh', [SCRIPT, name, options.folder ?? '', ...pids], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  shell.on('error', () => undefined);
  shell.stdin.on('error', () => undefined);
  shell.unref();
  if (shell.stdin instanceof Socket) shell.stdin.unref();
  return {
    release: () => {
      shell.stdin.end('released\n');
    },
  };
}
