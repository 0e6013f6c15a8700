import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, Connection } from '@temporalio/client';
import protobuf from 'protobufjs/minimal.js';

/** Whether Temporal lets merchants take turns in a queue. `unknown`: it does not say. */
export type Fairness = 'on' | 'off' | 'unknown';

/** Nobody works on this queue: a task that lies there shows how the server keeps it. */
const CHECK_QUEUE = 'malipo-fairness-check';
const CHECK_WORKFLOW = 'malipo-fairness-check';
const DESCRIBE = '/temporal.server.api.adminservice.v1.AdminService/DescribeTaskQueuePartition';
const CALL_MS = 2_000;
const LOOKS = 15;
const LOOK_EVERY_MS = 100;
/** What cannot be learnt from one task is not learnt from one each minute. */
const START_EVERY_MS = 600_000;
/** Of gRPC, for a call that was canceled, was late or found no server: there was no answer. */
const NO_ANSWER: readonly unknown[] = [1, 4, 14];

/**
 * No call of Temporal's public interface tells whether fairness is on. Its operators' interface
 * tells how a queue is kept, as soon as one task lay in it: with fairness each place has a pass.
 * Temporal Cloud has no such interface, and an authorizer may refuse it: then it is unknown.
 * @returns a function that throws where Temporal does not answer.
 */
export function createFairnessCheck(client: Client, connection: Connection) {
  let startedMs = Number.NEGATIVE_INFINITY;
  const ask = async (): Promise<Fairness> => {
    const found = await readQueue(client, connection);
    if (found !== 'empty') return found;
    if (Date.now() - startedMs < START_EVERY_MS) return 'unknown';
    startedMs = Date.now();
    return await withTask(client, async () => {
      for (let looks = 0; looks < LOOKS; looks += 1) {
        await sleep(LOOK_EVERY_MS);
        const kept = await readQueue(client, connection);
        if (kept !== 'empty') return kept;
      }
      return 'unknown';
    });
  };
  return async (): Promise<Fairness> => {
    try {
      return await ask();
    } catch (error) {
      if (isUnanswered(error)) throw error;
      return 'unknown';
    }
  };
}

function isUnanswered(error: unknown): boolean {
  return !(error instanceof Error && 'code' in error) || NO_ANSWER.includes(error.code);
}

/** Has one task lie in the queue meanwhile. The run ends by itself, should nobody end it. */
async function withTask(client: Client, look: () => Promise<Fairness>): Promise<Fairness> {
  const run = await client.workflow.start('fairnessCheck', {
    workflowId: CHECK_WORKFLOW,
    workflowIdConflictPolicy: 'USE_EXISTING',
    taskQueue: CHECK_QUEUE,
    workflowExecutionTimeout: '10s',
    priority: { fairnessKey: 'check' },
  });
  try {
    return await look();
  } finally {
    await run.terminate('it was only to show how the queue is kept').catch(() => undefined);
  }
}

async function readQueue({ options: { namespace } }: Client, connection: Connection) {
  const { workflowTaskQueuePartitions: partitions } =
    await connection.workflowService.listTaskQueuePartitions({
      namespace,
      taskQueue: { name: CHECK_QUEUE },
    });
  // A name of a partition ends in its number; the first has the queue's own name.
  const numbers = partitions.map(({ key }) =>
    Number(/^\/_sys\/.+\/(\d+)$/.exec(key ?? '')?.[1] ?? 0),
  );
  const { address, credentials, channelArgs } = connection.options;
  const service = new Connection.Client(address, credentials, channelArgs);
  try {
    const describe = (partition: number) =>
      new Promise<Buffer>((resolve, reject) => {
        const request = requestFor(namespace, partition);
        const deadline = { deadline: Date.now() + CALL_MS };
        service.makeUnaryRequest(DESCRIBE, same, same, request, deadline, (error, answer) => {
          if (error === null && answer !== undefined) resolve(answer);
          else reject(error ?? new Error('an empty answer'));
        });
      });
    const answers = await Promise.all([...new Set([0, ...numbers])].map(describe));
    return answers.map(readAnswer).find((found) => found !== 'empty') ?? 'empty';
  } finally {
    service.close();
  }
}

const same = (bytes: Buffer) => bytes;

/** DescribeTaskQueuePartitionRequest: the unversioned queue of workflow tasks. */
function requestFor(namespace: string, partition: number): Buffer {
  const request = protobuf.Writer.create().uint32(tag(1)).string(namespace);
  request.uint32(tag(2)).fork().uint32(tag(1)).string(CHECK_QUEUE);
  request.uint32(NUMBER_AT_2).int32(1).uint32(NUMBER_AT_3).int32(partition).ldelim();
  request.uint32(tag(3)).fork().uint32(NUMBER_AT_2).bool(true).ldelim();
  return Buffer.from(request.finish());
}

const NUMBER_AT_2 = 2 << 3;
const NUMBER_AT_3 = 3 << 3;

/** Text, bytes or a message under this number. */
function tag(number: number): number {
  return (number << 3) | 2;
}

/**
 * DescribeTaskQueuePartitionResponse, down to each InternalTaskQueueStatus. A queue that is emptied
 * after a change of the setting says what was.
 */
export function readAnswer(answer: Uint8Array): Exclude<Fairness, 'unknown'> | 'empty' {
  const statuses = [answer]
    .flatMap((it) => bytesIn(it, 1))
    .flatMap((version) => bytesIn(version, 2))
    .flatMap((info) => bytesIn(info, 2))
    .flatMap((queue) => bytesIn(queue, 3))
    .map(numbersIn);
  const kept = statuses.filter((fields) => !fields.has(DRAINING));
  if (kept.some((fields) => FAIR_LEVELS.some((it) => fields.has(it)))) return 'on';
  return kept.some((fields) => LEVELS.some((it) => fields.has(it))) ? 'off' : 'empty';
}

const LEVELS = [1, 2, 6];
const FAIR_LEVELS = [7, 8, 9];
const DRAINING = 10;

/** What stands under a number in a message, as often as it does. */
function bytesIn(message: Uint8Array, number: number): readonly Uint8Array[] {
  const found: Uint8Array[] = [];
  readFields(message, (reader, read) => {
    if (read !== tag(number)) return false;
    found.push(reader.bytes());
    return true;
  });
  return found;
}

function numbersIn(message: Uint8Array): ReadonlySet<number> {
  const found = new Set<number>();
  readFields(message, (_, read) => {
    found.add(read >>> 3);
    return false;
  });
  return found;
}

/** @param take false: the field is skipped. */
function readFields(
  message: Uint8Array,
  take: (reader: protobuf.Reader, tag: number) => boolean,
): void {
  const reader = protobuf.Reader.create(message);
  while (reader.pos < reader.len) {
    const read = reader.uint32();
    if (!take(reader, read)) reader.skipType(read & 7);
  }
}
