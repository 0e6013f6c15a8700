import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';

/** What an install fetches is what was locked, and it tells nobody about it. */
const ROOT = join(import.meta.dirname, '..', '..');
const lock = z
  .object({
    packages: z.record(
      z.string(),
      z.object({
        version: z.string(),
        integrity: z.string().optional(),
        resolved: z.string().optional(),
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')));
const packages = Object.entries(lock.packages).filter(([path]) => path !== '');

test('each locked package has a checksum, for every platform', () => {
  expect(packages.length).toBeGreaterThan(500);
  const without = packages.filter(
    ([, { integrity }]) => !/^sha512-[\w+/]{86}==$/.test(integrity ?? ''),
  );
  expect(without.map(([path, { version }]) => `${path} ${version}`)).toEqual([]);
});

test('none is bound to one registry', () => {
  expect(packages.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
});

describe('the script that counts installs', () => {
  const report = createRequire(import.meta.url).resolve('@scarf/scarf');
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'malipo-install-'));
    // Nothing leaves this machine: what would be sent is printed.
    const spy = 'require("node:https").request = () => { console.log("SENT"); process.exit(0); };';
    writeFileSync(join(folder, 'spy.cjs'), spy);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const run = (installedFrom: string) => {
    const { SCARF_ANALYTICS: _a, SCARF_NO_ANALYTICS: _b, DO_NOT_TRACK: _c, ...env } = process.env;
    const told = spawnSync(process.execPath, ['--require', join(folder, 'spy.cjs'), report], {
      env: { ...env, INIT_CWD: installedFrom },
      encoding: 'utf8',
    });
    expect([told.status, told.stderr]).toEqual([0, '']);
    return told.stdout;
  };

  /** As if the script looked at nothing but these settings, however npm lists what is installed. */
  const settingsOf = (own: object) =>
    JSON.stringify({
      name: 'other',
      version: '1.0.0',
      scarfSettings: { skipTraversal: true, ...own },
    });

  test('sends nothing for this project', () => {
    expect(run(ROOT)).not.toContain('SENT');
    const { scarfSettings = {} } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    writeFileSync(join(folder, 'package.json'), settingsOf(scarfSettings));
    expect(run(folder)).not.toContain('SENT');
  });

  test('would send for one that does not refuse, so the test above can fail', () => {
    writeFileSync(join(folder, 'package.json'), settingsOf({}));
    expect(run(folder)).toContain('SENT');
  });
});
