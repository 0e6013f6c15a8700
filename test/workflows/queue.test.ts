import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { notYet } from '../../activities/failure.ts';
import type { RecordResult } from '../../domain/payment-record.ts';
import { policy } from '../../providers/mpesa/policy.ts';
import { loadWorkflowBundle } from '../../worker/bundle.ts';
import {
  paymentStart,
  providerTaskQueue,
  recoveryStart,
  TASK_QUEUE,
} from '../../workflows/messages.ts';
import { openNamespace, temporalAddress } from '../temporal.ts';
import { makePaymentInput, STANDING } from './stage.ts';
import { addSearchAttributesTo } from './test-server.ts';

/** All merchants share a provider's queue: what moves money goes before what only asks. */
const LOOKUPS = 200;

const makeInput = (merchantId: string) => makePaymentInput(policy, { merchantId });

it('a charge is not behind 200 look-ups of another merchant', async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
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
  const order: string[] = [];
  try {
    run(
      await Worker.create({
        ...shared,
        taskQueue: TASK_QUEUE,
        workflowBundle: await loadWorkflowBundle(),
        activities: {
          record: (): RecordResult => ({ status: 'processing', changed: false, refused: false }),
        },
      }),
    );
    const asked = Array.from({ length: LOOKUPS }, () => makeInput('mer_busy'));
    const lost = { reviewReason: null, leftMs: null, standing: STANDING };
    for (const input of asked) {
      await workflow.start('recoverPayment', recoveryStart({ ...input, ...lost }));
    }
    const last = workflow.getHandle(asked.at(-1)?.workflowId ?? '');
    const isScheduled = async (handle: typeof last, name: string) =>
      (await handle.fetchHistory()).events?.some(
        (event) => event.activityTaskScheduledEventAttributes?.activityType?.name === name,
      );
    while (!(await isScheduled(last, 'lookup'))) await sleep(50);
    const paid = await workflow.start('payment', paymentStart(makeInput('mer_other')));
    while (!(await isScheduled(paid, 'charge'))) await sleep(50);
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
    await opened.disposeAsync();
  }
}, 60_000);
