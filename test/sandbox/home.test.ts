import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { isApiKey } from '../../db/api-key.ts';
import {
  chooseHome,
  endLeftovers,
  loadSecrets,
  openHome,
  resetHome,
  writePrivately,
} from '../../sandbox/home.ts';
import { readCommandLine } from '../../sandbox/process.ts';
import { makeFolder, removeFolder } from './folder.ts';

let folder: string;

beforeEach(() => {
  folder = makeFolder();
});

afterEach(() => removeFolder(folder));

test('secrets are made once, of full length, readable by their owner only', () => {
  const home = openHome(folder);
  const made = loadSecrets(home);
  expect(loadSecrets(home)).toEqual(made);
  expect(fs.statSync(home.secrets).mode & 0o777).toBe(0o600);
  const [id, key = ''] = made.data_keys.split(':');
  expect(id).toBe('sandbox-1');
  for (const text of [key, made.hash_key]) expect(Buffer.from(text, 'base64')).toHaveLength(32);
  expect(isApiKey(made.api_key)).toBe(true);
});

test('a home of an earlier version keeps its keys, and gets what it lacks', () => {
  const home = openHome(folder);
  writePrivately(home.secrets, { data_keys: 'sandbox-1:x', hash_key: 'y' });
  const { data_keys, hash_key, api_key, token_keys } = loadSecrets(home);
  expect([data_keys, hash_key]).toEqual(['sandbox-1:x', 'y']);
  expect(isApiKey(api_key)).toBe(true);
  expect(loadSecrets(home)).toMatchObject({ api_key, token_keys });
});

test('broken secrets are refused, not replaced: they are the key to the data', () => {
  const home = openHome(folder);
  fs.writeFileSync(home.secrets, '{"data_keys": "x"');
  expect(() => loadSecrets(home)).toThrow(/secrets\.json cannot be read[\s\S]*--reset/);
});

test('a reset forgets data and keys, and leaves what is not ours', () => {
  const home = openHome(folder);
  const before = loadSecrets(home);
  fs.mkdirSync(home.postgresDir);
  fs.writeFileSync(home.temporalDb, 'workflows');
  const ledger = join(home.simulatorsDir, 'mpesa.jsonl');
  fs.writeFileSync(ledger, 'prompts');
  fs.writeFileSync(join(folder, 'notes.txt'), 'mine');
  resetHome(home);
  for (const path of [home.postgresDir, home.temporalDb, ledger]) {
    expect(fs.existsSync(path)).toBe(false);
  }
  expect(loadSecrets(home)).not.toEqual(before);
  expect(fs.readFileSync(join(folder, 'notes.txt'), 'utf8')).toBe('mine');
});

test('of the processes a killed run left, only those still the same are ended', async () => {
  const home = openHome(folder);
  const ours = spawn('sleep', ['300']);
  const another = spawn('sleep', ['301']);
  const [pid = 0, otherPid = 0] = [ours.pid, another.pid];
  writePrivately(home.pids, {
    worker: { pid, command: 'sleep 300' },
    api: { pid: otherPid, command: 'node api/main.ts' },
  });
  expect(await endLeftovers(home)).toEqual(['worker']);
  expect(readCommandLine(pid)).toBeNull();
  expect(readCommandLine(otherPid)).toBe('sleep 301');
  expect(fs.existsSync(home.pids)).toBe(false);
  another.kill();
});

test('MALIPO_HOME is the home; without it, it lies beside package.json', () => {
  expect(chooseHome({ MALIPO_HOME: folder })).toBe(folder);
  const usual = chooseHome({});
  expect(usual).toMatch(/\.malipo$/);
  expect(fs.existsSync(join(usual, '..', 'package.json'))).toBe(true);
});
