import { Client } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, type Worker } from '@temporalio/worker';
import type { ActivityDeps } from '../../activities/index.ts';
import { readPolicies } from '../../config/policies.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { paymentInput } from '../../domain/inputs.ts';
import type { ProviderClient } from '../../domain/provider.ts';
import { capabilitiesOf } from '../../providers/index.ts';
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

let database: TestDatabase;
let connection: NativeConnection;
let temporal: Client;
let workers: readonly Worker[];
let running: Promise<unknown>;
beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  connection = await NativeConnection.connect({ address: temporalAddress() });
  await openNamespace(NAMESPACE);
  database = await openTestDatabase();
  await ensureMerchant(database.pool, MERCHANT);
  temporal = new Client({ connection, namespace: NAMESPACE });
  const bundle = await loadWorkflowBundle();
  const providers = { mpesa: { ...POLICY, rate_limit_per_second: PER_SECOND } };
  const deps = openDeps();
  workers = await createWorkers({
    connection,
    namespace: NAMESPACE,
    bundle,
    deps,
    providers,
    deliveryLimits: readPolicies({}, null).delivery_limits,
  });
  running = Promise.all(workers.map((worker) => worker.run()));
}, 120_000);
afterAll(async () => {
  for (const worker of workers) worker.shutdown();
  await running;
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

/** Pays, and answers when the provider's part of it began, as the history has it. */
async function pay(): Promise<number> {
  const payment = await storePayment(database.pool);
  const { workflowId } = payment;
  const args = [paymentInput(payment, capabilitiesOf)];
  const handle = await temporal.workflow.start('payment', {
    workflowId,
    taskQueue: TASK_QUEUE,
    args,
  });
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
