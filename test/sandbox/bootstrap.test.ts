import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeFolder, removeFolder, writeProgram } from './folder.ts';

const BOOTSTRAP = fileURLToPath(new URL('../../scripts/bootstrap.mjs', import.meta.url));
const WANTED = {
  '': { name: 'malipo' },
  'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
  'node_modules/other-platform': { version: '1.0.0', optional: true },
};
const INSTALLED = { 'node_modules/a': WANTED['node_modules/a'] };
// Stands where npm stands: takes its time, and counts how often it was asked.
const NPM = `
const fs = require('node:fs');
fs.appendFileSync('asked', process.argv.slice(2).join(' ') + '\\n');
fs.appendFileSync('cache', process.env.npm_config_cache || '');
if (fs.existsSync('broken')) process.exit(3);
setTimeout(() => {
  fs.mkdirSync('node_modules', { recursive: true });
  fs.writeFileSync('node_modules/.package-lock.json', '${JSON.stringify({ packages: INSTALLED })}');
}, 300);
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

function install(env: NodeJS.ProcessEnv = {}): Promise<Installed> {
  const code = `import { installPackages } from '${BOOTSTRAP}';
try { await installPackages('${root}'); }
catch (error) { console.error(error.message); process.exitCode = error.code; }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    env: { ...process.env, npm_execpath: join(root, 'npm-cli.js'), ...env },
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (data: Buffer) => {
    errors += data.toString();
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, errors })));
}

test('an install that agrees with the lock file is left alone', async () => {
  writeInstalled(INSTALLED);
  expect((await install()).code).toBe(0);
  expect(countInstalls()).toBe(0);
});

const STALE = [
  { what: 'of another version', found: { 'node_modules/a': { version: '0.9.0' } } },
  { what: 'that lacks a package', found: {} },
  { what: 'with a package too many', found: { ...INSTALLED, 'node_modules/b': {} } },
];

test.each(STALE)('an install $what is done again', async ({ found }) => {
  writeInstalled(found);
  expect((await install()).code).toBe(0);
  expect(countInstalls()).toBe(1);
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
  expect((await install(shell)).code).toBe(0);
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
