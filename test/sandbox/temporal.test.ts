import * as fs from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { pickPort } from '../../sandbox/ports.ts';
import { readCommandLine, sendSignal } from '../../sandbox/process.ts';
import { type RunningTemporal, startTemporal } from '../../sandbox/temporal.ts';
import { makeFolder, removeFolder, writeProgram } from './folder.ts';

const cliPath = process.env.MALIPO_TEST_TEMPORAL_CLI ?? 'temporal';
let folder: string;
let port: number;
const running: RunningTemporal[] = [];

beforeEach(async () => {
  folder = makeFolder();
  ({ port } = await pickPort(0));
});

afterEach(async () => {
  for (const server of running.splice(0)) await server.stop();
  removeFolder(folder);
});

async function start(namespace = 'default'): Promise<RunningTemporal> {
  const server = await startTemporal({
    cliPath,
    port,
    uiPort: null,
    dbPath: join(folder, 'temporal', 'temporal.db'),
    logPath: join(folder, 'temporal.log'),
    namespace,
  });
  running.push(server);
  return server;
}

async function withClient<Result>(
  { address, namespace }: RunningTemporal,
  work: (client: Client) => Promise<Result>,
): Promise<Result> {
  const connection = await Connection.connect({ address });
  try {
    return await work(new Client({ connection, namespace }));
  } finally {
    await connection.close();
  }
}

function startWorkflow(server: RunningTemporal): Promise<unknown> {
  const options = { workflowId: 'kept', taskQueue: 'nobody-listens' };
  return withClient(server, (client) => client.workflow.start('anything', options));
}

async function readStatus(server: RunningTemporal): Promise<string> {
  return withClient(server, async (client) => {
    const { status } = await client.workflow.getHandle('kept').describe();
    return status.name;
  });
}

test('a workflow started before a stop is there after a start on the same file', async () => {
  const first = await start();
  await startWorkflow(first);
  await first.stop();
  expect(readCommandLine(first.pid)).toBeNull();
  expect(await readStatus(await start())).toBe('RUNNING');
});

test('a workflow started before a kill -9 is there after the next start', async () => {
  const first = await start();
  await startWorkflow(first);
  sendSignal(first.pid, 'SIGKILL');
  await first.exited;
  expect(await readStatus(await start())).toBe('RUNNING');
});

test('it is ready only when the wanted namespace can be used', async () => {
  await startWorkflow(await start('payments'));
});

test('a taken port is an error, not another server taken for ours', async () => {
  await start();
  const second = startTemporal({
    cliPath,
    port,
    uiPort: null,
    dbPath: null,
    logPath: join(folder, 'second.log'),
    namespace: 'default',
  });
  await expect(second).rejects.toMatchObject({
    part: 'Temporal',
    reason: `port ${port} is taken`,
  });
});

test('when it cannot start, the error says why, with the log and what mends it', async () => {
  fs.mkdirSync(join(folder, 'temporal'));
  writeProgram(folder, 'temporal/temporal.db', 'this is no database, however long it may be');
  await expect(start()).rejects.toMatchObject({
    part: 'Temporal',
    reason: expect.stringMatching(/ended at once \(exit code 1\)\n[\s\S]*not a database/),
    remedy: expect.stringContaining('TEMPORAL_ADDRESS'),
  });
});
