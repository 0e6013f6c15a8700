import { isDeepStrictEqual } from 'node:util';
import {
  type Client,
  ScheduleAlreadyRunning,
  type ScheduleDescription,
  type ScheduleHandle,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
} from '@temporalio/client';
import type { SweepPolicy } from '../config/policies.ts';
import { SEARCH_ATTRIBUTES } from '../temporal/search-attributes.ts';
import { SWEEP_SCHEDULE_ID, TASK_QUEUE } from '../workflows/messages.ts';

/** Numbers of temporal.api.enums.v1.IndexedValueType, and their names on the command line. */
const INDEXED_VALUE_TYPES = { KEYWORD: 2, INT: 3 } as const;
const TYPE_NAMES = { KEYWORD: 'Keyword', INT: 'Int' } as const;
/** PERMISSION_DENIED, UNIMPLEMENTED (Temporal Cloud), UNAUTHENTICATED. */
const REFUSED: readonly unknown[] = [7, 12, 16];
const GRPC_ALREADY_EXISTS = 6;
/** A round that hangs would hold up all rounds after it: they do not overlap. */
const SWEEP_ENDS_AFTER = '3 minutes';

/** What of the namespace is needed, and how a test may put refusals in its place. */
export type NamespaceParts = {
  readonly operator: {
    listSearchAttributes(request: { namespace: string }): Promise<{
      customAttributes?: Readonly<Record<string, number>> | null;
    }>;
    addSearchAttributes(request: {
      namespace: string;
      searchAttributes: Record<string, number>;
    }): Promise<unknown>;
  };
  readonly schedule: Pick<Client['schedule'], 'create' | 'getHandle'>;
  readonly namespace: string;
  readonly policy: SweepPolicy;
};

/** What the namespace lacks and we may not add, with the command that adds it. */
export type NamespaceFault = {
  readonly code:
    | 'search_attributes_missing'
    | 'schedule_missing'
    | 'schedule_outdated'
    | 'schedule_paused';
  readonly detail: string;
};

/** What was added, and what is still missing. */
export type NamespaceState = {
  readonly added: readonly string[];
  readonly faults: readonly NamespaceFault[];
};

/**
 * Looks for what the workflows need in their namespace, and adds what is missing. To look takes a
 * reader's right; where adding is refused, as on Temporal Cloud, the fault names the command.
 * @param isBehind also brings the schedule to the policy of this process.
 */
export async function ensureNamespace(
  parts: NamespaceParts,
  isBehind: boolean,
): Promise<NamespaceState> {
  const states = [await ensureSearchAttributes(parts), await ensureSweepSchedule(parts, isBehind)];
  return {
    added: states.flatMap(({ added }) => added),
    faults: states.flatMap(({ faults }) => faults),
  };
}

type Attribute = readonly [name: string, type: keyof typeof INDEXED_VALUE_TYPES];

async function ensureSearchAttributes(parts: NamespaceParts): Promise<NamespaceState> {
  const known = await listSearchAttributes(parts);
  const added: string[] = [];
  const refused: Attribute[] = [];
  for (const attribute of Object.entries(SEARCH_ATTRIBUTES)) {
    const [name, type] = attribute;
    if (known?.[name] === INDEXED_VALUE_TYPES[type]) continue;
    if (known?.[name] !== undefined) refused.push(attribute);
    else if (!(await addSearchAttribute(parts, attribute))) refused.push(attribute);
    else if (known !== null) added.push(name);
  }
  if (refused.length === 0) return { added, faults: [] };
  const { namespace } = parts;
  const flags = refused.map(([name, type]) => `--name ${name} --type ${TYPE_NAMES[type]}`);
  const detail =
    known === null
      ? `Temporal does not let this process see the search attributes of the namespace ${namespace}. If payments do not start, create them`
      : `The namespace ${namespace} lacks search attributes, or has them with another type, and this process may not add them: no payment starts. Create them`;
  const command = `temporal operator search-attribute create --namespace ${namespace} ${flags.join(' ')}`;
  return {
    added,
    faults: [{ code: 'search_attributes_missing', detail: `${detail}: ${command}` }],
  };
}

/** By name, with their types; null where we may not see them. */
async function listSearchAttributes({ operator, namespace }: NamespaceParts) {
  try {
    const { customAttributes } = await operator.listSearchAttributes({ namespace });
    return customAttributes ?? {};
  } catch (error) {
    if (isRefused(error)) return null;
    throw error;
  }
}

/** False when we may not. */
async function addSearchAttribute(
  { operator, namespace }: NamespaceParts,
  [name, type]: Attribute,
): Promise<boolean> {
  try {
    const searchAttributes = { [name]: INDEXED_VALUE_TYPES[type] };
    await operator.addSearchAttributes({ namespace, searchAttributes });
    return true;
  } catch (error) {
    if (isRefused(error)) return false;
    if (!isAlreadyThere(error)) throw error;
    return true;
  }
}

async function ensureSweepSchedule(
  parts: NamespaceParts,
  isBehind: boolean,
): Promise<NamespaceState> {
  const handle = parts.schedule.getHandle(SWEEP_SCHEDULE_ID);
  try {
    const schedule = await handle.describe();
    const faults = schedule.state.paused ? [pausedFault(parts)] : [];
    const isOutdated = isBehind && !(await updateSweepSchedule(parts, handle, schedule));
    return { added: [], faults: isOutdated ? [...faults, outdatedFault(parts)] : faults };
  } catch (error) {
    if (isRefused(error)) return { added: [], faults: [] };
    if (!(error instanceof ScheduleNotFoundError)) throw error;
    return await createSweepSchedule(parts);
  }
}

/** False when the schedule follows another policy, and we may not change it. */
async function updateSweepSchedule(
  parts: NamespaceParts,
  handle: ScheduleHandle,
  { spec, action }: ScheduleDescription,
): Promise<boolean> {
  try {
    await handle.update((previous) => ({ ...previous, ...scheduleOf(parts) }));
    return true;
  } catch (error) {
    if (!isRefused(error)) throw error;
    const { interval_ms, ...input } = parts.policy;
    const intervals = spec.intervals?.map(({ every }) => every);
    return isDeepStrictEqual([intervals, action.args], [[interval_ms], [input]]);
  }
}

function pausedFault({ namespace }: NamespaceParts): NamespaceFault {
  const command = `temporal schedule toggle --namespace ${namespace} --schedule-id ${SWEEP_SCHEDULE_ID} --unpause --reason "payments need it"`;
  const detail = `The schedule ${SWEEP_SCHEDULE_ID} is paused, so nothing picks up what a crash left. Start it again: ${command}`;
  return { code: 'schedule_paused', detail };
}

function outdatedFault(parts: NamespaceParts): NamespaceFault {
  const detail = `The schedule ${SWEEP_SCHEDULE_ID} follows another policy than this process has, and this process may not change it. Change it: ${commandOf('update', parts)}`;
  return { code: 'schedule_outdated', detail };
}

function commandOf(verb: 'create' | 'update', { namespace, policy }: NamespaceParts): string {
  const { interval_ms, ...input } = policy;
  return `temporal schedule ${verb} --namespace ${namespace} --schedule-id ${SWEEP_SCHEDULE_ID} --interval ${interval_ms / 1000}s --overlap-policy Skip --workflow-id sweep --type sweep --task-queue ${TASK_QUEUE} --execution-timeout 3m --input '${JSON.stringify(input)}'`;
}

async function createSweepSchedule(parts: NamespaceParts): Promise<NamespaceState> {
  try {
    await parts.schedule.create({ scheduleId: SWEEP_SCHEDULE_ID, ...scheduleOf(parts) });
    return { added: [SWEEP_SCHEDULE_ID], faults: [] };
  } catch (error) {
    // Another worker was faster.
    if (error instanceof ScheduleAlreadyRunning) return { added: [], faults: [] };
    if (!isRefused(error)) throw error;
    const detail = `The schedule ${SWEEP_SCHEDULE_ID} is missing, and this process may not create it: nothing picks up what a crash left. Create it: ${commandOf('create', parts)}`;
    return { added: [], faults: [{ code: 'schedule_missing', detail }] };
  }
}

function scheduleOf({ policy }: NamespaceParts) {
  const { interval_ms, ...input } = policy;
  return {
    spec: { intervals: [{ every: interval_ms }] },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: interval_ms },
    action: {
      type: 'startWorkflow' as const,
      workflowType: 'sweep',
      workflowId: 'sweep',
      taskQueue: TASK_QUEUE,
      args: [input],
      workflowExecutionTimeout: SWEEP_ENDS_AFTER,
    },
  };
}

/** The server's own code, however often its error was wrapped on its way to us. */
function codeOf(error: unknown): unknown {
  if (!(error instanceof Error)) return null;
  return 'code' in error ? error.code : codeOf(error.cause);
}

function isRefused(error: unknown): boolean {
  return REFUSED.includes(codeOf(error));
}

function isAlreadyThere(error: unknown): boolean {
  if (codeOf(error) === GRPC_ALREADY_EXISTS) return true;
  return error instanceof Error && /already exist/i.test(error.message);
}
