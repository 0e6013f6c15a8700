import { type ChildProcess, spawn } from 'node:child_process';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');

export type Ended = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
};
export type RunningScript = { readonly child: ChildProcess; readonly ended: Promise<Ended> };

/** Variables of ours that the machine may have set for itself. */
const isOurs = (name: string) => name === 'DATABASE_URL' || name.startsWith('MALIPO_');

/** Runs a script as a person does, in a process of its own that knows only this environment. */
export function startScript(
  file: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): RunningScript {
  const others = Object.entries(process.env).filter(([name]) => !isOurs(name));
  const child = spawn(process.execPath, [join(ROOT, 'scripts', file), ...args], {
    env: { ...Object.fromEntries(others), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (part) => {
    stdout += part;
  });
  child.stderr.on('data', (part) => {
    stderr += part;
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, ended };
}

/** The same, to its end. */
export function runScript(...given: Parameters<typeof startScript>): Promise<Ended> {
  return startScript(...given).ended;
}
