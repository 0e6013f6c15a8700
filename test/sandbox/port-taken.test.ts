import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { type BootContext, choosePort, withFreePorts } from '../../sandbox/boot-context.ts';
import { isPortTaken, StartFailure } from '../../sandbox/failure.ts';
import { openHome } from '../../sandbox/home.ts';
import { pickPort } from '../../sandbox/ports.ts';
import { startPostgres } from '../../sandbox/postgres.ts';
import { describeApi, describeSimulator, describeWorker } from '../../sandbox/services.ts';
import { Supervisor } from '../../sandbox/supervisor.ts';
import { startTemporal } from '../../sandbox/temporal.ts';
import { makeFolder, removeFolder } from './folder.ts';

/** Somebody listens on a port that was free when it was chosen. */
let taken: Server;
let port: number;
let folder: string;
let said: string[];
let supervisor: Supervisor;

beforeEach(async () => {
  taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  ({ port } = taken.address() as AddressInfo);
  folder = makeFolder();
  said = [];
  supervisor = new Supervisor({ restartsDead: false, say: (line) => said.push(line) });
});

afterEach(async () => {
  await supervisor.stop();
  taken.close();
  removeFolder(folder);
});

const describeMpesa = (on: number) =>
  describeSimulator(openHome(folder), {
    provider: 'mpesa',
    port: on,
    settings: {},
    webhookUrl: 'http://127.0.0.1:9',
  });

const logPath = () => join(folder, 'log');
const STARTS = {
  PostgreSQL: () => startPostgres({ dataDir: join(folder, 'data'), port, logPath: logPath() }),
  Temporal: () => launchTemporal({ port, uiPort: null }),
  'the Temporal Web UI': async () =>
    launchTemporal({ port: (await pickPort(0)).port, uiPort: port }),
  'a simulator': () => supervisor.add(describeMpesa(port)),
  'the API': async () => addApi(port, (await pickPort(0)).port),
  'what tells the API’s metrics': async () => addApi((await pickPort(0)).port, port),
  'what tells the worker’s metrics': () =>
    supervisor.add(describeWorker(openHome(folder), { env: PROGRAM, metricsPort: port })),
};

const KEY = Buffer.alloc(32).toString('base64');
const PROGRAM = {
  DATABASE_URL: 'postgres://malipo@127.0.0.1:9/none',
  TEMPORAL_ADDRESS: '127.0.0.1:9',
  MALIPO_PUBLIC_URL: 'http://127.0.0.1:9',
  MALIPO_ENVIRONMENT: 'sandbox',
  MALIPO_DATA_KEYS: `k1:${KEY}`,
  MALIPO_HASH_KEY: KEY,
  MALIPO_TOKEN_KEYS: `k1:${KEY}`,
};

function addApi(on: number, metricsPort: number) {
  const setting = { env: PROGRAM, metricsPort };
  return supervisor.add(describeApi(openHome(folder), 0, `http://127.0.0.1:${on}`, setting));
}

function launchTemporal(ports: { readonly port: number; readonly uiPort: number | null }) {
  const cliPath = process.env.MALIPO_TEST_TEMPORAL_CLI ?? 'temporal';
  const fixed = { dbPath: null, logPath: logPath(), namespace: 'default' };
  return startTemporal({ cliPath, ...ports, ...fixed });
}

test.each(Object.entries(STARTS))('%s says that its port is taken', async (_, begin) => {
  const failure = await Promise.resolve(begin()).then(
    () => null,
    (error: unknown) => error,
  );
  expect([isPortTaken(failure), failure]).toEqual([true, expect.any(StartFailure)]);
  expect(supervisor.listNames()).toEqual([]);
});

const context = (): BootContext => ({
  options: { home: folder },
  home: openHome(folder),
  supervisor,
  say: (line) => said.push(line),
});

test('a part whose port was taken between its choice and its use gets another', async () => {
  const listens = await withFreePorts(context(), 'simulator', async (isFirst) => {
    const chosen = isFirst ? port : await choosePort(context(), 'simulator', 0);
    await supervisor.add(describeMpesa(chosen));
    return chosen;
  });
  expect(listens).not.toBe(port);
  expect((await fetch(`http://127.0.0.1:${listens}/`)).status).toBe(200);
  expect(supervisor.listNames()).toEqual(['simulator_mpesa']);
  expect(said).toEqual(['simulator: its port was taken meanwhile; trying another']);
});

test('any other failure ends the start, and so does one that never ends', async () => {
  let tries = 0;
  const failWith = (reason: string) =>
    withFreePorts(context(), 'part', () => {
      tries += 1;
      return Promise.reject(new StartFailure('A part', reason, 'mend it'));
    });
  await expect(failWith('invalid password')).rejects.toMatchObject({ reason: 'invalid password' });
  expect(tries).toBe(1);
  await expect(failWith('listen EADDRINUSE: 127.0.0.1:80')).rejects.toBeInstanceOf(StartFailure);
  expect(tries).toBe(6);
});
