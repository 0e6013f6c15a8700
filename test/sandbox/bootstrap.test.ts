import { spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeFolder, removeFolder, writeProgram } from './folder.ts';

const BOOTSTRAP = fileURLToPath(new URL('../../scripts/bootstrap.mjs', import.meta.url));
const WANTED = {
  '': { name: 'malipo' },
  'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
  'node_modules/tool': { version: '1.0.0', integrity: 'sha512-tool', dev: true },
  'node_modules/other-platform': { version: '1.0.0', optional: true },
};
const RUNTIME = { 'node_modules/a': WANTED['node_modules/a'] };
const ALL = { ...RUNTIME, 'node_modules/tool': WANTED['node_modules/tool'] };
// Stands where npm stands: takes its time, and counts how often it was asked.
const NPM = `
const fs = require('node:fs');
const [verb, ...options] = process.argv.slice(2);
const isFound = fs.existsSync('node_modules/.package-lock.json');
fs.appendFileSync('asked', [verb, ...options].join(' ') + '\\n');
fs.appendFileSync('found', verb + ' ' + isFound + ' ' + fs.existsSync('node_modules/tool') + '\\n');
fs.appendFileSync('cache', process.env.npm_config_cache || '');
if (fs.existsSync('broken')) process.exit(3);
const all = options.includes('--include=dev');
fs.mkdirSync('node_modules/a', { recursive: true });
fs.writeFileSync('node_modules/a/package.json', '{}');
const finish = () => fs.writeFileSync('node_modules/.package-lock.json',
  all ? '${JSON.stringify({ packages: ALL })}' : '${JSON.stringify({ packages: RUNTIME })}');
const wait = () => setTimeout(() => (fs.existsSync('slow') ? wait() : finish()), 100);
wait();
`;

let root: string;

beforeEach(() => {
  root = makeFolder();
  writeLock('package-lock.json', WANTED);
  writeProgram(root, 'npm-cli.js', NPM);
});

afterEach(() => removeFolder(root));

function writeLock(name: string, packages: object): void {
  fs.writeFileSync(join(root, name), JSON.stringify({ packages }));
}

function writeInstalled(packages: object): void {
  fs.mkdirSync(join(root, 'node_modules'));
  writeLock('node_modules/.package-lock.json', packages);
}

const countInstalls = () => {
  const path = join(root, 'asked');
  return fs.existsSync(path) ? fs.readFileSync(path, 'utf8').trim().split('\n').length : 0;
};

type Installed = { code: number | null; errors: string };

type How = { readonly hasTools?: boolean; readonly tellEveryMs?: number };

function install(
  env: NodeJS.ProcessEnv = {},
  how: How = {},
  hear: (errors: string) => void = () => undefined,
): Promise<Installed> {
  const options = JSON.stringify({ hasTools: true, ...how });
  const code = `import { installPackages } from '${BOOTSTRAP}';
try { await installPackages('${root}', ${options}); }
catch (error) { console.error(error.message); process.exitCode = error.code; }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    env: { ...process.env, npm_execpath: join(root, 'npm-cli.js'), ...env },
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (data: Buffer) => {
    errors += data.toString();
    hear(errors);
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, errors })));
}

test('an install that agrees with the lock file is left alone', async () => {
  writeInstalled(ALL);
  expect((await install()).code).toBe(0);
  expect(countInstalls()).toBe(0);
});

const STALE = [
  { what: 'of another version', found: { 'node_modules/a': { version: '0.9.0' } } },
  { what: 'that lacks a package', found: {} },
  { what: 'with a package too many', found: { ...ALL, 'node_modules/b': {} } },
];

test.each(STALE)('an install $what is done again', async ({ found }) => {
  writeInstalled(found);
  expect((await install()).code).toBe(0);
  expect(countInstalls()).toBe(1);
});

test('to start, only what runs is installed; what tests need is added to it', async () => {
  for (const hasTools of [false, false, true, true, false]) {
    expect((await install({}, { hasTools })).code).toBe(0);
  }
  const asked = fs.readFileSync(join(root, 'asked'), 'utf8').trim().split('\n');
  expect(asked).toEqual([
    expect.stringMatching(/^ci --omit=dev --include=optional /),
    // Not `ci`: it would take the packages away from a sandbox that runs with them.
    expect.stringMatching(/^install --no-save --include=dev --include=optional /),
  ]);
});

const OTHER_TOOL = { version: '0.9.0', dev: true };
test.each([
  ['a tool of another version', { ...RUNTIME, 'node_modules/tool': OTHER_TOOL }, 0],
  ['a tool that is no longer wanted', { ...ALL, 'node_modules/old': OTHER_TOOL }, 0],
  ['a tool that became a part of what runs', { 'node_modules/a': { ...OTHER_TOOL } }, 1],
])('to start, %s is looked at for what it is', async (_, found, installs) => {
  writeInstalled(found);
  expect((await install({}, { hasTools: false })).code).toBe(0);
  expect(countInstalls()).toBe(installs);
});

test('what a killed install left behind is trusted by none', async () => {
  writeInstalled({ 'node_modules/a': { version: '0.9.0' } });
  expect((await install({}, { hasTools: false })).code).toBe(0);
  // Half a tool, of an install that was killed while it added: npm would take it for a whole one.
  fs.mkdirSync(join(root, 'node_modules', 'tool'));
  expect((await install()).code).toBe(0);
  const found = fs.readFileSync(join(root, 'found'), 'utf8').trim().split('\n');
  expect(found).toEqual(['ci false false', 'install true false']);
});

test('where adding does not suffice, all is installed anew', async () => {
  writeInstalled(RUNTIME);
  writeLock('package-lock.json', { ...WANTED, 'node_modules/another': { dev: true } });
  expect((await install()).code).toBe(0);
  const asked = fs.readFileSync(join(root, 'asked'), 'utf8').trim().split('\n');
  expect(asked.map((line) => line.split(' ')[0])).toEqual(['install', 'ci']);
});

test('it says how far it is', async () => {
  fs.writeFileSync(join(root, 'slow'), '');
  const { code, errors } = await install({}, { tellEveryMs: 20 }, (said) => {
    if (said.includes('1 of 2')) fs.rmSync(join(root, 'slow'), { force: true });
  });
  expect([code, errors]).toEqual([
    0,
    expect.stringMatching(/^Installing 2 packages[\s\S]*\n {2}1 of 2 packages, \d+ s\n/),
  ]);
});

test('a start and a test at once end with all packages', async () => {
  const runs = [false, true, false].map((hasTools) => install({}, { hasTools }));
  expect((await Promise.all(runs)).map(({ code }) => code)).toEqual([0, 0, 0]);
  expect(countInstalls()).toBeLessThan(3);
  expect((await install()).code).toBe(0);
  expect(countInstalls()).toBeLessThan(3);
});

test('an npm that outlived its run is waited for', async () => {
  fs.mkdirSync(join(root, '.malipo'));
  const npm = spawn('sleep', ['300']);
  fs.writeFileSync(join(root, '.malipo', 'install.lock'), `4194304 ${npm.pid}`);
  let before = -1;
  const { code } = await install({}, {}, (said) => {
    if (!said.includes('Waiting for')) return;
    before = countInstalls();
    npm.kill();
  });
  expect([code, before, countInstalls()]).toEqual([0, 0, 1]);
});

test('of several runs at once, one installs and the others wait for it', async () => {
  const results = await Promise.all([install(), install(), install()]);
  expect(results.map(({ code }) => code)).toEqual([0, 0, 0]);
  expect(countInstalls()).toBe(1);
});

test('the lock of an install that was killed is taken over', async () => {
  fs.mkdirSync(join(root, '.malipo'));
  fs.writeFileSync(join(root, '.malipo', 'install.lock'), '4194304');
  expect((await install()).code).toBe(0);
  expect(countInstalls()).toBe(1);
});

test('a failing install gives its exit code and says where the reason stands', async () => {
  fs.writeFileSync(join(root, 'broken'), '');
  const { code, errors } = await install();
  expect(code).toBe(3);
  expect(errors).toContain('npm ci failed (exit code 3)');
});

test('all packages are asked for, whatever the shell says of production', async () => {
  const shell = { NODE_ENV: 'production', npm_config_omit: 'dev optional' };
  for (let start = 0; start < 2; start += 1) expect((await install(shell)).code).toBe(0);
  expect(countInstalls()).toBe(1);
  const asked = fs.readFileSync(join(root, 'asked'), 'utf8');
  expect(asked).toMatch(/^ci --include=dev --include=optional /);
});

test('a user whose home folder cannot be written has npm’s cache beside the packages', async () => {
  fs.writeFileSync(join(root, 'file'), '');
  const shell = { HOME: join(root, 'file', 'home'), npm_config_cache: '' };
  const { code, errors } = await install(shell);
  expect([code, errors]).toEqual([0, expect.stringContaining('npm_config_cache names another')]);
  const cache = fs.readFileSync(join(root, 'cache'), 'utf8');
  expect(cache).toBe(join(root, '.malipo', 'npm-cache'));
});

test('where nothing can be installed it says who can, without a stack', async () => {
  fs.writeFileSync(join(root, '.malipo'), '');
  const { code, errors } = await install();
  expect(code).toBe(1);
  expect(errors).toMatch(/cannot be here[\s\S]*as the owner of[\s\S]*MALIPO_HOME/);
  expect(errors).not.toMatch(/^ +at /m);
});

test('each npm script takes the place of its shell, which would keep a signal to itself', () => {
  const file = fileURLToPath(new URL('../../package.json', import.meta.url));
  const scripts = Object.values<string>(JSON.parse(fs.readFileSync(file, 'utf8')).scripts);
  expect(scripts.length).toBeGreaterThan(5);
  for (const script of scripts) expect(script).toMatch(/^exec node scripts\/run\.mjs /);
});

test.each([
  ['--help', 0, /^Usage: npm start[\s\S]*--port/, /^$/],
  ['-h', 0, /^Usage: npm start/, /^$/],
  ['--jsn', 2, /^$/, /^Unknown option '--jsn'\nUsage: npm start/],
])('%s is answered before anything is installed', (option, code, printed, said) => {
  const top = fileURLToPath(new URL('../..', import.meta.url));
  for (const name of ['scripts', 'sandbox/usage.txt']) {
    fs.cpSync(join(top, name), join(root, name), { recursive: true });
  }
  const env = { ...process.env, npm_execpath: join(root, 'npm-cli.js') };
  const args = [join(root, 'scripts', 'run.mjs'), 'start', option];
  const asked = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
  expect([asked.status, countInstalls()]).toEqual([code, 0]);
  expect(asked.stdout).toMatch(printed);
  expect(asked.stderr).toMatch(said);
});

// `npm start` installs no tools, while this test runs with all of them.
const ROOMS = 'activities api bench config db domain providers sandbox scripts worker workflows';
const FOR_BUILDERS = /^scripts\/(?!(admin|migrate|rotate-keys|seed|verify-audit|seed\/.*)\.)/;

test('what runs imports no tool', () => {
  const top = fileURLToPath(new URL('../..', import.meta.url));
  const { dependencies } = JSON.parse(fs.readFileSync(join(top, 'package.json'), 'utf8'));
  const files = ROOMS.split(' ').flatMap((room) => {
    const names = fs.readdirSync(join(top, room), { recursive: true, encoding: 'utf8' });
    return names.map((name) => `${room}/${name}`);
  });
  const programs = files.filter((file) => file.endsWith('.ts') && !FOR_BUILDERS.test(file));
  expect(programs.length).toBeGreaterThan(200);
  const imports = programs.flatMap((file) => {
    const text = fs.readFileSync(join(top, file), 'utf8');
    const found = text.matchAll(/(?:^import |^\} |import\()(?:.* from )?'([^'.][^']*)'/gm);
    return [...found].map(([, name = '']) => name);
  });
  const packages = new Set(
    imports
      .filter((name) => !name.startsWith('node:'))
      .map((name) =>
        name
          .split('/')
          .slice(0, name.startsWith('@') ? 2 : 1)
          .join('/'),
      ),
  );
  expect(packages.size).toBeGreaterThan(20);
  expect([...packages].filter((name) => !(name in dependencies))).toEqual([]);
});
