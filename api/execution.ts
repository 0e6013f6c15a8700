import type { Client } from '@temporalio/client';

/** A payment's workflow as Temporal sees it now. */
export type Execution = {
  readonly status: string;
  readonly historyLength: number;
  readonly activities: readonly PendingActivity[];
};
export type PendingActivity = {
  readonly type: string;
  readonly attempt: number;
  /** 0: no limit by count. */
  readonly attemptsMax: number;
  readonly lastError: string | null;
  readonly nextTryAt: string | null;
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
      attemptsMax: pending.maximumAttempts ?? 0,
      lastError: pending.lastFailure?.message ?? null,
      nextTryAt: toIso(pending.nextAttemptScheduleTime ?? pending.scheduledTime),
    })),
  };
}

type ProtoTime = {
  readonly seconds?: { toString(): string } | null;
  readonly nanos?: number | null;
};

function toIso(time: ProtoTime | null | undefined): string | null {
  if (time?.seconds === null || time?.seconds === undefined) return null;
  const ms = Number(time.seconds.toString()) * 1000 + Math.floor((time.nanos ?? 0) / 1e6);
  return ms > 0 ? new Date(ms).toISOString() : null;
}
