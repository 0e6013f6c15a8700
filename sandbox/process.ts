import { type ChildProcess, type StdioOptions, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeError } from './failure.ts';

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

/** A process as `pids.json` remembers it: the pid alone may be somebody else's by then. */
export type ProcessRecord = { readonly pid: number; readonly command: string };

export type Launch = {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly logPath: string;
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** Opens a channel for messages; for Node programs only. */
  readonly hasChannel?: boolean;
};

export type Launched = {
  readonly pid: number;
  readonly command: string;
  readonly child: ChildProcess;
  /** Resolves once, when the process has ended; never rejects. */
  readonly exited: Promise<Exit>;
};

/** A running part of the world. */
export type Running = {
  readonly pid: number;
  readonly command: string;
  readonly exited: Promise<Exit>;
  /** Ends it in good order; safe to call twice and after it has died. */
  readonly stop: () => Promise<void>;
};

/**
 * Starts a program in its own process group (the terminal's Ctrl-C must not reach it before the
 * supervisor decides the order) with its output appended to a log file.
 */
export async function launch(options: Launch): Promise<Launched> {
  mkdirSync(dirname(options.logPath), { recursive: true });
  const log = openSync(options.logPath, 'a');
  try {
    const stdio: StdioOptions = options.hasChannel
      ? ['ignore', log, log, 'ipc']
      : ['ignore', log, log];
    const child = spawn(options.command, [...options.args], {
      cwd: options.cwd,
      env: options.env,
      detached: true,
      stdio,
      ...options.user,
    });
    const exited = new Promise<Exit>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    // Later errors (a channel closed by a kill -9) show as an exit.
    child.on('error', () => undefined);
    const command = [options.command, ...options.args].join(' ');
    return { pid: child.pid ?? 0, command, child, exited };
  } finally {
    closeSync(log);
  }
}

export type EndStep = { readonly signal: NodeJS.Signals; readonly waitMs: number };

/** Sends one signal after the other until the process has exited. */
export async function endProcess(
  pid: number,
  exited: Promise<unknown>,
  steps: readonly EndStep[],
): Promise<void> {
  let isOver = false;
  const end = exited.then(() => {
    isOver = true;
  });
  for (const step of [...steps, { signal: 'SIGKILL', waitMs: 5_000 } as const]) {
    // One turn, so that an exit already seen is not followed by a signal to a stranger's pid.
    await Promise.race([end, sleep(0)]);
    if (isOver) return;
    sendSignal(pid, step.signal);
    await raceWithTimeout(end, step.waitMs);
  }
}

/** Ends a process that an earlier run left behind, if it is still the one recorded. */
export async function endRecorded(record: ProcessRecord, signal: NodeJS.Signals): Promise<boolean> {
  if (readCommandLine(record.pid) !== record.command) return false;
  const deadline = Date.now() + 10_000;
  sendSignal(record.pid, signal);
  while (readCommandLine(record.pid) === record.command) {
    if (Date.now() > deadline) sendSignal(record.pid, 'SIGKILL');
    await sleep(20);
  }
  return true;
}

/** The command line of a live process, or null; a process that waits to be reaped is not live. */
export function readCommandLine(pid: number): string | null {
  if (!Number.isInteger(pid) || pid <= 0) return null;
  try {
    if (process.platform === 'linux') {
      const text = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return text.replace(/\0$/, '').replaceAll('\0', ' ') || null;
    }
    const found = spawnSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], {
      encoding: 'utf8',
    });
    return found.stdout.trim() || null;
  } catch {
    return null;
  }
}

/** Sends a signal; a process that is gone is no error. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** The last lines of a log, for the message that says why something did not start. */
export function readLogTail(path: string, lines = 25): string {
  try {
    return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return '';
  }
}

/** True when the promise settled within the time. */
export async function raceWithTimeout(work: Promise<unknown>, limitMs: number): Promise<boolean> {
  const timer = new AbortController();
  const isLate = sleep(limitMs, false, { signal: timer.signal }).catch(() => false);
  const isInTime = await Promise.race([work.then(() => true), isLate]);
  timer.abort();
  return isInTime;
}

/**
 * Asks a program again and again until it is ready, it has ended, or the time is up.
 * @param ask null when it is ready, else why not; may throw for the same.
 * @returns null when it is ready, else why it is not.
 */
export async function waitUntilReady(
  { exited }: Pick<Launched, 'exited'>,
  limitMs: number,
  ask: () => Promise<string | null>,
): Promise<string | null> {
  let ended: string | null = null;
  void exited.then(({ code, signal }) => {
    ended = `it ended at once (${signal ?? `exit code ${code}`})`;
  });
  const deadline = Date.now() + limitMs;
  let reason: string | null = '';
  while (Date.now() < deadline) {
    if (ended !== null) return ended;
    reason = await ask().catch(describeError);
    if (reason === null) return null;
    await sleep(READY_PAUSE_MS);
  }
  return `no answer in ${limitMs / 1000} s (${reason})`;
}

const READY_PAUSE_MS = 30;
