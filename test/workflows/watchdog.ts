import type { WorkflowClientInterceptor } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, type LogEntry, Runtime } from '@temporalio/worker';

/**
 * A workflow task that fails is tried again for ever, and a status that is awaited may never come.
 * Without help a test would say so after its whole time, and not why. So whatever fails is kept
 * here, and the test hears of it at once: in its next step of the clock, and where it awaits a
 * result or an update.
 */
let failed = Promise.withResolvers<never>();
/** In which test a task failed: the test server's clock may stand still from then on. */
let brokenBy: string | null = null;
let steps = 0;
let trails: (() => string)[] = [];

/** More steps of the clock than a test takes that gets what it waits for. */
const STEPS_MAX = 2_000;

beforeEach(() => {
  failed = Promise.withResolvers<never>();
  // Who awaits nothing hears of it by the next step of the clock.
  failed.promise.catch(() => undefined);
  steps = 0;
  trails = [];
});

/** Shows what was recorded, should the test fail. */
export function showTrail(entries: readonly Entry[], statusOf: () => string): void {
  trails.push(() => {
    const lines = entries.map(
      ({ action, cause, waitingFor }) =>
        `  ${action}: ${cause}${waitingFor === null ? '' : ` (waits for ${waitingFor})`}`,
    );
    return [`It is ${statusOf()}. Recorded so far:`, ...lines].join('\n');
  });
}
type Entry = {
  readonly action: string;
  readonly cause: string;
  readonly waitingFor: string | null;
};

/** Hears of failing workflow tasks; what else is no error stays out of sight. */
export function installWatchdog(): void {
  const hear = (entry: LogEntry) => {
    if (/Failing workflow task|Failed to process Workflow/.test(entry.message))
      fail(reasonOf(entry));
    else if (entry.level === 'ERROR') process.stderr.write(`${entry.message}\n`);
  };
  Runtime.install({
    logger: new DefaultLogger('WARN', hear),
    telemetryOptions: { logging: { filter: { core: 'WARN', other: 'ERROR' }, forward: {} } },
  });
}

function fail(reason: string): void {
  brokenBy ??= nameOfTest();
  failed.reject(new Error(`a workflow task failed: ${reason}\n${tellTrails()}`));
}

/** Of the SDK's core, whose text holds the workflow's own error and the lines of its stack. */
function reasonOf({ message, meta }: LogEntry): string {
  const text = String(meta?.failure ?? meta?.error ?? message);
  const [, stack = text] = /stack_trace: "(.*?)(?<!\\)"/.exec(text) ?? [];
  const lines = stack.replaceAll('\\n', '\n').split('\n');
  return lines.filter((line) => !IS_NOISE.test(line)).join('\n');
}

const IS_NOISE = /node_modules|^\s*\^|throw this\.workflowTaskError|^\s*$/;

function tellTrails(): string {
  return trails.map((tell) => tell()).join('\n');
}

/** Has this server's clock and client tell what fails. */
export function watch(env: TestWorkflowEnvironment): void {
  const sleep = env.sleep.bind(env);
  env.sleep = async (duration) => {
    heed();
    steps += 1;
    if (steps > STEPS_MAX) throw new Error(`what is awaited does not come.\n${tellTrails()}`);
    await Promise.race([sleep(duration), failed.promise]);
  };
  const { workflow } = env.client;
  const result = workflow.result.bind(workflow);
  workflow.result = async (...asked) => {
    heed();
    return await Promise.race([result(...asked), failed.promise]);
  };
}

function heed(): void {
  if (brokenBy === null || brokenBy === nameOfTest()) return;
  throw new Error(`the clock may stand still since a workflow task failed in: ${brokenBy}`);
}

function nameOfTest(): string {
  return expect.getState().currentTestName ?? 'no test';
}

export const updateWatch: WorkflowClientInterceptor = {
  startUpdate: (input, next) => Promise.race([next(input), failed.promise]),
};
