import { randomUUID } from 'node:crypto';
import { Client, Connection } from '@temporalio/client';
import { createFairnessCheck, readAnswer } from '../../temporal/fairness.ts';
import { openNamespace, temporalAddress } from '../temporal.ts';

/** Whether Temporal lets merchants take turns, as the API learns it. */
let connection: Connection;
beforeAll(async () => {
  connection = await Connection.connect({ address: temporalAddress() });
});
afterAll(() => connection.close());

test('the server that the sandbox starts says that fairness is on, and keeps to it', async () => {
  const namespace = `fairness-${randomUUID()}`;
  await openNamespace(namespace);
  const client = new Client({ connection, namespace });
  expect(await createFairnessCheck(client, connection)()).toBe('on');
  // The next process finds the task that the first one left there.
  expect(await createFairnessCheck(client, connection)()).toBe('on');
  const { executions } = await connection.workflowService.listWorkflowExecutions({ namespace });
  expect(executions.length).toBeLessThanOrEqual(1);
});

test('a server that does not answer is away, not unfair', async () => {
  const away = Connection.lazy({ address: '127.0.0.1:1', connectTimeout: 300 });
  const check = createFairnessCheck(new Client({ connection: away }), away);
  await expect(away.withDeadline(Date.now() + 500, check)).rejects.toThrow();
  await away.close();
});

/** Answers of Temporal 1.32, which had no task in the queue, one, or one of before. */
test.each([
  // table
  [
    'off',
    '0a5e0a00125a1258120e0802120510ece6bd161d3cb529421a0a1a06080310a08d0658011a1008021a06080310a08d062002280230021a0c1a06080110a08d0650015801220608031202120022120802120e0802120510ece6bd161d3cb52942',
  ],
  [
    'on',
    '0a9a010a00129501129201120e080212051088d3f1221d5e74db411a0a1a06080310a08d0658011a1a1a06080310a08d06200128013a0508e80710014a0508e80710011a1a1a06080310a08d06200128013a0508e80710024a0508e80710021a0c1a06080110a08d0650015801220608031202120022120802120e080112051088d3f1221dc2ce5a4122120801120e0801120510abc8d5221dfa195c41',
  ],
  ['empty', '0a140a001210120e1a0c1a06080110a08d0650015801'],
  ['empty', ''],
] as const)('that fairness is %s is read from how the queue is kept', (fairness, hex) => {
  expect(readAnswer(Buffer.from(hex, 'hex'))).toBe(fairness);
});
