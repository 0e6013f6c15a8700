import type { Client } from '@temporalio/client';

/** A payment's or a refund's workflow as Temporal sees it now. */
export type Execution = {
  readonly status: string;
  readonly historyLength: number;
  readonly activities: readonly PendingActivity[];
};
export type PendingActivity = {
  readonly type: string;
  readonly attempt: number;
  /** Null: no limit by count. */
  readonly attemptsMax: number | null;
  readonly lastError: string | null;
  readonly nextTryAt: string | null;
  /** `queued`: nobody has begun it, though nothing holds it back but its turn. */
  readonly state: (typeof ACTIVITY_STATES)[number];
};
export const ACTIVITY_STATES = ['queued', 'running', 'retrying'] as const;
/** Where workflows are looked at. */
export type Executions = {
  /** Null when Temporal is away or no longer keeps the workflow. */
  describe(workflowId: string): Promise<Execution | null>;
  /** Its page in the Web UI; null when there is none. */
  workflowUrl(workflowId: string): string | null;
};

/** Reads it from the server; no worker is needed for this. */
export async function describeExecution(client: Client, workflowId: string): Promise<Execution> {
  const { status, historyLength, raw } = await client.workflow.getHandle(workflowId).describe();
  return {
    status: status.name.toLowerCase(),
    historyLength,
    activities: (raw.pendingActivities ?? []).map((pending) => ({
      type: pending.activityType?.name ?? 'unknown',
      attempt: pending.attempt ?? 1,
      // Temporal's 0 is no limit.
      attemptsMax: pending.maximumAttempts || null,
      lastError: pending.lastFailure?.message ?? null,
      nextTryAt: toIso(pending.nextAttemptScheduleTime ?? pending.scheduledTime),
      state: stateOf(pending),
    })),
  };
}

/** Of temporal.api.enums.v1.PendingActivityState. */
const SCHEDULED = 1;

function stateOf(pending: Pending): PendingActivity['state'] {
  if (pending.state !== SCHEDULED) return 'running';
  const due = toIso(pending.nextAttemptScheduleTime ?? pending.scheduledTime);
  return due !== null && Date.parse(due) > Date.now() ? 'retrying' : 'queued';
}

type Pending = {
  readonly state?: number | null;
  readonly nextAttemptScheduleTime?: ProtoTime | null;
  readonly scheduledTime?: ProtoTime | null;
};
type ProtoTime = {
  readonly seconds?: { toString(): string } | null;
  readonly nanos?: number | null;
};

function toIso(time: ProtoTime | null | undefined): string | null {
  if (time?.seconds === null || time?.seconds === undefined) return null;
  const ms = Number(time.seconds.toString()) * 1000 + Math.floor((time.nanos ?? 0) / 1e6);
  return ms > 0 ? new Date(ms).toISOString() : null;
}
