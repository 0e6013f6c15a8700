import { type Client, ScheduleAlreadyRunning, ScheduleOverlapPolicy } from '@temporalio/client';
import type { NativeConnection } from '@temporalio/worker';
import type { SweepPolicy } from '../config/policies.ts';
import { SEARCH_ATTRIBUTES, type SweepInput, TASK_QUEUE } from '../workflows/messages.ts';

/** Numbers of temporal.api.enums.v1.IndexedValueType. */
const INDEXED_VALUE_TYPES = { KEYWORD: 2, INT: 3 } as const;
const GRPC_ALREADY_EXISTS = 6;
const SWEEP_SCHEDULE_ID = 'malipo-sweep';
/** A round that hangs would hold up all rounds after it: they do not overlap. */
const SWEEP_ENDS_AFTER = '3 minutes';

/** Registers what the workflows need in their namespace; a second time changes nothing. */
export async function prepareNamespace(
  connection: NativeConnection,
  client: Client,
  namespace: string,
  policy: SweepPolicy,
): Promise<void> {
  for (const [name, type] of Object.entries(SEARCH_ATTRIBUTES)) {
    await addSearchAttribute(connection, namespace, name, INDEXED_VALUE_TYPES[type]);
  }
  await ensureSweepSchedule(client, policy);
}

async function addSearchAttribute(
  connection: NativeConnection,
  namespace: string,
  name: string,
  type: number,
): Promise<void> {
  try {
    const searchAttributes = { [name]: type };
    await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
  } catch (error) {
    if (!isAlreadyThere(error)) throw error;
  }
}

function isAlreadyThere(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? error.code : null;
  return code === GRPC_ALREADY_EXISTS || /already exist/i.test(error.message);
}

async function ensureSweepSchedule(client: Client, policy: SweepPolicy): Promise<void> {
  const { every_ms, ...rest } = policy;
  const input: SweepInput = rest;
  const spec = { intervals: [{ every: every_ms }] };
  const policies = { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: every_ms } as const;
  const action = {
    type: 'startWorkflow',
    workflowType: 'sweep',
    workflowId: 'sweep',
    taskQueue: TASK_QUEUE,
    args: [input],
    workflowExecutionTimeout: SWEEP_ENDS_AFTER,
  } as const;
  try {
    await client.schedule.create({ scheduleId: SWEEP_SCHEDULE_ID, spec, policies, action });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await client.schedule
      .getHandle(SWEEP_SCHEDULE_ID)
      .update((previous) => ({ ...previous, spec, policies, action }));
  }
}
