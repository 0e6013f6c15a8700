import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';

/** A copy of the tree, as somebody who adds a provider has it. */
const ROOT = resolve(import.meta.dirname, '../..');
const LEFT_OUT = new Set(['node_modules', '.git', '.malipo', 'coverage']);
// As long as a name may be, and with a digit.
const NAME = 'airtelmoney2';

let copy: string;
beforeEach(() => {
  copy = fs.mkdtempSync(join(tmpdir(), 'malipo-copy-'));
  fs.cpSync(ROOT, copy, {
    recursive: true,
    filter: (path) => !LEFT_OUT.has(relative(ROOT, path).split('/')[0] ?? ''),
  });
  fs.symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
});
afterEach(() => fs.rmSync(copy, { recursive: true, force: true }));

function run(...args: readonly string[]) {
  const environment = { ...process.env, NODE_OPTIONS: '--experimental-vm-modules' };
  const options = { cwd: copy, encoding: 'utf8', env: environment, timeout: 100_000 } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, args, options);
  return { status, said: stdout + stderr };
}
const make = (...args: readonly string[]) =>
  run(join(ROOT, 'scripts/new-provider.ts'), '--root', copy, ...args);
const bin = (name: string) => fs.realpathSync(join(ROOT, 'node_modules/.bin', name));
const runTests = (path: string) => run(bin('jest'), '--silent', path);

function listFiles(): ReadonlyMap<string, string> {
  const rooms = fs.readdirSync(copy).filter((name) => name !== 'node_modules');
  const paths = rooms.flatMap((room) => listUnder(join(copy, room)));
  return new Map(paths.map((path) => [relative(copy, path), fs.readFileSync(path, 'utf8')]));
}

function listUnder(path: string): readonly string[] {
  if (!fs.statSync(path).isDirectory()) return [path];
  return fs.readdirSync(path).flatMap((name) => listUnder(join(path, name)));
}

it('makes a folder, its tests and one line, which fail until it is written', () => {
  const before = listFiles();
  expect(make(NAME)).toMatchObject({ status: 0, said: expect.stringContaining('next') });
  const after = listFiles();
  const changed = [...after].filter(([path, text]) => before.get(path) !== text);
  const elsewhere = changed
    .map(([path]) => path)
    .filter((path) => !path.startsWith(`providers/${NAME}/`));
  expect(elsewhere.toSorted()).toEqual(['providers/index.ts', `test/providers/${NAME}.test.ts`]);
  for (const [path, text] of changed) {
    if (path !== 'providers/index.ts') expect(`${path}${text}`).not.toMatch(/cpay/i);
  }
  const lineOf = (files: ReadonlyMap<string, string>) =>
    files.get('providers/index.ts')?.replaceAll(/\s|,(?= })/g, '') ?? '';
  const entry = `import{${NAME}}from'./${NAME}/index.ts';`;
  const added = lineOf(after).replace(entry, '').replace(`,${NAME}}`, '}');
  expect(added.replace('<string,Provider,>', '<string,Provider>')).toBe(lineOf(before));

  expect(run(bin('tsc'), '--noEmit', '-p', '.')).toEqual({ status: 0, said: '' });

  expect(run(bin('jest'), '--config', 'jest.house.config.mjs')).toMatchObject({ status: 0 });
  const tests = `test/providers/${NAME}.test.ts`;
  expect(runTests(tests)).toMatchObject({
    status: 1,
    said: expect.stringContaining(`providers/${NAME} is to be written: see http.ts`),
  });
  const http = join(copy, `providers/${NAME}/http.ts`);
  const written = fs
    .readFileSync(http, 'utf8')
    .replace('IS_WRITTEN: boolean = false', 'IS_WRITTEN: boolean = true');
  fs.writeFileSync(http, written);
  expect(runTests(tests)).toMatchObject({ status: 0 });
}, 120_000);

it.each([
  [[], 'Usage'],
  [['airtel', 'money'], 'Usage'],
  [['Airtel'], 'a–z'],
  [['a'], 'a–z'],
  [['airtel-money'], 'a–z'],
  [['../airtel'], 'a–z'],
  [['thirteenchars'], 'a–z'],
  [['class'], 'another meaning'],
  [['api'], 'another meaning'],
  [['cpay'], 'is there'],
  [['stk'], 'channel'],
])('refuses %j and makes nothing', (args, why) => {
  const before = listFiles();
  expect(make(...args)).toMatchObject({ status: 2, said: expect.stringContaining(why) });
  expect(listFiles()).toEqual(before);
});

it('makes all or nothing', () => {
  fs.writeFileSync(join(copy, 'providers/index.ts'), 'export const PROVIDERS = {};\n');
  const before = listFiles();
  expect(make(NAME)).toMatchObject({
    status: 1,
    said: expect.stringContaining('template changed'),
  });
  expect(listFiles()).toEqual(before);
  expect(make(NAME).status).toBe(1);
});

it('leaves what is there', () => {
  fs.mkdirSync(join(copy, `providers/${NAME}`));
  fs.writeFileSync(join(copy, `providers/${NAME}/mine.ts`), '');
  const before = listFiles();
  expect(make(NAME)).toMatchObject({
    status: 2,
    said: expect.stringContaining('is there already'),
  });
  expect(listFiles()).toEqual(before);
});
