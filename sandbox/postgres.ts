import * as fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { StartFailure } from './failure.ts';
import { guardProcesses } from './guard.ts';
import {
  initializeCluster,
  OWN_DATABASE,
  type PostgresFiles,
  preparePostgresFiles,
} from './postgres-files.ts';
import {
  endProcess,
  endRecorded,
  type Launched,
  launch,
  type ProcessRecord,
  type Running,
  readCommandLine,
  readLogTail,
  waitUntilReady,
} from './process.ts';
import { findRemedy } from './remedies.ts';

export type PostgresOptions = {
  readonly dataDir: string;
  readonly port: number;
  readonly logPath: string;
  /** Server settings as `name=value`, such as `fsync=off`. */
  readonly flags?: readonly string[];
  /** Told the process as soon as it exists, long before it is ready. */
  readonly onSpawn?: (record: ProcessRecord) => void;
  /** Told where the files lie when that is not where they were asked to be. */
  readonly say?: (line: string) => void;
};

export type RunningPostgres = Running & {
  /** Superuser `malipo`, database `postgres`. */
  readonly url: string;
  readonly port: number;
};

const READY_LIMIT_MS = 30_000;
// After kill -9 of the postmaster its backends need a moment to notice and let go of the memory.
const STARTS = 5;
const SETTINGS = [
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
  'max_connections=100',
  'timezone=UTC',
  'log_timezone=UTC',
  'password_encryption=scram-sha-256',
];

/**
 * Starts PostgreSQL on a data folder, which is made when missing. It listens on 127.0.0.1 only and
 * trusts whoever connects. A postmaster that still runs on the folder is stopped first.
 * @throws StartFailure with the log's last lines.
 */
export async function startPostgres(options: PostgresOptions): Promise<RunningPostgres> {
  const files = preparePostgresFiles(options.dataDir);
  if (files.note !== null) options.say?.(files.note);
  initializeCluster(files);
  await endFormerPostmaster(files.dataDir);
  for (let start = 1; ; start += 1) {
    const postmaster = await launchPostmaster(files, options);
    const reason = await waitUntilReady(postmaster, READY_LIMIT_MS, () =>
      askWhose(options.port, files.dataDir),
    );
    if (reason === null) return present(postmaster, options.port);
    await end(postmaster);
    const log = readLogTail(options.logPath);
    if (start < STARTS && /shared memory block .* is still in use/.test(log)) await sleep(500);
    else throw explain(`${reason}\n${log}`, options.logPath);
  }
}

async function launchPostmaster(files: PostgresFiles, options: PostgresOptions): Promise<Launched> {
  const settings = [...SETTINGS, `port=${options.port}`, ...(options.flags ?? [])];
  const postmaster = await launch({
    command: join(files.binDir, 'postgres'),
    args: ['-D', files.dataDir, ...settings.flatMap((setting) => ['-c', setting])],
    cwd: files.dataDir,
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
    logPath: options.logPath,
    user: files.user,
  });
  options.onSpawn?.({ pid: postmaster.pid, command: postmaster.command });
  const guard = guardProcesses({ pids: [postmaster.pid], signal: 'SIGINT' });
  void postmaster.exited.then(() => guard.release());
  return postmaster;
}

function present(postmaster: Launched, port: number): RunningPostgres {
  return {
    url: makeUrl(port),
    port,
    pid: postmaster.pid,
    command: postmaster.command,
    exited: postmaster.exited,
    stop: () => end(postmaster),
  };
}

/** SIGINT is PostgreSQL's fast shutdown: clients are cut off, nothing is lost. */
function end({ pid, exited }: Launched): Promise<void> {
  return endProcess(pid, exited, [
    { signal: 'SIGINT', waitMs: 10_000 },
    { signal: 'SIGQUIT', waitMs: 5_000 },
  ]);
}

/** Null when the server on this port is ours. @throws while it does not answer. */
async function askWhose(port: number, dataDir: string): Promise<string | null> {
  const answering = await askForDataDir(port);
  if (fs.realpathSync(answering) === fs.realpathSync(dataDir)) return null;
  // Ours is failing to bind the port, and will say so.
  return `port ${port} belongs to the server of ${answering}`;
}

async function askForDataDir(port: number): Promise<string> {
  const client = new pg.Client({ connectionString: makeUrl(port), connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
    return rows[0]?.data_directory ?? '';
  } finally {
    await client.end();
  }
}

/** PostgreSQL refuses when a stale postmaster.pid names what is another live process by now. */
async function endFormerPostmaster(dataDir: string): Promise<void> {
  const path = join(dataDir, 'postmaster.pid');
  if (!fs.existsSync(path)) return;
  const pid = Number(fs.readFileSync(path, 'utf8').split('\n')[0]);
  const command = readCommandLine(pid);
  if (command?.includes(`postgres -D ${dataDir} `)) await endRecorded({ pid, command }, 'SIGINT');
  fs.rmSync(path, { force: true });
}

function makeUrl(port: number): string {
  return `postgres://malipo@127.0.0.1:${port}/postgres`;
}

function explain(reason: string, logPath: string): StartFailure {
  return new StartFailure(
    'PostgreSQL',
    reason,
    findRemedy(reason, `read ${logPath}; or ${OWN_DATABASE}`),
  );
}
