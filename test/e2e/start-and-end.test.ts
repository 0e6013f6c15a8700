import { Client, Connection } from '@temporalio/client';
import { pickPort } from '../../sandbox/ports.ts';
import { makeStkCallback } from '../api/callbacks.ts';
import { openProxy, type TestProxy } from '../api/proxy.ts';
import { openRaw } from '../api/raw.ts';
import { temporalAddress } from '../temporal.ts';
import { until } from '../until.ts';
import { type ApiProcess, startApi } from './api-process.ts';

/** The API starts before what it needs, keeps callbacks meanwhile, and ends as it is told. */
const NOWHERE = '127.0.0.1:1';
const address = temporalAddress();

let api: ApiProcess;
let door: TestProxy | null = null;
let doorPort: number;
async function startBehindDoor(env: Readonly<Record<string, string>> = {}): Promise<void> {
  doorPort = (await pickPort(0)).port;
  api = await startApi(env, doorPort);
}
afterEach(async () => {
  await api?.close();
  await door?.shut();
  door = null;
});

const ask = (path: string) =>
  fetch(`${api.url}${path}`, { headers: { authorization: `Bearer ${api.apiKey}` } });
/** Of a payment that Temporal never heard of. */
const HASH = 'f'.repeat(32);
const callBack = () =>
  fetch(`${api.url}/api/v1/webhooks/stk/${api.tokens.issue('payment', HASH, 1)}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(makeStkCallback()),
  });

test('without PostgreSQL it listens, says so, and is ready once it comes', async () => {
  await startBehindDoor();
  expect((await ask('/livez')).status).toBe(200);
  const unready = await ask('/readyz');
  expect([unready.status, await unready.json()]).toEqual([
    503,
    { status: 'unavailable', reason: 'database_away' },
  ]);
  const refused = await ask('/api/v1/payments');
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '2']);
  expect(refused.headers.get('content-type')).toContain('application/problem+json');
  expect(await refused.json()).toMatchObject({ code: 'temporarily_unavailable', retryable: true });
  door = await openProxy(api.database.appUrl, doorPort);
  await until(async () => (await ask('/readyz')).status === 200);
  expect((await ask('/api/v1/payments')).status).toBe(200);
  expect(api.readLog()).toContain('the API waits for the database');
}, 60_000);

test('a callback that comes before PostgreSQL is kept by Temporal', async () => {
  await startBehindDoor();
  expect((await callBack()).status).toBe(200);
  await until(() => api.readLog().includes('kept_by_temporal'));
  const [, id] = /"event_id":"(evt_\w+)".*"kept_by_temporal"/.exec(api.readLog()) ?? [];
  const connection = await Connection.connect({ address });
  const { workflow } = new Client({ connection });
  const { type, status } = await workflow.getHandle(`callback-${id}`).describe();
  expect([type, status.name]).toEqual(['storeCallback', 'RUNNING']);
  await workflow.getHandle(`callback-${id}`).terminate();
  await connection.close();
}, 60_000);

test('with Temporal away too it is not taken: the provider shall send it again', async () => {
  await startBehindDoor({ TEMPORAL_ADDRESS: NOWHERE });
  expect((await callBack()).status).toBe(503);
}, 60_000);

/** Closes the channel to its parent at this signal, as it closes when the parent is gone. */
const HANG_UP = "process.once('SIGUSR2',()=>process.disconnect())";

test.each([
  ['SIGTERM', 'SIGTERM'],
  ['SIGTERM', 'SIGINT'],
  ['SIGUSR2', 'SIGTERM'],
] as const)(
  'told to end by %s, it waits for a request that has begun; told again by %s, it does not',
  async (first, again) => {
    api = await startApi({ NODE_OPTIONS: `--import=data:text/javascript,${HANG_UP}` });
    const socket = await openRaw(api.url);
    socket.on('error', () => undefined);
    socket.write('POST /api/v1/webhooks/stk/x HTTP/1.1\r\n');
    // Once this is answered, the bytes before it were read.
    expect((await ask('/livez')).status).toBe(200);
    process.kill(api.pid, first);
    await until(() => api.readLog().includes('the API drains'));
    process.kill(api.pid, again);
    expect(await api.exited).toEqual({ code: 1, signal: null });
    expect(api.readLog()).toContain('the API ends at once');
    socket.destroy();
  },
  60_000,
);
