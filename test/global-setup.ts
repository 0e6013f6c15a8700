import * as fs from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { migrate } from '../db/migrate.ts';
import { StartFailure } from '../sandbox/failure.ts';
import { type Guard, guardProcesses } from '../sandbox/guard.ts';
import { chooseHome } from '../sandbox/home.ts';
import { pickPort } from '../sandbox/ports.ts';
import { type RunningPostgres, startPostgres } from '../sandbox/postgres.ts';
import { removePostgresData } from '../sandbox/postgres-files.ts';
import type { Running } from '../sandbox/process.ts';
import { dropPostgresVariables, reachLoopbackDirectly } from '../sandbox/shell-settings.ts';
import { type RunningTemporal, startTemporal } from '../sandbox/temporal.ts';
import {
  CLI_REMEDY,
  describeMisses,
  resolveTemporalCli,
  resolveTestServer,
} from '../sandbox/temporal-binaries.ts';

type TestWorld = {
  readonly folder: string;
  readonly running: readonly Running[];
  readonly guard: Guard;
};

// Data that lives for one run need not survive a power cut; whole worlds share the connections.
const QUICK = [
  'fsync=off',
  'synchronous_commit=off',
  'full_page_writes=off',
  'max_wal_size=128MB',
  'max_connections=400',
];
/** Linux keeps files here in memory: a database for each test is made ten times as fast. */
const IN_MEMORY = '/dev/shm';
/** Several times what a run holds there at once; containers often have less. */
const ROOM_BYTES = 2 * 1024 ** 3;
const TEMPLATE = 'malipo_template';

let world: TestWorld | null = null;

/**
 * One PostgreSQL and one Temporal for the whole run, told to the tests by `MALIPO_TEST_*`. Nothing
 * is left behind when the run is interrupted or killed: a guard ends both and removes the folder.
 */
export default async function setUp(): Promise<void> {
  // The tests' own servers; whoever has a proxy or libpq's variables set has them for others.
  reachLoopbackDirectly(process.env);
  dropPostgresVariables(process.env);
  const folder = fs.mkdtempSync(join(hasRoomInMemory() ? IN_MEMORY : tmpdir(), 'malipo-test-'));
  // Root's PostgreSQL runs as another user, who must be able to walk in.
  fs.chmodSync(folder, 0o755);
  const early = guardProcesses({ pids: [], signal: 'SIGINT', folder });
  const [postgres, temporal] = await Promise.allSettled([
    startTestPostgres(folder),
    startTestTemporal(folder),
  ]);
  const running = [postgres, temporal].flatMap((part) =>
    part.status === 'fulfilled' ? [part.value] : [],
  );
  const pids = running.map((part) => part.pid);
  world = { folder, running, guard: guardProcesses({ pids, signal: 'SIGINT', folder }) };
  early.release();
  for (const part of [postgres, temporal]) {
    if (part.status === 'rejected') {
      await tearDown();
      throw part.reason;
    }
  }
}

/** Ends what {@link setUp} started. */
export async function tearDown(): Promise<void> {
  if (world === null) return;
  const { folder, running, guard } = world;
  world = null;
  await Promise.all(running.map((part) => part.stop()));
  removePostgresData(join(folder, 'postgres'));
  fs.rmSync(folder, { recursive: true, force: true });
  guard.release();
}

function hasRoomInMemory(): boolean {
  try {
    const { bavail, bsize } = fs.statfsSync(IN_MEMORY);
    return Math.min(bavail * bsize, freemem()) > ROOM_BYTES;
  } catch {
    return false;
  }
}

async function startTestPostgres(folder: string): Promise<RunningPostgres> {
  const { port } = await pickPort(0);
  const postgres = await startPostgres({
    dataDir: join(folder, 'postgres'),
    port,
    logPath: join(folder, 'postgres.log'),
    flags: QUICK,
  });
  await runAs(postgres.url, `CREATE DATABASE ${TEMPLATE}`);
  const url = new URL(postgres.url);
  url.pathname = TEMPLATE;
  await migrate(url.toString());
  await runAs(postgres.url, 'ALTER ROLE malipo_app LOGIN');
  process.env.MALIPO_TEST_DATABASE_URL = postgres.url;
  return postgres;
}

async function runAs(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(statement);
  await client.end();
}

async function startTestTemporal(folder: string): Promise<RunningTemporal> {
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const home = chooseHome(process.env);
  const [cli, testServer] = await Promise.all([
    resolveTemporalCli({ say, home }),
    resolveTestServer({ say, home }),
  ]);
  if (!cli.ok) {
    throw new StartFailure('Temporal', `no Temporal CLI:${describeMisses(cli)}`, CLI_REMEDY);
  }
  process.env.MALIPO_TEST_TEMPORAL_CLI = cli.path;
  if (testServer.ok) process.env.MALIPO_TEST_SERVER_PATH = testServer.path;
  // Without a path the Temporal SDK fetches a test server by itself, where the network allows it.
  else say(`No Temporal test server at hand:${describeMisses(testServer)}`);
  const temporal = await startTemporal({
    cliPath: cli.path,
    port: (await pickPort(0)).port,
    uiPort: null,
    dbPath: null,
    logPath: join(folder, 'temporal.log'),
    namespace: 'default',
  });
  process.env.MALIPO_TEST_TEMPORAL_ADDRESS = temporal.address;
  return temporal;
}
