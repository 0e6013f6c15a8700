import { setTimeout as sleep } from 'node:timers/promises';
import { Client, WorkflowFailedError } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import {
  type ActivityDeps,
  createDatabaseActivities,
  createProviderActivities,
} from '../../activities/index.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import type { Pool } from '../../db/pool.ts';
import { attemptReference } from '../../domain/id.ts';
import type { LookupResult } from '../../domain/outcome.ts';
import type { Payment } from '../../domain/payment.ts';
import type { ProviderClient } from '../../domain/provider.ts';
import type { RefundResult } from '../../domain/refund.ts';
import { loadWorkflowBundle } from '../../worker/bundle.ts';
import { providerTaskQueue, type SweepInput, TASK_QUEUE } from '../../workflows/messages.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { listEntries, MERCHANT, POLICY, VAULT } from '../factories.ts';
import { STANDING } from './harness.ts';
import { openTestServer } from './test-server.ts';

/** What the scripted provider says, and what it was told: by workflow, or by attempt. */
export type Provider = {
  lookup: LookupResult;
  lookupRefund: RefundResult;
  settlement: LookupResult;
  /** Awaited by each send before it is claimed. */
  beforeSend: () => Promise<void>;
  /** What happens to the worker while the provider answers a send. */
  whileSent?: (() => void) | undefined;
  readonly sent: string[];
  readonly asked: string[];
  readonly settled: string[];
};

export type SweepHarness = {
  readonly env: TestWorkflowEnvironment;
  readonly temporal: Client;
  readonly database: TestDatabase;
  readonly pool: Pool;
  readonly provider: Provider;
  /** One statement as the database's owner. */
  own(text: string, values?: unknown[]): ReturnType<TestDatabase['queryAsOwner']>;
  /** What the trail of a payment says, in its order. */
  actionsOf(payment: { readonly id: string }): Promise<readonly string[]>;
  /** How often the provider was asked about a payment, by the reference of its attempt. */
  asksOf(payment: Pick<Payment, 'workflowId' | 'attemptOrdinal'>): number;
  /** How often the provider was sent the payment or refund of this workflow. */
  sendsOf(sent: { readonly workflowId: string }): number;
  /** @param what comes about by itself; it is named when it does not come in time. */
  until(isSo: () => Promise<boolean> | boolean, what: string): Promise<void>;
  /** Before each test: the provider says nothing definite again. */
  reset(): void;
  /** One round of the sweeper. */
  sweep(): Promise<void>;
  /** Leaves a run that has ended before its payment, as somebody does who ends it in the Web UI. */
  endRun(workflowId: string): Promise<void>;
  close(): Promise<void>;
};

const ROUND: SweepInput = { unstarted_after_ms: 15_000, undelivered_after_ms: 10_000, batch: 100 };
const SAID = { providerPaymentId: 'ws_CO_1', providerCode: null, message: 'in progress' };
const PENDING = { kind: 'pending', ...SAID } as const;
const REFUND_PENDING = { ...PENDING, providerRefundId: 're_1' } as const;

/** The real workflows, activities and rows; only the provider's client follows a script. */
export async function openSweepHarness(): Promise<SweepHarness> {
  const database = await openTestDatabase();
  await ensureMerchant(database.pool, MERCHANT);
  const env = await openTestServer();
  const temporal = new Client({ connection: env.connection });
  const provider: Provider = { ...SILENT, sent: [], asked: [], settled: [] };
  const { pool } = database;
  const workers = await createWorkers(env, {
    pool,
    vault: VAULT,
    temporal,
    allowsLoopback: true,
    callbackUrl: () => 'http://127.0.0.1:1/callback',
    refundCallbackUrls: () => ({}),
    clientFor: () => Promise.resolve(clientOf(provider)),
  });
  const ended = Promise.all(workers.map((worker) => worker.run()));
  let runs = 0;
  return {
    env,
    temporal,
    database,
    pool,
    provider,
    ...openReadings(database, provider),
    reset: () => void Object.assign(provider, SILENT),
    async sweep() {
      runs += 1;
      const workflowId = `sweep-${runs}`;
      const start = { workflowId, taskQueue: TASK_QUEUE, args: [ROUND] };
      await temporal.workflow.execute('sweep', start);
    },
    async endRun(workflowId) {
      const args = [{ workflowId, policy: POLICY, standing: { ...STANDING, status: 'failed' } }];
      const start = { workflowId, taskQueue: TASK_QUEUE, args };
      const handle = await temporal.workflow.start('payment', start);
      // Not terminated: with a task that nobody took the time of the test server stands still.
      await handle.cancel();
      await handle.result().catch((error: unknown) => {
        if (!(error instanceof WorkflowFailedError)) throw error;
      });
    },
    async close() {
      for (const worker of workers) worker.shutdown();
      await ended;
      await env.teardown();
      await database.close();
    },
  };
}

function openReadings(database: TestDatabase, provider: Provider) {
  return {
    own: (text: string, values?: unknown[]) => database.queryAsOwner(text, values),
    async actionsOf(payment: { readonly id: string }) {
      return (await listEntries(database, payment)).map(({ action }) => action);
    },
    asksOf({ workflowId, attemptOrdinal }: Pick<Payment, 'workflowId' | 'attemptOrdinal'>) {
      const reference = attemptReference(workflowId, attemptOrdinal);
      return provider.asked.filter((it) => it === reference).length;
    },
    sendsOf: ({ workflowId }: { readonly workflowId: string }) =>
      provider.sent.filter((it) => it === workflowId).length,
    async until(isSo: () => Promise<boolean> | boolean, what: string) {
      for (let tries = 0; tries < 800; tries += 1) {
        if (await isSo()) return;
        await sleep(50);
      }
      throw new Error(`not in time: ${what}`);
    },
  };
}

/** What it says until a test says otherwise: nothing definite. */
const SILENT = {
  lookup: PENDING,
  lookupRefund: REFUND_PENDING,
  settlement: PENDING,
  beforeSend: () => Promise.resolve(),
} as const satisfies Partial<Provider>;

function clientOf(provider: Provider): ProviderClient {
  return {
    async charge({ workflowId }, { dispatch }) {
      await provider.beforeSend();
      await dispatch();
      provider.sent.push(workflowId);
      provider.whileSent?.();
      return PENDING;
    },
    lookup({ attemptRef }) {
      provider.asked.push(attemptRef);
      return Promise.resolve(provider.lookup);
    },
    capture({ amount }) {
      provider.settled.push(`capture ${amount.amountMinor}`);
      return Promise.resolve(provider.settlement);
    },
    cancel({ providerPaymentId }) {
      provider.settled.push(`cancel ${providerPaymentId}`);
      return Promise.resolve(provider.settlement);
    },
    async refund({ workflowId }, { dispatch }) {
      await provider.beforeSend();
      await dispatch();
      provider.sent.push(workflowId);
      provider.whileSent?.();
      return REFUND_PENDING;
    },
    lookupRefund({ workflowId }) {
      provider.asked.push(workflowId);
      return Promise.resolve(provider.lookupRefund);
    },
    close: () => Promise.resolve(),
  };
}

async function createWorkers(env: TestWorkflowEnvironment, deps: ActivityDeps) {
  const common = { connection: env.nativeConnection, namespace: 'default' };
  return await Promise.all([
    Worker.create({
      ...common,
      taskQueue: TASK_QUEUE,
      workflowBundle: await loadWorkflowBundle(),
      activities: createDatabaseActivities(deps),
    }),
    ...['stripe', 'mpesa'].map((provider) =>
      Worker.create({
        ...common,
        taskQueue: providerTaskQueue(provider),
        activities: createProviderActivities(deps),
      }),
    ),
  ]);
}
