import type { Execution } from '../temporal/describe.ts';
import type { Engine } from '../temporal/engine.ts';

/** What errors of the line and of PostgreSQL name after their code. */
const NAMED = /\b(E[A-Z]{4,}|EAI_AGAIN) [^\s,;]+/g;
const IPV4 = /\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b/g;
const IPV6 = /\[[\da-f:]+\](?::\d+)?|(?:[\da-f]{1,4})?::[\da-f:]*/gi;

/**
 * The engine as merchants see it: where our own machines are is nothing of theirs. Every answer
 * that is not an operator's goes through this (mount.ts), so no presenter has to think of it.
 */
export function withoutAddresses(engine: Engine): Engine {
  return {
    ...engine,
    workflowUrl: () => null,
    describe: async (workflowId) => hide(await engine.describe(workflowId)),
  };
}

function hide(execution: Execution | null): Execution | null {
  if (execution === null) return null;
  const activities = execution.activities.map((activity) => ({
    ...activity,
    lastError: activity.lastError === null ? null : hideIn(activity.lastError),
  }));
  return { ...execution, activities };
}

function hideIn(text: string): string {
  return text.replaceAll(NAMED, '$1').replaceAll(IPV4, '•••').replaceAll(IPV6, '•••');
}
