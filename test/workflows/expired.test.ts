import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { RecordRequest } from '../../domain/payment-record.ts';
import { policy } from '../../providers/mpesa/policy.ts';
import { paymentStart } from '../../temporal/start.ts';
import { loadWorkflowBundle } from '../../worker/bundle.ts';
import { TASK_QUEUE } from '../../workflows/messages.ts';
import { openNamespace, temporalAddress } from '../temporal.ts';
import { makePaymentInput } from './harness.ts';

/** On a real server: the time-skipping one tells no timeout in a queue from any other. */
it('a charge that no worker ever took was never sent: what the row says decides', async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  const namespace = `expired-${randomUUID()}`;
  await openNamespace(namespace);
  const address = temporalAddress();
  const connection = await Connection.connect({ address });
  const nativeConnection = await NativeConnection.connect({ address });
  const written: RecordRequest[] = [];
  const worker = await Worker.create({
    connection: nativeConnection,
    namespace,
    // The provider's queue has no worker.
    taskQueue: TASK_QUEUE,
    workflowBundle: await loadWorkflowBundle(),
    activities: {
      record(request: RecordRequest) {
        written.push(request);
        return { status: 'failed', changed: true, refused: false };
      },
    },
  });
  const soon = { ...policy, charge: { ...policy.charge, deadline_ms: 1_000 } };
  const place = { provider: 'stripe', credentialsRef: 'env:stripe' };
  const input = makePaymentInput(soon, place);
  const { typedSearchAttributes: _unregistered, ...start } = paymentStart(input);
  const client = new Client({ connection, namespace });
  try {
    const result = await worker.runUntil(() => client.workflow.execute('payment', start));
    expect(result).toEqual({ status: 'failed' });
    expect(written).toMatchObject([
      {
        key: 'refused',
        event: 'gave_up',
        mayBeAtProvider: false,
        outcome: { failure: { code: 'provider_unavailable' } },
      },
    ]);
  } finally {
    await connection.close();
    await nativeConnection.close();
  }
}, 60_000);
