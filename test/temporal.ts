import { Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';

/** Where the run's Temporal listens: a real server, which keeps real time. */
export function temporalAddress(): string {
  const address = process.env.MALIPO_TEST_TEMPORAL_ADDRESS;
  if (address === undefined) throw new Error('test/global-setup.ts names the Temporal server');
  return address;
}

/** A namespace of one's own on the run's Temporal. */
export async function openNamespace(namespace: string): Promise<void> {
  const connection = await Connection.connect({ address: temporalAddress() });
  const workflowExecutionRetentionPeriod = msToTs('1 day');
  await connection.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod,
  });
  await connection.close();
}
