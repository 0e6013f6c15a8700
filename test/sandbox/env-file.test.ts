import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { SandboxDetails } from '../../sandbox/details.ts';
import { quoteForShell, writeEnvFile } from '../../sandbox/env-file.ts';
import { makeFolder, removeFolder } from './folder.ts';

let folder: string;

beforeEach(() => {
  folder = makeFolder();
});

afterEach(() => removeFolder(folder));

const DETAILS: SandboxDetails = {
  api_url: 'http://127.0.0.1:28366',
  api_key: 'sk_test_0123',
  operator: { email: '', password: '' },
  second_operator: { email: '', password: '' },
  temporal_address: '',
  temporal_namespace: '',
  temporal_ui_url: null,
  database_url: '',
  owner_database_url: '',
  metrics_urls: {},
  simulators: {},
  pids: {},
  logs_dir: '',
  env_file: '',
};

test.each([
  ['no proxy', undefined, '-'],
  ['a proxy', 'a.example,127.0.0.1', 'a.example,127.0.0.1'],
])('a shell with %s reads where the sandbox runs', (_, noProxy, expected) => {
  // As a folder may be called: the line of the banner is pasted as it is.
  const path = join(folder, "Dükkan ya Mama Njëri's");
  writeEnvFile(path, DETAILS, noProxy);
  const script = `. ${quoteForShell(path)}; env`;
  const printed = execFileSync('/bin/sh', ['-euc', script], { env: {} }).toString().split('\n');
  const read = (name: string) =>
    printed.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1) ?? '-';
  expect(['MALIPO_URL', 'MALIPO_KEY', 'no_proxy', 'NO_PROXY'].map(read)).toEqual([
    DETAILS.api_url,
    DETAILS.api_key,
    expected,
    expected,
  ]);
});
