import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { pickPort } from '../../sandbox/ports.ts';
import { type RunningPostgres, startPostgres } from '../../sandbox/postgres.ts';
import { readCommandLine, sendSignal } from '../../sandbox/process.ts';
import { makeFolder, removeFolder } from './folder.ts';

let folder: string;
const running: RunningPostgres[] = [];

beforeEach(() => {
  folder = makeFolder();
});

afterEach(async () => {
  for (const postgres of running.splice(0)) await postgres.stop();
  removeFolder(folder);
});

/** On a port of its own each time: what one leaves, any other program of the machine may take. */
async function start(options: { flags?: string[] } = {}): Promise<RunningPostgres> {
  const dataDir = join(folder, 'data');
  const logPath = join(folder, 'postgres.log');
  const flags = ['fsync=off', ...(options.flags ?? [])];
  const { port } = await pickPort(0);
  const postgres = await startPostgres({ dataDir, port, logPath, flags });
  running.push(postgres);
  return postgres;
}

async function ask(url: string, sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query({ text: sql, rowMode: 'array' })).rows.flat();
  } finally {
    await client.end();
  }
}

const SETTINGS = `SELECT current_user, current_setting('server_encoding'),
  current_setting('lc_collate', true), current_setting('TimeZone')`;

test('it answers as malipo in UTF-8 and UTC, and keeps its data over a restart', async () => {
  const first = await start();
  expect(await ask(first.url, SETTINGS)).toEqual(['malipo', 'UTF8', null, 'UTC']);
  await ask(first.url, 'CREATE TABLE kept AS SELECT 7 AS value');
  await first.stop();
  expect(readCommandLine(first.pid)).toBeNull();
  const second = await start();
  expect(await ask(second.url, 'SELECT value FROM kept')).toEqual([7]);
});

test('it listens on the loopback address only, on no socket file', async () => {
  const { url } = await start();
  expect(await ask(url, 'SHOW listen_addresses')).toEqual(['127.0.0.1']);
  expect(await ask(url, 'SHOW unix_socket_directories')).toEqual(['']);
});

test('stopping is quick with a client connected, and a second stop is no error', async () => {
  const postgres = await start();
  const client = new pg.Client({ connectionString: postgres.url });
  client.on('error', () => undefined);
  await client.connect();
  const startedMs = performance.now();
  await postgres.stop();
  expect(performance.now() - startedMs).toBeLessThan(9_000);
  await postgres.stop();
});

test('after kill -9 of the postmaster it starts again with what was committed', async () => {
  const first = await start();
  await ask(first.url, 'CREATE TABLE kept AS SELECT 7 AS value');
  sendSignal(first.pid, 'SIGKILL');
  await first.exited;
  const second = await start();
  expect(await ask(second.url, 'SELECT value FROM kept')).toEqual([7]);
});

test('a postmaster.pid that names another live process is no obstacle', async () => {
  const first = await start();
  const path = join(folder, 'data', 'postmaster.pid');
  const lines = fs.readFileSync(path, 'utf8').split('\n');
  await first.stop();
  // PostgreSQL sees only processes of its own user, which root's is not.
  const { uid, gid } = fs.statSync(join(folder, 'data'));
  const isRoot = process.getuid?.() === 0;
  const other = spawn('sleep', ['300'], { cwd: '/', ...(isRoot ? { uid, gid } : {}) });
  try {
    fs.writeFileSync(path, [String(other.pid), ...lines.slice(1)].join('\n'));
    const second = await start();
    expect(await ask(second.url, 'SELECT 1')).toEqual([1]);
    expect(other.exitCode).toBeNull();
  } finally {
    other.kill();
  }
});

test('a postmaster still running on the folder is stopped first', async () => {
  const first = await start();
  const second = await start();
  await first.exited;
  expect(second.pid).not.toBe(first.pid);
  expect(await ask(second.url, 'SELECT 1')).toEqual([1]);
});

test('a cluster whose making was interrupted is made anew', async () => {
  fs.mkdirSync(join(folder, 'data.new', 'base'), { recursive: true });
  const { url } = await start();
  expect(await ask(url, 'SELECT 1')).toEqual([1]);
});

test('when it cannot start, the error says why, with the log and what mends it', async () => {
  await expect(start({ flags: ['work_mem=lots'] })).rejects.toMatchObject({
    part: 'PostgreSQL',
    reason: expect.stringMatching(/ended at once[\s\S]*invalid value for parameter "work_mem"/),
    remedy: expect.stringContaining('DATABASE_URL'),
  });
});

test('a taken port is an error in time, not another server taken for ours', async () => {
  const first = await start();
  const dataDir = join(folder, 'other');
  const logPath = join(folder, 'other.log');
  await expect(startPostgres({ dataDir, port: first.port, logPath })).rejects.toMatchObject({
    reason: expect.stringContaining('Address already in use'),
  });
});
