import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { PROVIDER_NAMES } from '../../providers/index.ts';
import { pickPort } from '../../sandbox/ports.ts';
import { type RunningPostgres, startPostgres } from '../../sandbox/postgres.ts';
import { removePostgresData } from '../../sandbox/postgres-files.ts';
import { listCredentials, loadSimulator } from '../../sandbox/simulators.ts';
import { temporalAddress } from '../temporal.ts';
import { until } from '../until.ts';

/** What docs/deployment.md says is done, word by word, on bare servers. */
const ROOT = resolve(import.meta.dirname, '../..');
const GUIDE = fs.readFileSync(join(ROOT, 'docs/deployment.md'), 'utf8');
const ROOMS = 'domain config db providers workflows temporal activities api worker scripts sandbox';
const TREE = [...ROOMS.split(' '), 'package.json', 'package-lock.json', '.env.example', '.npmrc'];

type Block = { readonly kind: 'sql' | 'sh' | 'background'; readonly text: string };

function readBlocks(): readonly Block[] {
  const found = GUIDE.matchAll(/^```(sql|sh) test( background)?\n([\s\S]*?)^```$/gm);
  return [...found].map(([, language, background, text = '']) => ({
    kind: background !== undefined ? 'background' : language === 'sql' ? 'sql' : 'sh',
    text,
  }));
}

/** A checkout of its own, so that its .env is nobody else's. */
let folder: string;
let postgres: RunningPostgres;
const running: ChildProcess[] = [];

beforeAll(async () => {
  folder = fs.mkdtempSync(join(tmpdir(), 'malipo-guide-'));
  fs.chmodSync(folder, 0o755);
  for (const name of TREE) fs.cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  fs.symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  fs.mkdirSync(join(folder, 'bin'));
  const cli = process.env.MALIPO_TEST_TEMPORAL_CLI ?? '';
  fs.symlinkSync(cli, join(folder, 'bin', 'temporal'));
  postgres = await startPostgres({
    dataDir: join(folder, 'postgres'),
    port: (await pickPort(0)).port,
    logPath: join(folder, 'postgres.log'),
  });
}, 60_000);

afterAll(async () => {
  await Promise.all(running.map(endGroup));
  await postgres.stop();
  removePostgresData(join(folder, 'postgres'));
  fs.rmSync(folder, { recursive: true, force: true });
}, 60_000);

function startShell(text: string, name: string): ChildProcess {
  const out = fs.openSync(join(folder, `${name}.log`), 'a');
  const { PATH, HOME } = process.env;
  return spawn('bash', ['-euc', text], {
    cwd: folder,
    detached: true,
    stdio: ['ignore', out, out],
    env: { PATH: `${join(folder, 'bin')}:${PATH}`, HOME },
  });
}
const readLog = (name: string) => fs.readFileSync(join(folder, `${name}.log`), 'utf8');
const exitOf = (child: ChildProcess) =>
  new Promise<number | null>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode);
    else child.once('exit', resolve);
  });

/** As a terminal ends what runs in it. */
async function endGroup(child: ChildProcess): Promise<void> {
  const isOver = child.exitCode !== null || child.signalCode !== null;
  if (!isOver && child.pid !== undefined) process.kill(-child.pid, 'SIGINT');
  await exitOf(child);
}

async function runSql(text: string): Promise<void> {
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  try {
    for (const statement of text.split(/;\s*$/m).filter((it) => it.trim() !== '')) {
      await client.query(statement);
    }
  } finally {
    await client.end();
  }
}

test('its commands lead from bare servers to a payment that succeeded', async () => {
  const ports: Record<string, string> = {
    5432: String(postgres.port),
    7233: new URL(`tcp://${temporalAddress()}`).port,
  };
  for (const port of ['8080', '8081', '8090']) ports[port] = String((await pickPort(0)).port);
  const placed = (text: string) =>
    text.replace(/\b(5432|7233|80[89]\d)\b/g, (it) => ports[it] ?? it);
  const blocks = readBlocks();
  expect(blocks.map(({ kind }) => kind).join(' ')).toBe(
    'sql sh sh sh background background background sh sh',
  );
  for (const [index, { kind, text }] of blocks.entries()) {
    if (kind === 'sql') await runSql(text);
    else if (kind === 'background') running.push(startShell(placed(text), `block-${index}`));
    else {
      const code = await exitOf(startShell(placed(text), `block-${index}`));
      const backgrounds = [4, 5, 6].filter((it) => it < index).map((it) => readLog(`block-${it}`));
      expect([text, code, code === 0 ? '' : [readLog(`block-${index}`), ...backgrounds]]).toEqual([
        text,
        0,
        '',
      ]);
    }
  }
  const ready = await fetch(`http://127.0.0.1:${ports[8080]}/readyz`);
  const { warnings } = JSON.parse(await ready.text());
  expect(warnings.map(({ code }: { code: string }) => code).filter(isLasting)).toEqual([]);
  // Ctrl-C reaches the processes once, so they end what they have begun.
  await Promise.all(running.map(endGroup));
  await until(async () => (await reach(ports[8080])) === null);
  await until(async () => (await reach(ports[8081])) === null);
  expect(readLog('block-6')).toContain('the API drains');
  expect(readLog('block-6')).not.toContain('the API ends at once');
}, 180_000);

/** Of a deployment that has just started, the sweeper may not have ended a round yet. */
const isLasting = (code: string) => !['sweeper_late', 'schedule_missing'].includes(code);
const reach = (port = '') => fetch(`http://127.0.0.1:${port}/livez`).catch(() => null);

test.each(PROVIDER_NAMES)('its account at the simulator of %s is the simulator’s', async (name) => {
  const simulator = await loadSimulator(name);
  const url = `http://127.0.0.1:${simulator.SANDBOX.port}`;
  const needed = Object.entries(listCredentials(name, simulator, url)).filter(
    ([variable]) => !/INITIATOR|CERTIFICATE/.test(variable),
  );
  for (const [variable, value] of needed) {
    expect([`${variable}=${value}`, `| \`${variable}\` | \`${value}\` |`]).toContainEqual(
      GUIDE.split('\n').find((line) => line.includes(variable) && line.includes(value)),
    );
  }
});

test.each(['api', 'worker'])(
  'npm run %s reads .env, and the environment wins',
  async (verb) => {
    const own = fs.mkdtempSync(join(tmpdir(), 'malipo-env-'));
    for (const name of TREE) fs.cpSync(join(ROOT, name), join(own, name), { recursive: true });
    fs.symlinkSync(join(ROOT, 'node_modules'), join(own, 'node_modules'));
    fs.writeFileSync(join(own, '.env'), 'MALIPO_HASH_KEY=none\nMALIPO_PUBLIC_URL=ftp://nowhere\n');
    const child = spawn(process.execPath, [join(own, 'scripts/run.mjs'), verb], {
      cwd: tmpdir(),
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env.PATH, MALIPO_PUBLIC_URL: 'https://pay.example.test' },
    });
    let said = '';
    child.stderr?.on('data', (part) => {
      said += String(part);
    });
    expect(await exitOf(child)).toBe(2);
    fs.rmSync(own, { recursive: true, force: true });
    expect(said.split('\n').slice(0, 4)).toEqual([
      'the environment is not complete:',
      '  DATABASE_URL: is missing',
      '  MALIPO_DATA_KEYS: is missing',
      expect.stringMatching(/^ {2}MALIPO_HASH_KEY: must be/),
    ]);
    expect(said).not.toMatch(/^ +at |MALIPO_PUBLIC_URL/m);
  },
  60_000,
);
