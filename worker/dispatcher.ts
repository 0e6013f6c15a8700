import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { Log } from '../config/log.ts';
import { createOutageLog } from '../config/outage-log.ts';
import {
  beginAnotherRun,
  type DeliveryRun,
  listOverdue,
  listUndispatched,
  markDispatched,
} from '../db/delivery-turns.ts';
import type { Pool } from '../db/pool.ts';
import type { DeliveryLimits, DeliveryPolicy } from '../domain/outgoing-event.ts';
import { deliveryStart } from '../temporal/start.ts';

const PAUSE_MS = 500;
/** More may wait for the places that become free. */
const PAUSE_AFTER_STARTS_MS = 100;
const PAUSE_AFTER_ERROR_MS = 3_000;
const BATCH = 100;

type Parts = { readonly pool: Pool; readonly temporal: Client };

/**
 * Starts a workflow for each delivery that was written with an event, by turns of merchants. Rows
 * are marked after their workflows stand, so a worker that dies in between, or two workers at once,
 * start them twice, which is starting them once.
 */
export async function dispatchDeliveries(
  parts: Parts,
  policy: DeliveryPolicy,
  limits: DeliveryLimits,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const outage = createOutageLog(log, {
    failing: 'deliveries wait: the database or Temporal is unavailable',
    working: 'deliveries are started again',
  });
  while (!signal.aborted) {
    let pauseMs = PAUSE_MS;
    try {
      const waiting = await listUndispatched(parts.pool, limits, BATCH);
      await dispatch(parts, policy, waiting);
      await dispatchOverdue(parts, policy);
      outage.worked();
      if (waiting.length > 0) pauseMs = PAUSE_AFTER_STARTS_MS;
    } catch (error) {
      outage.failed(error);
      pauseMs = PAUSE_AFTER_ERROR_MS;
    }
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}

/**
 * What should have been tried and was not. Where Temporal has lost the workflow it is started
 * again, where the workflow has ended another run is started; one that runs stays as it is.
 */
async function dispatchOverdue(parts: Parts, policy: DeliveryPolicy): Promise<void> {
  const ended = await dispatch(parts, policy, await listOverdue(parts.pool, BATCH));
  if (ended.length > 0) await beginAnotherRun(parts.pool, ended);
}

/** @returns those whose workflow has ended already. */
async function dispatch(
  { pool, temporal }: Parts,
  policy: DeliveryPolicy,
  runs: readonly DeliveryRun[],
): Promise<readonly DeliveryRun[]> {
  if (runs.length === 0) return [];
  const started = await Promise.allSettled(runs.map((run) => start(temporal, run, policy)));
  // One that cannot be started must not hold back those after it.
  const standing = runs.filter((_, index) => started[index]?.status === 'fulfilled');
  await markDispatched(pool, standing);
  for (const each of started) if (each.status === 'rejected') throw each.reason;
  return runs.filter((_, index) => {
    const each = started[index];
    return each?.status === 'fulfilled' && each.value === 'ended';
  });
}

async function start(
  temporal: Client,
  { id: deliveryId, run }: DeliveryRun,
  policy: DeliveryPolicy,
): Promise<'started' | 'ended'> {
  try {
    await temporal.workflow.start('webhookDelivery', deliveryStart({ deliveryId, policy }, run));
    return 'started';
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return 'ended';
    throw error;
  }
}
