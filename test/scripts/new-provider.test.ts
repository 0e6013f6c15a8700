import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { cpay } from '../../providers/cpay/index.ts';
import { SANDBOX } from '../../providers/cpay/simulator.ts';
import { findNameFault } from '../../scripts/provider-name.ts';

/** A copy of the tree, as somebody who adds a provider has it. */
const ROOT = resolve(import.meta.dirname, '../..');
/** The last is built anew by another test meanwhile. */
const LEFT_OUT = new Set(['node_modules', '.git', '.malipo', 'coverage', 'client/dist']);
// As long as a name may be, and with a digit.
const NAME = 'abcdefghijklmnopqrs2';
const TESTS = `test/providers/${NAME}.test.ts`;
const CLIENT = `providers/${NAME}/client.ts`;
const COMPOSE = 'test/operations/compose.test.ts';

let copy: string;
beforeAll(() => {
  copy = fs.mkdtempSync(join(tmpdir(), 'malipo-copy-'));
  fs.cpSync(ROOT, copy, {
    recursive: true,
    filter: (path) => !LEFT_OUT.has(relative(ROOT, path)),
  });
  fs.symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
});
afterAll(() => fs.rmSync(copy, { recursive: true, force: true }));

function run(...args: readonly string[]) {
  const environment = { ...process.env, NODE_OPTIONS: '--experimental-vm-modules' };
  const options = { cwd: copy, encoding: 'utf8', env: environment, timeout: 100_000 } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, args, options);
  return { status, stdout, said: stdout + stderr };
}
const make = (...args: readonly string[]) =>
  run(join(ROOT, 'scripts/new-provider.ts'), '--root', copy, ...args);
const read = (path: string) => fs.readFileSync(join(copy, path), 'utf8');
const write = (path: string, text: string) => fs.writeFileSync(join(copy, path), text);

/**
 * Test files of the copy, in a process of its own that must end. They need no servers, so neither
 * does the run.
 */
function runTests(...files: readonly string[]) {
  const jest = fs.realpathSync(join(ROOT, 'node_modules/.bin/jest'));
  const settings = ['--config=jest.house.config.mjs', '--testMatch=<rootDir>/test/**/*.test.ts'];
  const { status, stdout } = run(jest, ...settings, '--json', '--runInBand', ...files);
  const report: Report = JSON.parse(stdout);
  const cases = report.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.map((result) => ({ file: relative(copy, name), ...result })),
  );
  return { status, failed: cases.filter((it) => it.status === 'failed'), cases };
}
type Report = {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly duration: number | null;
      readonly failureMessages: readonly string[];
    }[];
  }[];
};

const listFiles = () => readFiles(copy);

function readFiles(root: string): ReadonlyMap<string, string> {
  const rooms = fs.readdirSync(root).filter((name) => !LEFT_OUT.has(name));
  const paths = rooms.flatMap((room) => listUnder(join(root, room)));
  return new Map(paths.map((path) => [relative(root, path), fs.readFileSync(path, 'utf8')]));
}

function listUnder(path: string): readonly string[] {
  if (!fs.statSync(path).isDirectory()) return [path];
  return fs.readdirSync(path).flatMap((name) => listUnder(join(path, name)));
}

/** The words that MALIPO_<NAME>_… means already, wherever our own files read one. */
function listVariableWords(root: string): readonly string[] {
  const rooms = /^(api|config|db|sandbox|scripts|worker|test\/global-setup\.ts)/;
  const texts = [...readFiles(root)].filter(([path]) => rooms.test(path)).map(([, text]) => text);
  const names = texts.flatMap((text) => [...text.matchAll(/MALIPO_([A-Z0-9]+)/g)]);
  const words = [...new Set(names.map(([, word = '']) => word.toLowerCase()))];
  if (words.length < 10) throw new Error('our variables were not found');
  return words;
}

it.each([
  [[], 'Usage'],
  [['airtel', 'money'], 'Usage'],
  [['../airtel'], 'a–z'],
  [['cpay'], 'is there'],
])('refuses %j and makes nothing', (args, why) => {
  const before = listFiles();
  expect(make(...args)).toMatchObject({ status: 2, said: expect.stringContaining(why) });
  expect(listFiles()).toEqual(before);
});

describe('a name', () => {
  it.each([
    ['Airtel', 'a–z'],
    ['a', 'a–z'],
    ['2airtel', 'a–z'],
    ['airtel-money', 'a–z'],
    ['air_tel', 'a–z'],
    ['', 'a–z'],
    ['twentyoneletterslong1', 'a–z'],
    ['mpesa', 'is there'],
    ['stk', 'channel'],
    ['class', 'another meaning'],
    // The template’s own words, and one that the house refuses.
    ['webhook', 'another meaning'],
    ['fetch', 'another meaning'],
    ['gateway', 'another meaning'],
  ])('%s is refused', (name, why) => {
    expect(findNameFault(ROOT, name)).toContain(why);
  });

  it.each(listVariableWords(ROOT))('%s is refused, since a variable of ours has it', (word) => {
    expect(findNameFault(ROOT, word)).not.toBeNull();
  });

  it.each(['airtel', 'mtn', 'wave', 'square', 'cpay2', NAME])('%s is taken', (name) => {
    expect(findNameFault(ROOT, name)).toBeNull();
  });
});

describe('makes all or nothing', () => {
  it.each([
    ['providers/index.ts', 'export const PROVIDERS = {};\n', 'template changed'],
    ['providers/cpay/client.ts', 'export const none = 1;\n', 'template changed'],
    ['providers/cpay/map.ts', 'export const = ;\n', 'biome'],
    ['scripts/generate.ts', 'throw new Error("no room");\n', 'no room'],
  ])('when %s does not serve', (path, text, why) => {
    const good = read(path);
    write(path, text);
    const before = listFiles();
    expect(make(NAME)).toMatchObject({ status: 1, said: expect.stringContaining(why) });
    expect(listFiles()).toEqual(before);
    write(path, good);
  });

  it.each([`providers/${NAME}/mine.ts`, TESTS])('and leaves %s that is there', (path) => {
    fs.mkdirSync(join(copy, path, '..'), { recursive: true });
    write(path, '');
    const before = listFiles();
    expect(make(NAME)).toMatchObject({
      status: 2,
      said: expect.stringContaining('is there already'),
    });
    expect(listFiles()).toEqual(before);
    fs.rmSync(join(copy, path));
    if (path !== TESTS) fs.rmdirSync(join(copy, path, '..'));
  });
});

/** What the list for operators, the reference and the sandbox make of the registry, in the copy. */
const ASK = `
  import { OPERATIONS } from './api/operations.ts';
  import { describeApi } from './api/reference/openapi.ts';
  import { loadSimulator } from './sandbox/simulators.ts';
  const list = OPERATIONS.find(({ id }) => id === 'adminListProviders');
  const { body } = await list.handle({ metrics: { otherVersions: { list: () => [] } } });
  const { components } = describeApi(OPERATIONS, 'http://127.0.0.1');
  const { startSimulator } = await loadSimulator('${NAME}');
  const simulator = await startSimulator({ port: 0 });
  const ledger = await fetch(simulator.url + '/simulator/ledger').then((answer) => answer.json());
  await simulator.close();
  const listed = body.data.map(({ name }) => name);
  const described = components.schemas.Payment.properties.provider['x-extensible-enum'];
  process.stdout.write(JSON.stringify({ listed, described, ledger }));
`;

/** All that the template's client can be asked for. */
function listSteps(): readonly string[] {
  const record = { ...SANDBOX.credentials, base_url: 'http://127.0.0.1:1' };
  const reading = cpay.readCredentials(record);
  if (!reading.ok) throw new Error(reading.faults.join('; '));
  return Object.keys(cpay.connect(reading.credentials)).filter((name) => name !== 'close');
}

describe('a provider that was made', () => {
  let before: ReadonlyMap<string, string>;
  beforeAll(() => {
    before = listFiles();
    expect(make(NAME)).toMatchObject({ status: 0, said: expect.stringContaining('next') });
  });

  it('is a folder, its tests, an import and an entry, and what derives from them', () => {
    const changed = [...listFiles()].filter(([path, text]) => before.get(path) !== text);
    const elsewhere = changed
      .map(([path]) => path)
      .filter((path) => !path.startsWith(`providers/${NAME}/`));
    expect(elsewhere.toSorted()).toEqual([
      '.env.example',
      'docker-compose.yml',
      'docs/generated/openapi.json',
      'providers/index.ts',
      TESTS,
    ]);
    for (const [path, text] of changed) {
      if (!before.has(path)) expect(`${path}${text}`).not.toMatch(/cpay|mock provider/i);
    }
    const old = before.get('providers/index.ts')?.split('\n') ?? [];
    const lines = read('providers/index.ts').split('\n');
    expect(lines.filter((line) => !old.includes(line))).toEqual([
      `import { ${NAME} } from './${NAME}/index.ts';`,
      `  ${NAME},`,
    ]);
    expect(lines).toHaveLength(old.length + 2);
    expect(read(`providers/${NAME}/simulator.ts`)).toContain('port: 8093,');
  });

  it('passes all checks as it is', () => {
    expect(run('scripts/run.mjs', 'check')).toMatchObject({
      status: 0,
      said: expect.stringContaining(' 0 failed'),
    });
  }, 120_000);

  it('is listed, described and run in the sandbox', () => {
    const { said } = run('--input-type=module', '--eval', ASK);
    const { listed, described, ledger } = JSON.parse(said);
    expect([listed, described]).toEqual([
      expect.arrayContaining([NAME]),
      expect.arrayContaining([NAME]),
    ]);
    expect(ledger).toMatchObject({ charges: [], refunds: [] });
  });

  it('fails its contract at once, by each step that is to be written, and no other test', () => {
    const { status, failed, cases: all } = runTests(TESTS, COMPOSE);
    const cases = all.filter(({ file }) => file === TESTS);
    expect(status).toBe(1);
    expect(all.length - cases.length).toBeGreaterThan(5);
    expect(failed.length).toBeGreaterThan(cases.length / 2);
    for (const { failureMessages } of failed) {
      expect(failureMessages.join()).toContain(`is to be written in ${CLIENT}`);
    }
    expect(Math.max(...cases.map(({ duration }) => duration ?? 0))).toBeLessThan(15_000);
    for (const step of listSteps()) {
      expect(read(CLIENT)).toContain(`refuseUnwritten('${step}');`);
    }
  }, 30_000);

  it('fails its contract at once when it does not even connect', () => {
    const index = `providers/${NAME}/index.ts`;
    const good = read(index);
    const broken = good.replace(/connect: .*/, "connect: () => { throw new Error('no'); },");
    expect(broken).not.toBe(good);
    write(index, broken);
    const { status, failed, cases } = runTests(TESTS);
    write(index, good);
    expect({ status, failed: failed.length }).toEqual({ status: 1, failed: cases.length });
  }, 30_000);

  it('keeps its contract with CPay’s client', () => {
    const title = `A${NAME.slice(1)}`;
    const cpay = fs.readFileSync(join(ROOT, 'providers/cpay/client.ts'), 'utf8');
    write(CLIENT, cpay.replaceAll('CPay', title));
    expect(runTests(TESTS)).toMatchObject({ status: 0, failed: [] });
  }, 30_000);
});
