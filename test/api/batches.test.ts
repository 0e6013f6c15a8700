import { Client, Connection } from '@temporalio/client';
import { createEngine } from '../../temporal/engine.ts';
import { keepLog } from '../kept-log.ts';
import { temporalAddress } from '../temporal.ts';

test('what Temporal has against a batch is in the log, with its id', async () => {
  const { log, lines } = keepLog('warn');
  const connection = await Connection.connect({ address: temporalAddress() });
  const client = new Client({ connection, namespace: 'that-nobody-made' });
  const engine = createEngine(client, connection, null, log);
  const control = { action: 'pause', reason: 'M-Pesa is down', by: 'opr_1' } as const;
  expect(await engine.startBatch('bat_1', 'mpesa', control)).toBe(false);
  const message = expect.stringContaining('that-nobody-made is not found');
  expect(lines()).toMatchObject([{ batch_id: 'bat_1', provider: 'mpesa', err: { message } }]);
  await connection.close();
});
