import { Client } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, type Worker } from '@temporalio/worker';
import type { ActivityDeps } from '../../activities/index.ts';
import { createLog } from '../../config/log.ts';
import { insertTestDelivery } from '../../db/deliveries.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { loadWorkflowBundle } from '../../worker/bundle.ts';
import { dispatchDeliveries } from '../../worker/dispatcher.ts';
import { createWorkers } from '../../worker/workers.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { MERCHANT, storeEndpoint, VAULT } from '../factories.ts';
import { type Hook, openHook, silent } from '../hook.ts';
import { openNamespace, temporalAddress } from '../temporal.ts';

/** The worker’s own parts on a real Temporal, with endpoints that never answer. */
const NAMESPACE = 'deliveries';
const POLICY = { timeout_ms: 120_000, schedule_ms: [1_000], disable_after_ms: 3_600_000 };

let database: TestDatabase;
let connection: NativeConnection;
let workers: readonly Worker[];
let hooks: readonly [Hook, Hook];
let running: Promise<unknown>;
const ending = new AbortController();

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  connection = await NativeConnection.connect({ address: temporalAddress() });
  await openNamespace(NAMESPACE);
  database = await openTestDatabase();
  hooks = [await openHook(), await openHook()];
  await ensureMerchant(database.pool, MERCHANT);
  const temporal = new Client({ connection, namespace: NAMESPACE });
  const deps: ActivityDeps = {
    pool: database.pool,
    vault: VAULT,
    temporal,
    allowsLoopback: true,
    callbackUrl: () => '',
    refundCallbackUrls: () => ({}),
    clientFor: () => Promise.reject(new Error('there are no providers here')),
  };
  const bundle = await loadWorkflowBundle();
  workers = await createWorkers({ connection, namespace: NAMESPACE, bundle, deps, providers: {} });
  const log = createLog('test', 'silent');
  running = Promise.all([
    ...workers.map((worker) => worker.run()),
    dispatchDeliveries(deps, POLICY, log, ending.signal),
  ]);
}, 120_000);
afterAll(async () => {
  ending.abort();
  for (const worker of workers) worker.shutdown();
  for (const hook of hooks) await hook.close();
  await running;
  await connection.close();
  await database.close();
}, 120_000);

/** A number of deliveries to one endpoint, as so many events would make them. */
async function deliver(endpoint: { id: string; merchantId: string }, count: number) {
  for (let made = 0; made < count; made += 1) await insertTestDelivery(database.pool, endpoint);
}

async function openEndpoint({ url }: Hook) {
  const { endpoint } = await storeEndpoint(database.pool, { url });
  return { id: endpoint.id, merchantId: MERCHANT.id };
}
const listStates = (endpointId: string) =>
  database.queryAsOwner<{ status: string; dispatched: boolean; attempt_count: number }>(
    `SELECT status, dispatched_run = run AS dispatched, attempt_count FROM deliveries
     WHERE endpoint_id = $1`,
    [endpointId],
  );
type State = Awaited<ReturnType<typeof listStates>>[number];
async function untilEach(endpointId: string, isIt: (state: State) => boolean): Promise<void> {
  while (!(await listStates(endpointId)).every(isIt)) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test('an endpoint that hangs holds up no other, however much waits for it', async () => {
  const [hanging, other] = hooks;
  hanging.answer = silent;
  const slow = await openEndpoint(hanging);
  await deliver(slow, 300);
  await untilEach(slow.id, ({ dispatched }) => dispatched);
  await hanging.until((received) => received.length >= 10);
  await deliver(await openEndpoint(other), 1);
  await other.until((received) => received.length === 1);
  // The other had its turn although none of the first had ended.
  expect((await listStates(slow.id)).every((state) => state.attempt_count === 0)).toBe(true);
  expect(hanging.received.length).toBe(10);
}, 120_000);

test('much for an endpoint that answers arrives, all by its first try', async () => {
  const [, hook] = hooks;
  const endpoint = await openEndpoint(hook);
  await deliver(endpoint, 150);
  await untilEach(endpoint.id, ({ status }) => status !== 'pending');
  const once = { status: 'succeeded', dispatched: true, attempt_count: 1 };
  expect(await listStates(endpoint.id)).toEqual(Array.from({ length: 150 }, () => once));
}, 120_000);
