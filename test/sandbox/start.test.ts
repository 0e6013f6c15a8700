import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { SandboxDetails } from '../../sandbox/details.ts';
import { removePostgresData } from '../../sandbox/postgres-files.ts';
import { until } from './folder.ts';

/** `npm start` as a person runs it: what it prints, what it leaves, and that it comes back. */
const START = fileURLToPath(new URL('../../sandbox/start.ts', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

// Nobody listens there, so whatever goes by way of it is lost.
const DEAD = 'http://127.0.0.1:9';
const PROXIES = ['http_proxy', 'https_proxy', 'grpc_proxy', 'all_proxy'];

/** What a shell may hold for other servers, or for other work; each broke a start once. */
const ODD_SHELL = {
  ...Object.fromEntries(
    PROXIES.flatMap((name) => [
      [name, DEAD],
      [name.toUpperCase(), DEAD],
    ]),
  ),
  // The tests' own shell has exceptions already.
  no_proxy: undefined,
  NO_PROXY: undefined,
  NODE_USE_ENV_PROXY: '1',
  NODE_PG_FORCE_NATIVE: '1',
  PGHOST: '192.0.2.1',
  PGPORT: '9',
  PGUSER: 'somebody',
  PGDATABASE: 'elsewhere',
  PGPASSWORD: 'secret',
  PGPASSFILE: '/sys/none',
  PGSERVICE: 'elsewhere',
  PGSSLMODE: 'verify-full',
  PGSSLCERT: '/sys/none',
  PGOPTIONS: '-c search_path=foo',
  PGCLIENTENCODING: 'LATIN1',
  PGAPPNAME: 'elsewhere',
  PGTZ: 'Asia/Kathmandu',
  NODE_ENV: 'production',
  npm_config_omit: 'dev optional',
  // A user without a home folder.
  HOME: '/sys/none',
  TZ: 'Asia/Kathmandu',
  LC_ALL: 'tr_TR.UTF-8',
  TEMPORAL_CLI_PATH: process.env.MALIPO_TEST_TEMPORAL_CLI,
};

type Started = {
  readonly child: ChildProcess;
  readonly printed: () => string;
  readonly said: () => string;
};

let folder: string;
let home: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'malipo-start-'));
  chmodSync(folder, 0o755);
  home = join(folder, 'home');
});
afterAll(() => {
  removePostgresData(join(home, 'postgres'));
  rmSync(folder, { recursive: true, force: true });
});

/** What a failed test leaves running must not outlive it. */
const running: ChildProcess[] = [];
afterEach(() => {
  for (const child of running.splice(0)) if (child.exitCode === null) child.kill('SIGTERM');
});

const HARDENED = ['-c', 'umask 077; exec "$@"', 'sh', process.execPath, START] as const;

function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Started {
  return run(process.execPath, [START, ...args], env);
}

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Started {
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { ...process.env, MALIPO_HOME: home, NODE_OPTIONS: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.push(child);
  const texts = { printed: '', said: '' };
  child.stdout.on('data', (data: Buffer) => {
    texts.printed += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    texts.said += data.toString();
  });
  return { child, printed: () => texts.printed, said: () => texts.said };
}

/** Two minutes: on a busy machine a first start installs, lays out PostgreSQL and loads it all. */
async function untilPrinted({ child, printed, said }: Started, text: string): Promise<void> {
  for (let tries = 0; tries < 1200; tries += 1) {
    if (printed().includes(text)) return;
    if (child.exitCode !== null) break;
    await sleep(100);
  }
  throw new Error(`it did not print ${text}: ${printed()}\n${said()}`);
}

/** Ctrl-C, and what is left after it: no process and no port. */
async function endBySignal({ child, said }: Started, details: SandboxDetails): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGINT');
  const [code] = await ended;
  expect([code, said()]).toEqual([130, expect.stringContaining('Ended; the data is kept')]);
  const alive = Object.entries(details.pids).filter(([, pid]) => isAlive(pid));
  expect(alive).toEqual([]);
  for (const address of addressesOf(details)) {
    expect([address, await isOpen(new URL(address))]).toEqual([address, false]);
  }
}

/** All that is listened at. */
function addressesOf(details: SandboxDetails): readonly string[] {
  const { api_url, database_url, temporal_address, temporal_ui_url } = details;
  const simulators = Object.values(details.simulators).map(({ url = '' }) => url);
  const metrics = Object.values(details.metrics_urls);
  const temporal = [`tcp://${temporal_address}`, temporal_ui_url ?? ''];
  return [api_url, database_url, ...temporal, ...simulators, ...metrics];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function isOpen({ hostname, port }: URL): Promise<boolean> {
  const socket = connect(Number(port), hostname);
  const tell = (answer: boolean) => {
    socket.destroy();
    return answer;
  };
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(tell(true)));
    socket.once('error', () => resolve(tell(false)));
  });
}

const pay = async ({ api_url, api_key }: SandboxDetails) => {
  const answer = await fetch(`${api_url}/api/v1/payments`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${api_key}`,
      'idempotency-key': 'first-1',
      'content-type': 'application/json',
    },
    body: JSON.stringify({ provider: 'cpay', amount: 10_000, currency: 'KES' }),
  });
  const body: { readonly id: string } = JSON.parse(await answer.text());
  return { status: answer.status, id: body.id };
};

async function show({ api_url, api_key }: SandboxDetails, path: string) {
  const headers = { authorization: `Bearer ${api_key}` };
  const answer = await fetch(`${api_url}/api/v1/payments${path}`, { headers });
  const { workflow: _newPorts, ...shown } = JSON.parse(await answer.text());
  return { status: answer.status, shown };
}

/** What a shell has after `. .malipo/env`. */
function readEnvFile(path: string): readonly string[] {
  const script = '. "$1"; echo "$MALIPO_URL $MALIPO_KEY $no_proxy"';
  const env = { PATH: process.env.PATH ?? '' };
  const printed = execFileSync('/bin/sh', ['-ec', script, 'sh', path], { env });
  return printed.toString().trim().split(' ');
}

/** `--json` beside one that runs, or is about to, on the same folder. */
async function askRunning(...args: readonly string[]) {
  const asking = start(['--json', ...args]);
  const [code] = await once(asking.child, 'close');
  return { code, printed: asking.printed(), said: asking.said() };
}

/** A port that somebody has: this test, or another program that came first. */
async function occupy(port: number): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.once('error', () => resolve());
    server.listen(port, '127.0.0.1', resolve);
  });
  return server;
}

test('it prints one document, replaces a taken port, keeps the data, leaves nothing', async () => {
  const taken = await occupy(8080);
  const first = run('/bin/sh', [...HARDENED, '--json']);
  await until(() => existsSync(join(home, 'lock')), Boolean, 60_000);
  const meanwhile = askRunning();
  await untilPrinted(first, '\n}\n');
  const details: SandboxDetails = JSON.parse(first.printed());
  expect(await meanwhile).toEqual({ code: 0, printed: first.printed(), said: '' });
  const { port } = new URL(details.api_url);
  const asks = [['--port', port], ['--port', '8080'], ['--reset'], ['--handset', 'auto']];
  const [same, ...others] = await Promise.all(asks.map((args) => askRunning(...args)));
  expect(same).toMatchObject({ code: 0, printed: first.printed() });
  const said = expect.stringMatching(/another one runs on .*\n.*npm start -- --json/);
  expect(others).toEqual(others.map(() => ({ code: 1, printed: '', said })));
  const env = join(home, 'env');
  expect([details.env_file, statSync(env).mode & 0o777]).toEqual([env, 0o600]);
  expect(readEnvFile(env)).toEqual([details.api_url, details.api_key]);
  expect(JSON.parse(readFileSync(join(home, 'sandbox.json'), 'utf8'))).toEqual(details);
  expect(details).toMatchObject({
    api_key: expect.stringMatching(/^sk_test_/),
    temporal_namespace: 'default',
    temporal_ui_url: expect.stringMatching(/^http:/),
    simulators: { mpesa: { url: expect.any(String), handset_url: expect.any(String) } },
  });
  expect(Object.keys(details.pids)).toEqual(
    expect.arrayContaining(['supervisor', 'postgres', 'temporal', 'worker', 'api']),
  );
  expect(new URL(details.api_url).port).not.toBe('8080');
  expect(first.said()).toContain('Port 8080 is taken');
  taken.close();
  const paid = await pay(details);
  expect(paid.status).toBe(201);
  expect((await fetch(details.temporal_ui_url ?? '')).status).toBe(200);
  for (const address of addressesOf(details)) {
    expect([address, await isOpen(new URL(address))]).toEqual([address, true]);
  }
  const before = await show(details, `/${paid.id}`);
  expect(before).toMatchObject({ status: 200, shown: { status: 'succeeded' } });
  await endBySignal(first, details);
  expect([existsSync(env), existsSync(join(home, 'sandbox.json'))]).toEqual([false, false]);

  // The signal goes to npm alone, as by `kill`; Ctrl-C would reach all of them.
  const second = run('npm', ['start'], ODD_SHELL);
  await untilPrinted(second, 'Ctrl-C ends it all.');
  const again: SandboxDetails = JSON.parse(readFileSync(join(home, 'sandbox.json'), 'utf8'));
  // Where it was before, unless somebody took that meanwhile: not where the usual port is free.
  const isAsBefore = again.api_url === details.api_url;
  expect(isAsBefore || second.said().includes(`Port ${port} is taken`)).toBe(true);
  expect(second.printed()).toContain(again.api_key);
  expect(second.printed()).toContain(`. ${env} `);
  expect(readEnvFile(env)).toEqual([again.api_url, again.api_key, expect.stringMatching(/127/)]);
  expect(second.printed()).toContain('curl -s --noproxy 127.0.0.1 http');
  expect(await show(again, `/${paid.id}`)).toEqual(before);
  expect(await pay(again)).toEqual({ status: 200, id: paid.id });
  expect((await show(again, '')).shown.data).toMatchObject([{ id: paid.id }]);
  await endBySignal(second, again);
  // Two starts of up to two minutes, and their ends.
}, 300_000);

test.each([
  [['--handset', 'robot'], '--handset robot is unknown'],
  [['--port', 'eighty'], '--port eighty is no port'],
  [['--jsn'], 'Unknown option'],
])('%j is refused with the usage', async (args, reason) => {
  const refused = start(args);
  const [code] = await once(refused.child, 'exit');
  expect([code, refused.said(), refused.printed()]).toEqual([
    2,
    expect.stringMatching(new RegExp(`${reason}[\\s\\S]*Usage: npm start`)),
    '',
  ]);
});

test('--help prints the options and starts nothing', async () => {
  const asked = start(['--help']);
  const [code] = await once(asked.child, 'close');
  expect([code, asked.said()]).toEqual([0, '']);
  expect(asked.printed()).toMatch(/^Usage: npm start[\s\S]*--reset/);
});

test('a port that was asked for and is taken is refused, naming who has it', async () => {
  const taken = await occupy(0);
  const { port } = taken.address() as AddressInfo;
  const refused = start(['--port', String(port)], { MALIPO_HOME: join(folder, 'refused') });
  const [code] = await once(refused.child, 'close');
  taken.close();
  const who = process.platform === 'linux' ? ` by process ${process.pid} ` : '';
  expect([code, refused.said()]).toEqual([
    1,
    expect.stringContaining(`port ${port} is taken${who}`),
  ]);
  expect(refused.said()).toContain('leave out --port');
});

test.each([
  ['under a file', () => join(folder, 'file', 'home')],
  ['where nothing can be made', () => '/sys/malipo'],
])('a home %s is a failure that names MALIPO_HOME, not a stack', async (_, place) => {
  writeFileSync(join(folder, 'file'), '');
  const refused = start([], { MALIPO_HOME: place() });
  const [code] = await once(refused.child, 'close');
  expect([code, refused.said()]).toEqual([
    1,
    expect.stringContaining('set MALIPO_HOME to a folder'),
  ]);
  expect(refused.said()).not.toMatch(/^ +at /m);
});
