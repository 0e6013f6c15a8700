import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { WorkflowClientInterceptor, WorkflowHandle } from '@temporalio/client';
import { optionalTsToMs as toMs } from '@temporalio/common/lib/time.js';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { SEARCH_ATTRIBUTES } from '../../temporal/search-attributes.ts';
import { createRecorder } from './recorder.ts';
import { installWatchdog, updateWatch, watch } from './watchdog.ts';

const QUIET_SERVER = fileURLToPath(new URL('./quiet-test-server.sh', import.meta.url));

let isRuntimeInstalled = false;

/** A time-skipping server that knows our search attributes; its client takes care of its faults. */
export async function openTestServer(): Promise<TestWorkflowEnvironment> {
  // Once for a test file, however many servers it opens.
  if (!isRuntimeInstalled) installWatchdog();
  isRuntimeInstalled = true;
  const recorder = createRecorder();
  const env: TestWorkflowEnvironment = await TestWorkflowEnvironment.createTimeSkipping({
    server: {
      executable: { type: 'existing-path', path: QUIET_SERVER },
    },
    client: {
      interceptors: { workflow: [takeCare(() => env), updateWatch, recorder.interceptor] },
    },
  });
  await addSearchAttributesTo(env.connection, 'default');
  watch(env);
  const teardown = env.teardown.bind(env);
  env.teardown = async () => {
    await recorder.write(env.client);
    await teardown();
  };
  return env;
}

/**
 * The test server loses a workflow task, and its clock stands still from then on, when a timer
 * fires while the task that cancels it is worked on, and when a run is terminated while it has a
 * task. It also loses an update that comes while there is a task. See processCancelTimer and
 * terminateWorkflowExecution in temporal-test-server of github.com/temporalio/sdk-java.
 */
function takeCare(env: () => TestWorkflowEnvironment): WorkflowClientInterceptor {
  const handleOf = ({ workflowId, runId }: Execution) =>
    env().client.workflow.getHandle(workflowId ?? '', runId ?? undefined);
  return {
    async signal(input, next) {
      await passTimers(env(), handleOf(input.workflowExecution));
      return next(input);
    },
    async startUpdate(input, next) {
      const handle = handleOf(input.workflowExecution);
      await untilNoTask(handle);
      await passTimers(env(), handle);
      return next(input);
    },
    async terminate(input, next) {
      await untilNoWork(handleOf(input.workflowExecution));
      return next(input);
    },
  };
}

type Execution = { readonly workflowId?: string | null; readonly runId?: string | null };

/** Longer than the workflow task of a message takes on a busy machine. */
const DUE_WITHIN_MS = 500;

/** Lets fire what is about to. */
async function passTimers(env: TestWorkflowEnvironment, handle: WorkflowHandle): Promise<void> {
  const due = await pendingTimersMs(handle);
  const nowMs = await env.currentTimeMs();
  if (due.some((dueMs) => Math.abs(dueMs - nowMs) < DUE_WITHIN_MS)) {
    await env.sleep(2 * DUE_WITHIN_MS);
    await untilNoTask(handle);
  }
}

/** When the timers of a run fire that have not yet, in Unix milliseconds by the server's clock. */
export async function pendingTimersMs(handle: WorkflowHandle): Promise<readonly number[]> {
  const dueMs = new Map<string, number>();
  for (const event of await eventsOf(handle)) {
    const { timerStartedEventAttributes: started } = event;
    const ended = event.timerFiredEventAttributes ?? event.timerCanceledEventAttributes;
    if (ended?.timerId) dueMs.delete(ended.timerId);
    if (started?.timerId) {
      const startedMs = toMs(event.eventTime) ?? 0;
      dueMs.set(started.timerId, startedMs + (toMs(started.startToFireTimeout) ?? 0));
    }
  }
  return [...dueMs.values()];
}

const TASK_BEGINS = [
  'workflowTaskScheduledEventAttributes',
  'workflowTaskStartedEventAttributes',
] as const;
/** What ends a task, for better or worse. */
const TASK_ENDS = [
  'workflowExecutionTerminatedEventAttributes',
  'workflowTaskCompletedEventAttributes',
  'workflowTaskFailedEventAttributes',
  'workflowTaskTimedOutEventAttributes',
] as const;

/** Waits until the workflow has worked on all that it was told. */
async function untilNoTask(handle: WorkflowHandle): Promise<void> {
  while (hasTask(await eventsOf(handle))) await sleep(POLL_MS);
}

function hasTask(events: Events): boolean {
  const last = events.findLast((event) => [...TASK_BEGINS, ...TASK_ENDS].some((it) => event[it]));
  return TASK_BEGINS.some((kind) => last?.[kind]);
}

/** Waits until neither a task nor an activity is worked on; an activity may wait for a retry. */
async function untilNoWork(handle: WorkflowHandle): Promise<void> {
  for (;;) {
    const events = await eventsOf(handle);
    const { historyLength, raw } = await handle.describe();
    const isAtWork = raw.pendingActivities?.some(
      ({ lastStartedTime, lastAttemptCompleteTime }) =>
        (toMs(lastAttemptCompleteTime) ?? 0) < (toMs(lastStartedTime) ?? Infinity),
    );
    if (!hasTask(events) && isAtWork !== true && historyLength === events.length) return;
    await sleep(POLL_MS);
  }
}

/** Waits until the workflow has nothing to do but to wait for a timer or a message. */
export async function untilIdle(handle: WorkflowHandle): Promise<void> {
  while (!(await eventsOf(handle)).at(-1)?.timerStartedEventAttributes) await sleep(POLL_MS);
}

const POLL_MS = 20;
type Events = Awaited<ReturnType<typeof eventsOf>>;

export async function eventsOf(handle: WorkflowHandle) {
  return (await handle.fetchHistory()).events ?? [];
}

/** Registers what the workflows' starts name. */
export async function addSearchAttributesTo(
  connection: TestWorkflowEnvironment['connection'],
  namespace: string,
): Promise<void> {
  const numbers = { KEYWORD: 2, INT: 3 } as const;
  await connection.operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(
      Object.entries(SEARCH_ATTRIBUTES).map(([name, type]) => [name, numbers[type]]),
    ),
  });
}
