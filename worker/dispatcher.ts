import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { Log } from '../config/log.ts';
import { createOutageLog } from '../config/outage-log.ts';
import { listUndispatched, markDispatched } from '../db/delivery-runs.ts';
import type { Pool } from '../db/pool.ts';
import type { DeliveryPolicy } from '../domain/outgoing-event.ts';
import { deliveryStart } from '../workflows/messages.ts';

const PAUSE_MS = 500;
const PAUSE_AFTER_ERROR_MS = 3_000;
const BATCH = 100;

/**
 * Starts a workflow for each delivery that was written with an event. Rows are marked after their
 * workflows stand, so a worker that dies in between, or two workers at once, start them twice,
 * which is starting them once.
 */
export async function dispatchDeliveries(
  { pool, temporal }: { readonly pool: Pool; readonly temporal: Client },
  policy: DeliveryPolicy,
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
      const waiting = await listUndispatched(pool, BATCH);
      const started = await Promise.allSettled(
        waiting.map(({ id, run }) => start(temporal, id, run, policy)),
      );
      // One that cannot be started must not hold back those after it.
      const standing = waiting.filter((_, index) => started[index]?.status === 'fulfilled');
      await markDispatched(pool, standing);
      for (const each of started) if (each.status === 'rejected') throw each.reason;
      outage.worked();
      if (waiting.length === BATCH) pauseMs = 0;
    } catch (error) {
      outage.failed(error);
      pauseMs = PAUSE_AFTER_ERROR_MS;
    }
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}

async function start(
  temporal: Client,
  deliveryId: string,
  run: number,
  policy: DeliveryPolicy,
): Promise<void> {
  try {
    await temporal.workflow.start('deliver', deliveryStart({ deliveryId, policy }, run));
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}
