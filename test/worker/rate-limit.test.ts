import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, type Worker } from '@temporalio/worker';
import type { ActivityDeps } from '../../activities/index.ts';
import { readPolicies } from '../../config/policies.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import type { NewPayment } from '../../db/payments.ts';
import { paymentInput } from '../../domain/inputs.ts';
import type { ProviderClient } from '../../domain/provider.ts';
import { capabilitiesOf } from '../../providers/index.ts';
import { describeExecution } from '../../temporal/describe.ts';
import { findQueueMetrics } from '../../temporal/queues.ts';
import { loadWorkflowBundle } from '../../worker/bundle.ts';
import { createWorkers } from '../../worker/workers.ts';
import { TASK_QUEUE } from '../../workflows/messages.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { MERCHANT, makeOutcome, POLICY, storePayment, VAULT } from '../factories.ts';
import { openNamespace, temporalAddress } from '../temporal.ts';

/** The worker on a real Temporal, with a provider that takes so many calls a second and no more. */
const NAMESPACE = 'rate-limit';
const PER_SECOND = 4;
const PAYMENTS = 20;
/** Of one merchant, at a provider that is quick enough for a test; and of another, behind them. */
const FLOOD = 100;
const FEW = 3;
const FLOOD_PER_SECOND = 40;
const OTHER_MERCHANT = { id: 'mer_0193e0d5a1c27d3f8c1e2b3a4d5e6f71', name: 'Duka la Pili' };

let database: TestDatabase;
let connection: NativeConnection;
let client: Connection;
let temporal: Client;
let workers: readonly Worker[];
let running: Promise<void>[] = [];
beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  connection = await NativeConnection.connect({ address: temporalAddress() });
  client = await Connection.connect({ address: temporalAddress() });
  await openNamespace(NAMESPACE);
  database = await openTestDatabase();
  await ensureMerchant(database.pool, MERCHANT);
  await ensureMerchant(database.pool, OTHER_MERCHANT);
  temporal = new Client({ connection, namespace: NAMESPACE });
  const bundle = await loadWorkflowBundle();
  const providers = {
    mpesa: { ...POLICY, rate_limit_per_second: PER_SECOND },
    cpay: { ...POLICY, rate_limit_per_second: FLOOD_PER_SECOND },
  };
  const deps = openDeps();
  workers = await createWorkers({
    connection,
    namespace: NAMESPACE,
    bundle,
    deps,
    providers,
    deliveryLimits: readPolicies({}, null).delivery_limits,
  });
  // The last worker waits until enough waits for it.
  running = workers.slice(0, -1).map((worker) => worker.run());
}, 120_000);
afterAll(async () => {
  for (const worker of workers.slice(0, running.length)) worker.shutdown();
  await Promise.all(running);
  await client.close();
  await connection.close();
  await database.close();
}, 120_000);

function openDeps(): ActivityDeps {
  const client: ProviderClient = {
    async charge({ attemptRef }, { dispatch }) {
      await dispatch();
      return makeOutcome('succeeded', { providerPaymentId: attemptRef, receipt: attemptRef });
    },
    lookup: () => Promise.reject(new Error('there is nothing to ask')),
    close: () => Promise.resolve(),
  };
  return {
    pool: database.pool,
    vault: VAULT,
    temporal,
    allowsLoopback: true,
    callbackUrl: () => '',
    refundCallbackUrls: () => ({}),
    clientFor: () => Promise.resolve(client),
  };
}

async function start(changes: Partial<NewPayment> = {}) {
  const payment = await storePayment(database.pool, changes);
  const { workflowId } = payment;
  const args = [paymentInput(payment, capabilitiesOf)];
  return await temporal.workflow.start('payment', { workflowId, taskQueue: TASK_QUEUE, args });
}

/** Starts a payment whose charge waits for the provider's worker when this answers. */
async function queue(merchantId: string) {
  const provider = { provider: 'cpay', credentialsRef: 'env:cpay' };
  const handle = await start({ merchantId, ...provider });
  const countPending = async () => (await handle.describe()).raw.pendingActivities?.length ?? 0;
  while ((await countPending()) === 0) await sleep(20);
  return handle;
}

/** Pays, and answers when the provider's part of it began, as the history has it. */
async function pay(): Promise<number> {
  const handle = await start();
  expect(await handle.result()).toEqual({ status: 'succeeded' });
  const { events } = await handle.fetchHistory();
  const started = events?.find((event) => event.activityTaskStartedEventAttributes);
  const { seconds, nanos } = started?.eventTime ?? {};
  return Number(seconds) * 1_000 + Number(nanos) / 1e6;
}

test('a provider is not called more often than its policy says, however much waits', async () => {
  const startedMs = await Promise.all(Array.from({ length: PAYMENTS }, pay));
  const spanMs = Math.max(...startedMs) - Math.min(...startedMs);
  // Each of the queue's partitions lets one or two through at first. Unlimited, all begin within
  // a fraction of a second; a busy machine makes it longer, never shorter.
  expect(spanMs).toBeGreaterThan(((PAYMENTS - 12) / PER_SECOND) * 1_000);
}, 60_000);

test('three charges of one merchant do not wait behind a hundred of another', async () => {
  await Promise.all(Array.from({ length: FLOOD }, () => queue(MERCHANT.id)));
  const few = await Promise.all(Array.from({ length: FEW }, () => queue(OTHER_MERCHANT.id)));
  for (const { workflowId } of few) {
    const { activities } = await describeExecution(temporal, workflowId);
    expect(activities).toMatchObject([{ type: 'charge', state: 'queued', lastError: null }]);
  }
  const queues = await findQueueMetrics(client, NAMESPACE, ['cpay', 'mpesa']);
  expect(queues).toHaveLength(10);
  const waiting = (provider: string, call: string) =>
    queues.find((it) => it.provider === provider && it.call === call)?.waiting;
  // Temporal counts roughly while tasks come and go.
  expect(waiting('cpay', 'charge')).toBeGreaterThan(FLOOD / 2);
  expect([waiting('cpay', 'refund'), waiting('mpesa', 'charge')]).toEqual([0, 0]);
  running.push(...workers.slice(-1).map((worker) => worker.run()));
  for (const handle of few) expect(await handle.result()).toEqual({ status: 'succeeded' });
  const sent = await database.queryAsOwner<{ merchant_id: string }>(
    `SELECT p.merchant_id FROM attempts a JOIN payments p ON p.id = a.payment_id
     WHERE p.provider = 'cpay' AND a.dispatched_at IS NOT NULL ORDER BY a.dispatched_at`,
  );
  // By turns these would be the first of each; the queue has partitions, and hands out in batches.
  const last = sent.findLastIndex(({ merchant_id }) => merchant_id === OTHER_MERCHANT.id);
  expect(last).toBeLessThan(FLOOD / 2);
}, 60_000);
