import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { createDeliver } from '../../activities/deliver.ts';
import { readPolicies } from '../../config/policies.ts';
import { insertTestDelivery, resendDelivery } from '../../db/deliveries.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import type { Pool } from '../../db/pool.ts';
import { deliveryStart } from '../../temporal/start.ts';
import { loadWorkflowBundle } from '../../worker/bundle.ts';
import { DELIVERY_TASK_QUEUE } from '../../workflows/messages.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { MERCHANT, storeEndpoint, VAULT } from '../factories.ts';
import { openReceiver, type Receiver, saying } from '../receiver.ts';
import { openTestServer } from './test-server.ts';

/** The real workflow and activities, a real database and endpoint, on a clock that runs ahead. */
const { delivery: POLICY, delivery_limits: LIMITS } = readPolicies({}, null);
const TRIES = POLICY.schedule_ms.length + 1;

type Row = { readonly id: string; readonly status: string; readonly attempt_count: number };

let env: TestWorkflowEnvironment;
let database: TestDatabase;
let receiver: Receiver;
let endpoint: { readonly id: string; readonly merchantId: string };
let running: Promise<unknown>;
let workers: readonly Worker[];
/** The next calls of these kinds find the database away. */
const away = { reads: 0, writes: 0 };

beforeAll(async () => {
  env = await openTestServer();
  database = await openTestDatabase();
  await ensureMerchant(database.pool, MERCHANT);
  workers = await startWorkers(withAbsences(database.pool));
  running = Promise.all(workers.map((worker) => worker.run()));
});
afterAll(async () => {
  for (const worker of workers) worker.shutdown();
  await running;
  await env.teardown();
  await database.close();
});
beforeEach(async () => {
  Object.assign(away, { reads: 0, writes: 0 });
  receiver = await openReceiver();
  const made = await storeEndpoint(database.pool, { url: receiver.url });
  endpoint = { id: made.endpoint.id, merchantId: MERCHANT.id };
});
afterEach(() => receiver.close());

function withAbsences(pool: Pool): Pool {
  const isUnavailable = (kind: keyof typeof away) => {
    if (away[kind] === 0) return false;
    away[kind] -= 1;
    return true;
  };
  const refuse = () => Promise.reject(new Error('the database is away'));
  return {
    ...pool,
    one: (query) => (isUnavailable('reads') ? refuse() : pool.one(query)),
    transaction: (work) => (isUnavailable('writes') ? refuse() : pool.transaction(work)),
  };
}

async function startWorkers(pool: Pool): Promise<readonly Worker[]> {
  const common = { connection: env.nativeConnection, namespace: 'default' };
  return [
    await Worker.create({
      ...common,
      taskQueue: DELIVERY_TASK_QUEUE,
      workflowBundle: await loadWorkflowBundle(),
      activities: createDeliver({ pool, vault: VAULT, allowsLoopback: true }, LIMITS),
    }),
  ];
}

/** Runs one delivery to its end; as many days as that takes are over in a moment. */
async function runToEnd(deliveryId: string, run: number) {
  await env.client.workflow.execute(
    'webhookDelivery',
    deliveryStart({ deliveryId, policy: POLICY }, run),
  );
  const [row] = await database.queryAsOwner<Row>(
    'SELECT id, status, attempt_count FROM deliveries WHERE id = $1',
    [deliveryId],
  );
  if (row === undefined) throw new Error(`${deliveryId} is gone`);
  return row;
}
const deliver = async () => runToEnd(await insertTestDelivery(database.pool, endpoint), 1);
const idsReceived = () => new Set(receiver.received.map(({ headers }) => headers['webhook-id']));

test('what is never taken is tried as often as the schedule says, under one id', async () => {
  receiver.answer = saying(500);
  expect(await deliver()).toMatchObject({ status: 'failed', attempt_count: TRIES });
  expect([receiver.received.length, idsReceived().size]).toEqual([TRIES, 1]);
});

test('a database that is away before the POST uses up no try', async () => {
  away.reads = TRIES;
  expect(await deliver()).toMatchObject({ status: 'succeeded', attempt_count: 1 });
  expect(receiver.received).toHaveLength(1);
});

test('a POST that was not written down is sent again, and no step is lost', async () => {
  const sentAtMs: number[] = [];
  away.writes = TRIES;
  receiver.answer = (response) =>
    void env.currentTimeMs().then((ms) => {
      sentAtMs.push(ms);
      response.writeHead(500).end();
    });
  expect(await deliver()).toMatchObject({ status: 'failed', attempt_count: TRIES });
  expect([receiver.received.length, idsReceived().size]).toEqual([2 * TRIES, 1]);
  const recordedAtMs = sentAtMs.slice(-TRIES);
  POLICY.schedule_ms.forEach((pauseMs, index) => {
    const waitedMs = (recordedAtMs[index + 1] ?? 0) - (recordedAtMs[index] ?? 0);
    expect(Math.floor(waitedMs / pauseMs)).toBe(1);
  });
});

test('one that is sent again later begins with the whole schedule anew', async () => {
  receiver.answer = saying(500);
  const { id } = await deliver();
  await resendDelivery(database.pool, id);
  expect(await runToEnd(id, 2)).toEqual({ id, status: 'failed', attempt_count: 2 * TRIES });
});
