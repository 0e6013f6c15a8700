import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { openTestApi, type TestApi } from '../api/server.ts';
import { settleRefundsIn, takePaymentsIn } from '../api/takers.ts';
import { storePaymentIn } from '../factories.ts';

/** What `npm pack` makes of client/, as a merchant has it: in a folder of its own, without us. */
const ROOT = join(import.meta.dirname, '..', '..');
const OURS = join(ROOT, 'node_modules');
const manifestOf = (folder: string) =>
  z
    .object({
      name: z.string(),
      version: z.string(),
      license: z.string(),
      dependencies: z.record(z.string(), z.string()),
      engines: z.object({ node: z.string() }),
    })
    .parse(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')));
const manifest = manifestOf(join(ROOT, 'client'));

const execute = promisify(execFile);
/** Its output, or all that it said when it failed. */
async function run(program: string, args: readonly string[], cwd: string): Promise<string> {
  try {
    return (await execute(program, args, { cwd, env: { ...process.env, NODE_OPTIONS: '' } }))
      .stdout;
  } catch (error) {
    const { stdout = '', stderr = '' }: { stdout?: string; stderr?: string } = Object(error);
    throw new Error(`${program} ${args.join(' ')}\n${stdout}\n${stderr}`, { cause: error });
  }
}

let folder: string;
let api: TestApi;
let files: readonly string[];
beforeAll(async () => {
  const opening = openTestApi();
  folder = realpathSync(await mkdtemp(join(tmpdir(), 'malipo-package-')));
  await Promise.all([install(), writeSample()]);
  api = await opening;
  api.engine.takePayment = takePaymentsIn(api.pool);
  api.engine.takeRefund = settleRefundsIn(api.pool);
}, 120_000);
afterAll(async () => {
  await api?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** By npm, and without a network: what the package depends on is packed from what we have of it. */
async function install(): Promise<void> {
  const packed = join(folder, 'packed');
  mkdirSync(packed);
  const into = ['--pack-destination', packed, '--json'];
  const others = ['standardwebhooks', '@stablelib/base64', 'fast-sha256'];
  const [told] = await Promise.all([
    run('npm', ['pack', '--foreground-scripts=false', ...into], join(ROOT, 'client')),
    // Their own build steps would write into our node_modules.
    run('npm', ['pack', '--ignore-scripts', ...others.map((it) => join(OURS, it)), ...into], ROOT),
  ]);
  files = listed(told);
  const tarballs = readdirSync(packed).map((name) => join(packed, name));
  const shop = { name: 'shop', version: '1.0.0', private: true };
  await writeFile(join(folder, 'package.json'), JSON.stringify(shop));
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', ...tarballs], folder);
}

/** npm's list of one package is a list, or a table by name from npm 12 on. */
function listed(told: string): readonly string[] {
  const one = z.object({ files: z.array(z.object({ path: z.string() })) });
  const [first] = Object.values(
    z.union([z.array(one), z.record(z.string(), one)]).parse(JSON.parse(told)),
  );
  return (first?.files ?? []).map(({ path }) => path);
}

const COMPILER = { strict: true, skipLibCheck: false, module: 'nodenext', target: 'es2022' };
const STRICTER = { exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true };
const NODE_TYPES = { lib: ['es2022'], types: ['node'], typeRoots: [join(OURS, '@types')] };
const CONFIGS = {
  // With the types of a browser, which need no package.
  'tsconfig.json': {
    compilerOptions: { ...COMPILER, ...STRICTER, types: [], outDir: 'built' },
    files: ['sample.mts', 'sample.cts'],
  },
  'tsconfig.node.json': {
    compilerOptions: { ...COMPILER, ...NODE_TYPES, noEmit: true },
    files: ['sample.mts', 'sample.cts', 'quickstart.mts', 'readme.mts'],
  },
};

/** A newer Node has what Node 20.3 lacks; of JavaScript itself, `lib` of client/ keeps it away. */
const FORGET = `
  delete URL.parse;
  delete Response.prototype.bytes;`;

/** What the examples of the README take for granted. */
const READER = `
import type { IncomingMessage } from 'node:http';
declare const order: { id: string }, rawBody: Buffer, request: IncomingMessage;
declare function markAsPaid(data: Record<string, unknown>): Promise<void>;
`;
const readExamples = (path: string) =>
  [...readFileSync(path, 'utf8').matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code).join('\n');

async function writeSample(): Promise<void> {
  const asMerchant = (path: string) =>
    readFileSync(join(ROOT, path), 'utf8').replace('../../client/index.ts', manifest.name);
  const sample = asMerchant('test/client/sample.ts');
  const main = (loaded: string) =>
    `${FORGET}
     ${loaded}.then(({ runSample }) => runSample(JSON.parse(process.argv[2]))).then(
       (names) => console.log(JSON.stringify(names)),
       (error) => { console.error(error); process.exitCode = 1; },
     );`;
  const written = {
    'sample.mts': sample,
    'sample.cts': sample,
    'quickstart.mts': asMerchant('docs/quickstarts/quickstart.ts'),
    'readme.mts': `${READER}\n${readExamples(join(ROOT, 'client', 'README.md'))}`,
    'main.mjs': main("import('./built/sample.mjs')"),
    'main.cjs': main("Promise.resolve(require('./built/sample.cjs'))"),
    ...Object.fromEntries(
      Object.entries(CONFIGS).map(([it, value]) => [it, JSON.stringify(value)]),
    ),
  };
  const each = Object.entries(written);
  await Promise.all(each.map(([name, text]) => writeFile(join(folder, name), text)));
}

test('it is of the version of the server, and depends on one package', () => {
  const root = manifestOf(ROOT);
  expect(manifest).toEqual({
    name: '@malipo/client',
    version: root.version,
    license: root.license,
    dependencies: { standardwebhooks: `^${root.dependencies.standardwebhooks}` },
    engines: { node: '>=20.3' },
  });
});

test('it holds what was built and nothing of the server', () => {
  const others = files.filter((path) => !/^dist\/(esm|cjs)\/[\w-]+\.js$/.test(path));
  expect(others.toSorted()).toEqual([
    'README.md',
    'dist/LICENSE',
    'dist/cjs/package.json',
    'dist/index.d.cts',
    'dist/index.d.ts',
    'package.json',
  ]);
  const installed = join(folder, 'node_modules', manifest.name);
  for (const name of ['index.d.ts', 'index.d.cts']) {
    expect(readFileSync(join(installed, 'dist', name), 'utf8')).not.toMatch(/\bimport\b|\bfrom '/);
  }
  expect(readFileSync(join(installed, 'dist', 'LICENSE'))).toEqual(
    readFileSync(join(ROOT, 'LICENSE')),
  );
});

/** One of each major version that this machine has, from the oldest that the package allows on. */
async function findNodes(): Promise<ReadonlyMap<number, string>> {
  const folders = [...(process.env.PATH ?? '').split(delimiter), join(OURS, '.bin')];
  const found = new Map<number, string>();
  const programs = [process.execPath, ...folders.map((it) => join(it, 'node'))];
  for (const program of new Set(programs.filter((it) => existsSync(it)))) {
    const [major = 0] = (await run(program, ['--version'], folder)).slice(1).split('.').map(Number);
    if (major >= 20 && !found.has(major)) found.set(major, program);
  }
  return found;
}

/** A merchant of its own, with two payments. */
async function openPlace() {
  const { id: merchantId, apiKey } = await api.openMerchant();
  const changes = { merchantId, provider: 'cpay' as const };
  const paid = await storePaymentIn(api.pool, 'succeeded', changes);
  const held = await storePaymentIn(api.pool, 'authorized', changes);
  return { baseUrl: api.url, apiKey, paidId: paid.id, heldId: held.id };
}

test('a merchant’s program compiles and runs with it on each Node, both ways', async () => {
  const tsc = join(OURS, '.bin', 'tsc');
  const checks = Object.keys(CONFIGS).map((config) => run(tsc, ['-p', config], folder));
  expect(await Promise.all(checks)).toEqual(['', '']);
  const nodes = await findNodes();
  expect(nodes.size).toBeGreaterThan(0);
  const runs: Promise<string>[] = [];
  for (const node of nodes.values()) {
    for (const main of ['main.mjs', 'main.cjs']) {
      // One after the other: the receipts of stored payments must differ.
      const place = JSON.stringify(await openPlace());
      runs.push(run(node, [main, place], folder));
    }
  }
  for (const ended of await Promise.allSettled(runs)) {
    if (ended.status === 'rejected') throw ended.reason;
    const names = z.array(z.string()).parse(JSON.parse(ended.value));
    expect(names.length).toBeGreaterThanOrEqual(30);
  }
}, 120_000);
