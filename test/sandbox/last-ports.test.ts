import * as fs from 'node:fs';
import type { Booted } from '../../sandbox/boot-context.ts';
import { type Home, openHome, resetHome } from '../../sandbox/home.ts';
import { listPreferred, rememberPorts } from '../../sandbox/last-ports.ts';
import { FREE_PORTS, type WorldOptions } from '../../sandbox/world-options.ts';
import { makeFolder, removeFolder } from './folder.ts';

let folder: string;
let home: Home;

beforeEach(() => {
  folder = makeFolder();
  home = openHome(folder);
});

afterEach(() => removeFolder(folder));

const BOOTED: Booted = {
  ownerDatabaseUrl: 'postgres://malipo@127.0.0.1:20001/malipo',
  databaseUrl: 'postgres://malipo_app@127.0.0.1:20001/malipo',
  temporal: { address: '127.0.0.1:20002', namespace: 'default', uiUrl: 'http://127.0.0.1:20003' },
  simulators: [{ name: 'mpesa', url: 'http://127.0.0.1:20004', page: null, credentials: {} }],
  apiUrls: ['http://127.0.0.1:20005', 'http://127.0.0.1:20006'],
  metricsUrls: {},
  secrets: { data_keys: '', hash_key: '', token_keys: '', operator_password: '', api_key: '' },
};

const PARTS = ['api', 'postgres', 'temporal', 'temporal_ui', 'mpesa simulator'];

function remember(options: Partial<WorldOptions> = {}): readonly (readonly number[])[] {
  rememberPorts(home, { home: folder, ...options }, BOOTED);
  return PARTS.map((part) => listPreferred(home, part, 9));
}

test('the ports of last time come before the usual ones, until a reset', () => {
  expect(PARTS.map((part) => listPreferred(home, part, 9))).toEqual(PARTS.map(() => [9]));
  const expected = [20_005, 20_001, 20_002, 20_003, 20_004].map((port) => [port, 9]);
  expect(remember()).toEqual(expected);
  expect(listPreferred(home, 'api', 0)).toEqual([]);
  resetHome(home);
  expect(listPreferred(home, 'api', 9)).toEqual([9]);
});

const USUAL = [9];
test.each<[string, Partial<WorldOptions>, readonly (readonly number[])[]]>([
  ['that could be any', { ports: FREE_PORTS }, PARTS.map(() => USUAL)],
  [
    'of servers that are not ours',
    {
      databaseUrl: 'postgres://db.example.test/malipo',
      temporal: { address: 'temporal.example.test:7233', namespace: 'default' },
    },
    [[20_005, 9], USUAL, USUAL, USUAL, [20_004, 9]],
  ],
])('ports %s are not kept', (_, options, expected) => {
  expect(remember(options)).toEqual(expected);
});

test.each(['', '{"api": "x"}', '[]', '{"api": 70000}'])('%j is no memory', (text) => {
  fs.writeFileSync(home.ports, text);
  expect(listPreferred(home, 'api', 9)).toEqual([9]);
  expect(remember()[0]).toEqual([20_005, 9]);
});
