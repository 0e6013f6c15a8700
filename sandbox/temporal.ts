import * as fs from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { Connection } from '@temporalio/client';
import { channelArgsOf } from '../config/temporal.ts';
import { StartFailure } from './failure.ts';
import { guardProcesses } from './guard.ts';
import { pickPort } from './ports.ts';
import {
  endProcess,
  type Launched,
  launch,
  type ProcessRecord,
  type Running,
  readLogTail,
  waitUntilReady,
} from './process.ts';
import { findRemedy } from './remedies.ts';

export type TemporalOptions = {
  readonly cliPath: string;
  readonly port: number;
  /** null: no Web UI. */
  readonly uiPort: number | null;
  /** null: everything in memory, gone at the end. */
  readonly dbPath: string | null;
  readonly logPath: string;
  readonly namespace: string;
  readonly onSpawn?: (record: ProcessRecord) => void;
};

export type RunningTemporal = Running & {
  readonly address: string;
  readonly uiUrl: string | null;
  readonly namespace: string;
};

const READY_LIMIT_MS = 60_000;

/**
 * Starts Temporal's dev server on 127.0.0.1 and waits until it answers and has the namespace.
 * @throws StartFailure with the log's last lines.
 */
export async function startTemporal(options: TemporalOptions): Promise<RunningTemporal> {
  // Another server on the port would answer in the place of ours.
  if ((await pickPort(options.port)).wasTaken) {
    const remedy = 'end the program that listens there, or choose another port';
    throw new StartFailure('Temporal', `port ${options.port} is taken`, remedy);
  }
  if (options.dbPath !== null) fs.mkdirSync(dirname(options.dbPath), { recursive: true });
  const server = await launch({
    command: options.cliPath,
    args: await listArguments(options),
    cwd: '/',
    env: { PATH: process.env.PATH, HOME: process.env.HOME },
    logPath: options.logPath,
  });
  options.onSpawn?.({ pid: server.pid, command: server.command });
  const guard = guardProcesses({ pids: [server.pid], signal: 'SIGTERM' });
  void server.exited.then(() => guard.release());
  const address = `127.0.0.1:${options.port}`;
  const reason = await waitUntilReady(server, READY_LIMIT_MS, async () => {
    await askForNamespace(address, options.namespace);
    return null;
  });
  if (reason !== null) {
    await end(server);
    const told = `${reason}\n${readLogTail(options.logPath)}`;
    const harmless = `read ${options.logPath}; or set TEMPORAL_ADDRESS to a server of your own`;
    throw new StartFailure('Temporal', told, findRemedy(told, harmless));
  }
  return {
    address,
    uiUrl: options.uiPort === null ? null : `http://127.0.0.1:${options.uiPort}`,
    namespace: options.namespace,
    pid: server.pid,
    command: server.command,
    exited: server.exited,
    stop: () => end(server),
  };
}

async function listArguments(options: TemporalOptions): Promise<string[]> {
  const metrics = await pickPort(0);
  const ui =
    options.uiPort === null
      ? [['--headless']]
      : [
          ['--ui-ip', '127.0.0.1'],
          ['--ui-port', String(options.uiPort)],
          ['--ui-disable-news-fetch'],
        ];
  // A file is twice as slow without the write-ahead log, and no safer.
  const file =
    options.dbPath === null
      ? []
      : [
          ['--db-filename', options.dbPath],
          ['--sqlite-pragma', 'journal_mode=wal'],
          ['--sqlite-pragma', 'synchronous=normal'],
        ];
  return [
    ['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(options.port)],
    ['--namespace', options.namespace, '--log-level', 'error'],
    ['--metrics-port', String(metrics.port)],
    // By default each workflow task waits for a tick of 50 ms.
    ['--dynamic-config-value', 'history.transferProcessorMaxPollRPS=500'],
    // Merchants take turns, over the whole queue; see docs/deployment.md, section 2.
    ['--dynamic-config-value', 'matching.enableFairness=true'],
    ['--dynamic-config-value', 'matching.numTaskqueueReadPartitions=1'],
    ['--dynamic-config-value', 'matching.numTaskqueueWritePartitions=1'],
    ...ui,
    ...file,
  ].flat();
}

/** SQLite must be closed before the next server opens it, so the exit is awaited. */
function end({ pid, exited }: Launched): Promise<void> {
  return endProcess(pid, exited, [{ signal: 'SIGTERM', waitMs: 10_000 }]);
}

/** Rejects unless the server answers and knows the namespace. */
async function askForNamespace(address: string, namespace: string): Promise<void> {
  // A refused first try makes gRPC back off for a second; a plain socket does not.
  await knock(address);
  const options = { address, channelArgs: channelArgsOf(address), connectTimeout: 3_000 };
  const connection = await Connection.connect(options);
  try {
    await connection.ensureConnected();
    await connection.withDeadline(Date.now() + 3_000, () =>
      connection.workflowService.describeNamespace({ namespace }),
    );
  } finally {
    await connection.close();
  }
}

/** Rejects unless something listens at the address (`host:port`). */
export function knock(address: string): Promise<void> {
  const { hostname, port } = new URL(`tcp://${address}`);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), timeout: 2_000 });
    socket.once('error', reject);
    socket.once('timeout', () => socket.destroy(new Error('no answer')));
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
  });
}
