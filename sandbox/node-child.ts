import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describeError, StartFailure } from './failure.ts';
import {
  endProcess,
  type Launched,
  launch,
  type ProcessRecord,
  type Running,
  raceWithTimeout,
  readLogTail,
} from './process.ts';

export type NodeChildOptions = {
  /** What people call it. */
  readonly title: string;
  /** The program's file, from the repository's root or absolute. */
  readonly file: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logPath: string;
  readonly readyLimitMs: number;
  /** Must answer 200 before the child counts as ready. */
  readonly healthUrl?: string;
  readonly onSpawn?: (record: ProcessRecord) => void;
};

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** The longest that one of ours takes to end in good order is less. */
export const STOP_LIMIT_MS = 45_000;
const HANG_UP_MS = 250;

/**
 * Starts one of our own programs. It says `{type: 'ready'}` on its channel when it is, ends on
 * SIGTERM, and ends by itself when the channel closes because we are gone.
 * @throws StartFailure with the log's last lines.
 */
export async function startNodeChild(options: NodeChildOptions): Promise<Running> {
  const launched = await launch({
    command: process.execPath,
    args: [options.file],
    cwd: ROOT,
    env: { ...process.env, ...options.env },
    logPath: options.logPath,
    hasChannel: true,
  });
  options.onSpawn?.({ pid: launched.pid, command: launched.command });
  const stop = () => endChild(launched);
  const reason = await waitUntilReady(launched, options);
  if (reason === null) {
    return { pid: launched.pid, command: launched.command, exited: launched.exited, stop };
  }
  await stop();
  const tail = readLogTail(options.logPath);
  throw new StartFailure(options.title, `${reason}\n${tail}`, `read ${options.logPath}`);
}

/** A program that listens to its channel cannot run to its end while the channel is open. */
async function endChild({ child, pid, exited }: Launched): Promise<void> {
  const hangUp = setTimeout(() => {
    if (child.connected) child.disconnect();
  }, HANG_UP_MS);
  await endProcess(pid, exited, [{ signal: 'SIGTERM', waitMs: STOP_LIMIT_MS }]);
  clearTimeout(hangUp);
}

/** Null when it is ready, else why it is not. */
async function waitUntilReady(child: Launched, options: NodeChildOptions): Promise<string | null> {
  const abort = new AbortController();
  let reason = 'it did not say that it is ready';
  const ready = (async () => {
    await hearReady(child, abort.signal);
    if (options.healthUrl === undefined) return null;
    while (!abort.signal.aborted) {
      const fault = await findHealthFault(options.healthUrl, abort.signal);
      if (fault === null) return null;
      reason = fault;
      await sleep(50);
    }
    return reason;
  })();
  const ended = child.exited.then(
    ({ code, signal }) => `it ended at once (${signal ?? `exit code ${code}`})`,
  );
  const outcome = Promise.race([ready, ended]);
  const isInTime = await raceWithTimeout(outcome, options.readyLimitMs);
  abort.abort();
  return isInTime ? outcome : `${reason} within ${options.readyLimitMs / 1000} s`;
}

function hearReady({ child }: Launched, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      child.off('message', hear);
      resolve();
    };
    const hear = (message: unknown) => {
      const isReady =
        typeof message === 'object' &&
        message !== null &&
        'type' in message &&
        message.type === 'ready';
      if (isReady) finish();
    };
    child.on('message', hear);
    signal.addEventListener('abort', finish, { once: true });
  });
}

async function findHealthFault(url: string, signal: AbortSignal): Promise<string | null> {
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(2_000)]);
    const answer = await fetch(url, { signal: limit });
    const text = await answer.text();
    return answer.status === 200 ? null : `${url} answers ${answer.status}: ${text.slice(0, 300)}`;
  } catch (error) {
    return `${url} does not answer: ${describeError(error)}`;
  }
}
