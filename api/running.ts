import { z } from 'zod';
import type { Engine } from './engine.ts';
import type { Execution } from './execution.ts';
import { textOrNull, timeOrNull } from './shape.ts';

/** What Temporal tells of a payment's or a refund's workflow; null: nothing, it is away. */
export type Running = { readonly workflowId: string; readonly execution: Execution | null };

/** What is shown of it, beside what our own row says. */
export const runningShape = {
  activities: z.array(
    z.strictObject({
      type: z.string(),
      attempt: z.int(),
      attempts_max: z.int().nullable(),
      last_error: textOrNull,
      next_try_at: timeOrNull,
    }),
  ),
  workflow: z.strictObject({
    id: z.string(),
    url: textOrNull,
    status: z.string(),
    history_length: z.int().nullable(),
  }),
};

/**
 * The workflow that works on it: its own, or the one that took what came late.
 * @param lateId of that one; null where there is nothing left to work on.
 */
export async function findRunning(
  engine: Engine,
  workflowId: string,
  lateId: string | null,
): Promise<Running> {
  const execution = await engine.describe(workflowId);
  const own = { workflowId, execution };
  if (lateId === null || execution === null || execution.status === 'running') return own;
  const late = await engine.describe(lateId);
  return late?.status === 'running' ? { workflowId: lateId, execution: late } : own;
}

/** The only way from a workflow to who may see it. */
export function presentRunning(engine: Engine, { workflowId, execution }: Running) {
  return {
    activities: (execution?.activities ?? []).map((activity) => ({
      type: activity.type,
      attempt: activity.attempt,
      attempts_max: activity.attemptsMax === 0 ? null : activity.attemptsMax,
      last_error: activity.lastError,
      next_try_at: activity.nextTryAt,
    })),
    workflow: {
      id: workflowId,
      url: engine.workflowUrl(workflowId),
      status: execution?.status ?? 'unknown',
      history_length: execution?.historyLength ?? null,
    },
  };
}
