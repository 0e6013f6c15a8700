import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import {
  DefaultLogger,
  NativeConnection,
  Runtime,
  Worker,
  type WorkerOptions,
} from '@temporalio/worker';
import { notYet } from '../../activities/failure.ts';
import type { RecordResult } from '../../domain/payment-record.ts';
import { policy } from '../../providers/mpesa/policy.ts';
import { findQueueMetrics } from '../../temporal/queues.ts';
import { paymentReopen, paymentStart } from '../../temporal/start.ts';
import { loadWorkflowBundle } from '../../worker/bundle.ts';
import { providerTaskQueue, TASK_QUEUE } from '../../workflows/messages.ts';
import { openNamespace, temporalAddress } from '../temporal.ts';
import { makePaymentInput, STANDING } from './harness.ts';
import { addSearchAttributesTo } from './test-server.ts';

/** All merchants share a provider's queue: what moves money goes before what only asks. */
const LOOKUPS = 200;

const makeInput = (merchantId: string) => makePaymentInput(policy, { merchantId });

beforeAll(() => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
});

/** A namespace of its own, and a way to run workers there until it is closed. */
async function openServer() {
  const namespace = `queue-${randomUUID()}`;
  await openNamespace(namespace);
  const opened = new AsyncDisposableStack();
  const address = temporalAddress();
  const connection = await Connection.connect({ address });
  opened.defer(() => connection.close());
  await addSearchAttributesTo(connection, namespace);
  const native = await NativeConnection.connect({ address });
  opened.defer(() => native.close());
  const { workflow } = new Client({ connection, namespace });
  const shared = { connection: native, namespace };
  const run = (worker: Worker) => {
    const ended = worker.run();
    opened.defer(async () => {
      worker.shutdown();
      await ended;
    });
  };
  const runWorkflows = async (options: Partial<WorkerOptions> = {}) =>
    run(
      await Worker.create({
        ...shared,
        taskQueue: TASK_QUEUE,
        workflowBundle: await loadWorkflowBundle(),
        activities: {
          record: (): RecordResult => ({ status: 'processing', changed: false, refused: false }),
        },
        ...options,
      }),
    );
  const isQueued = async (call: string) =>
    (await findQueueMetrics(connection, namespace, ['mpesa'])).some(
      (it) => it.call === call && it.waiting > 0,
    );
  return { workflow, shared, run, runWorkflows, isQueued, close: () => opened.disposeAsync() };
}

it('a charge is not behind 200 look-ups of another merchant', async () => {
  const { workflow, shared, run, runWorkflows, isQueued, close } = await openServer();
  const order: string[] = [];
  try {
    await runWorkflows();
    const asked = Array.from({ length: LOOKUPS }, () => makeInput('mer_busy'));
    for (const input of asked) {
      await workflow.start('payment', paymentReopen({ ...input, standing: STANDING }));
    }
    const last = workflow.getHandle(asked.at(-1)?.workflowId ?? '');
    const isScheduled = async (handle: typeof last, name: string) =>
      (await handle.fetchHistory()).events?.some(
        (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === name,
      );
    while (!(await isScheduled(last, 'lookup'))) await sleep(50);
    const paid = await workflow.start('payment', paymentStart(makeInput('mer_other')));
    while (!(await isScheduled(paid, 'charge'))) await sleep(50);
    // A task that is scheduled is on its way to the queue.
    while (!(await isQueued('charge'))) await sleep(50);
    run(
      await Worker.create({
        ...shared,
        taskQueue: providerTaskQueue('mpesa'),
        maxConcurrentActivityTaskExecutions: 1,
        activities: {
          charge() {
            order.push('charge');
            throw notYet('that is all', 3_600_000);
          },
          lookup() {
            order.push('lookup');
            throw notYet('pending', 3_600_000);
          },
        },
      }),
    );
    while (!order.includes('charge')) await sleep(50);
    // Some look-ups may be on their way to the worker already.
    expect(order.indexOf('charge')).toBeLessThan(LOOKUPS / 10);
  } finally {
    await close();
  }
}, 60_000);

it('a payment’s first step is not behind those of 100 payments of another merchant', async () => {
  const { workflow, runWorkflows, close } = await openServer();
  const start = async (merchantId: string, count: number) =>
    await Promise.all(
      Array.from({ length: count }, () =>
        workflow.start('payment', paymentStart(makeInput(merchantId))),
      ),
    );
  const beginOf = async (handle: WorkflowHandle) => {
    const { events } = await handle.fetchHistory();
    const begun = events?.find((event) => event.workflowTaskStartedEventAttributes)?.eventTime;
    return begun ? Number(begun.seconds) * 1_000 + Number(begun.nanos) / 1e6 : null;
  };
  try {
    const busy = await start('mer_busy', 100);
    const few = await start('mer_other', 3);
    // What waits is to wait at the server.
    await runWorkflows({ maxConcurrentWorkflowTaskExecutions: 4 });
    const until = async (handle: WorkflowHandle): Promise<number> => {
      for (;;) {
        const begun = await beginOf(handle);
        if (begun !== null) return begun;
        await sleep(50);
      }
    };
    const last = Math.max(...(await Promise.all(few.map(until))));
    const begun = await Promise.all(busy.map(beginOf));
    expect(begun.filter((at) => at !== null && at < last).length).toBeLessThan(20);
  } finally {
    await close();
  }
}, 60_000);
