import { Client } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, type Worker } from '@temporalio/worker';
import type { ActivityDeps } from '../../activities/index.ts';
import { createLog } from '../../config/log.ts';
import { readPolicies } from '../../config/policies.ts';
import { insertTestDelivery } from '../../db/deliveries.ts';
import { newId } from '../../db/ids.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { sql } from '../../db/sql.ts';
import { loadWorkflowBundle } from '../../worker/bundle.ts';
import { dispatchDeliveries } from '../../worker/dispatcher.ts';
import { createWorkers } from '../../worker/workers.ts';
import { DELIVERY_TASK_QUEUE, TASK_QUEUE } from '../../workflows/messages.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { storeEndpoint, VAULT } from '../factories.ts';
import { openReceiver, type Receiver, saying, silent } from '../receiver.ts';
import { openNamespace, temporalAddress } from '../temporal.ts';

/**
 * The worker’s own parts on a real Temporal, with endpoints that never answer. Two dispatchers run,
 * as in two workers; the worker of payments does not, so nothing here needs its places.
 */
const NAMESPACE = 'deliveries';
const POLICY = { timeout_ms: 120_000, schedule_ms: [1_000], disable_after_ms: 3_600_000 };
const LIMITS = readPolicies({}, null).delivery_limits;

let database: TestDatabase;
let connection: NativeConnection;
let temporal: Client;
let workers: readonly Worker[];
let running: Promise<unknown>;
let receivers: Receiver[];
const ending = new AbortController();
const isOfPayments = ({ options }: Worker) => options.taskQueue === TASK_QUEUE;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  connection = await NativeConnection.connect({ address: temporalAddress() });
  await openNamespace(NAMESPACE);
  database = await openTestDatabase();
  receivers = [];
  temporal = new Client({ connection, namespace: NAMESPACE });
  const deps: ActivityDeps = {
    pool: database.pool,
    vault: VAULT,
    temporal,
    allowsLoopback: true,
    callbackUrl: () => '',
    refundCallbackUrls: () => ({}),
    clientFor: () => Promise.reject(new Error('there are no providers here')),
  };
  workers = await createWorkers({
    connection,
    namespace: NAMESPACE,
    bundle: await loadWorkflowBundle(),
    deps,
    providers: {},
    deliveryLimits: LIMITS,
  });
  const dispatch = () =>
    dispatchDeliveries(deps, POLICY, LIMITS, createLog('test', 'silent'), ending.signal);
  const others = workers.filter((worker) => !isOfPayments(worker)).map((worker) => worker.run());
  running = Promise.all([...others, dispatch(), dispatch()]);
}, 120_000);
afterAll(async () => {
  ending.abort();
  // A worker that never ran would keep the connection open.
  const unused = workers.filter(isOfPayments).map((worker) => worker.run());
  for (const worker of workers) worker.shutdown();
  for (const receiver of receivers) await receiver.close();
  await Promise.all([running, ...unused]);
  await connection.close();
  await database.close();
}, 120_000);

type Endpoint = { readonly id: string; readonly merchantId: string };

/** So many deliveries to each of the endpoints, all at once, as a recovery makes them. */
function deliver(endpoints: readonly Endpoint[], count: number): Promise<readonly string[]> {
  return database.pool.transaction(async (db) => {
    const made: string[] = [];
    for (const endpoint of endpoints) {
      for (let nth = 0; nth < count; nth += 1) made.push(await insertTestDelivery(db, endpoint));
    }
    return made;
  });
}
async function openMerchant(): Promise<string> {
  const id = newId('merchant');
  await ensureMerchant(database.pool, { id, name: 'Duka' });
  return id;
}
async function openReceiverThat(answer?: Receiver['answer']): Promise<Receiver> {
  const receiver = await openReceiver();
  if (answer !== undefined) receiver.answer = answer;
  receivers.push(receiver);
  return receiver;
}
async function openEndpoint(merchantId: string, { url }: Receiver): Promise<Endpoint> {
  const own = { merchantId, url: `${url}?${newId('webhook_endpoint')}` };
  return { id: (await storeEndpoint(database.pool, own)).endpoint.id, merchantId };
}

type State = { readonly status: string; readonly dispatched: boolean; readonly tries: number };
const listStates = (merchantId: string) =>
  database.queryAsOwner<State>(
    `SELECT status, dispatched_run = run AS dispatched, attempt_count AS tries FROM deliveries
     WHERE merchant_id = $1`,
    [merchantId],
  );
async function untilEach(merchantId: string, isIt: (state: State) => boolean): Promise<void> {
  while (!(await listStates(merchantId)).every(isIt)) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
const countDispatched = async (merchantId: string) =>
  (await listStates(merchantId)).filter(({ dispatched }) => dispatched).length;

test('an endpoint that hangs holds up no other of its merchant, however much waits', async () => {
  const [hanging, other] = [await openReceiverThat(silent), await openReceiverThat()];
  const merchantId = await openMerchant();
  await deliver([await openEndpoint(merchantId, hanging)], 300);
  await hanging.until(({ length }) => length >= LIMITS.posts_per_endpoint_max);
  await deliver([await openEndpoint(merchantId, other)], 1);
  await other.until(({ length }) => length === 1);
  await untilEach(merchantId, ({ status, tries }) => (status === 'pending') === (tries === 0));
  // The other had its turn although none of the first had ended.
  expect(hanging.received).toHaveLength(LIMITS.posts_per_endpoint_max);
  expect(await countDispatched(merchantId)).toBe(LIMITS.first_tries_per_endpoint_max + 1);
}, 120_000);

test('a merchant whose endpoints all hang holds up no other merchant', async () => {
  const [hanging, receiver] = [await openReceiverThat(silent), await openReceiverThat()];
  const [slow, quick] = [await openMerchant(), await openMerchant()];
  const endpoints: Endpoint[] = [];
  while (endpoints.length < LIMITS.endpoints_max) {
    endpoints.push(await openEndpoint(slow, hanging));
  }
  await deliver(endpoints, 12);
  await hanging.until(({ length }) => length >= LIMITS.posts_max);
  const [id] = await deliver([await openEndpoint(quick, receiver)], 1);
  await receiver.until(({ length }) => length === 1);
  expect((await listStates(slow)).every(({ tries }) => tries === 0)).toBe(true);
  expect(hanging.received).toHaveLength(LIMITS.posts_max);
  expect(await countDispatched(slow)).toBe(LIMITS.first_tries_max);
  const { taskQueue } = await temporal.workflow.getHandle(`delivery-${id}-1`).describe();
  expect(taskQueue).toBe(DELIVERY_TASK_QUEUE);
}, 120_000);

test('much for an endpoint that answers arrives, all of it once', async () => {
  const receiver = await openReceiverThat();
  const merchantId = await openMerchant();
  await deliver([await openEndpoint(merchantId, receiver)], 150);
  await untilEach(merchantId, ({ status, dispatched }) => status !== 'pending' && dispatched);
  const once = { status: 'succeeded', dispatched: true, tries: 1 };
  expect(await listStates(merchantId)).toEqual(Array.from({ length: 150 }, () => once));
  expect(new Set(receiver.received.map(({ event }) => event.id)).size).toBe(150);
  expect(receiver.received).toHaveLength(150);
}, 120_000);

const setOverdue = (id: string) =>
  database.queryAsOwner(
    "UPDATE deliveries SET dispatched_run = run, overdue_at = now() - interval '1 s' WHERE id = $1",
    [id],
  );

test('a delivery that Temporal has lost is started again', async () => {
  const receiver = await openReceiverThat();
  const merchantId = await openMerchant();
  const endpoint = await openEndpoint(merchantId, receiver);
  const lost = await database.pool.transaction(async (db) => {
    const id = await insertTestDelivery(db, endpoint);
    await db.query(sql.typeAlias('none')`
      UPDATE deliveries SET dispatched_run = run, overdue_at = now() WHERE id = ${id}`);
    return id;
  });
  await untilEach(merchantId, ({ status }) => status === 'succeeded');
  await temporal.workflow.getHandle(`delivery-${lost}-1`).result();
  expect(receiver.received).toHaveLength(1);
}, 120_000);

test('a delivery whose workflow has ended without it is sent by another one', async () => {
  const receiver = await openReceiverThat(silent);
  const merchantId = await openMerchant();
  const [id = ''] = await deliver([await openEndpoint(merchantId, receiver)], 1);
  await receiver.until(({ length }) => length === 1);
  // While its workflow runs, nothing is started beside it.
  await setOverdue(id);
  const untilSeen = `SELECT id FROM deliveries WHERE id = $1 AND overdue_at > now()`;
  while ((await database.queryAsOwner(untilSeen, [id])).length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const findRun = () => database.queryAsOwner('SELECT run FROM deliveries WHERE id = $1', [id]);
  expect(await findRun()).toEqual([{ run: 1 }]);
  receiver.answer = saying(200);
  await temporal.workflow.getHandle(`delivery-${id}-1`).terminate('a mistake');
  await setOverdue(id);
  await untilEach(merchantId, ({ status }) => status === 'succeeded');
  expect(await findRun()).toEqual([{ run: 2 }]);
  expect(new Set(receiver.received.map(({ event }) => event.id)).size).toBe(1);
}, 120_000);
