import { DefaultLogger } from '@temporalio/worker';
import type { Log } from '../config/log.ts';

const LEVELS = {
  TRACE: 'debug',
  DEBUG: 'debug',
  INFO: 'info',
  WARN: 'warn',
  ERROR: 'error',
} as const;

/** What is kept of the fields of a line, as our log spells it. Others may hold payloads. */
const KEPT = {
  workflowId: 'workflow_id',
  activityType: 'activity_type',
  attempt: 'attempt',
  taskQueue: 'task_queue',
  endpointId: 'endpoint_id',
  disabledReason: 'disabled_reason',
  paymentId: 'payment_id',
  refundId: 'refund_id',
  from: 'from',
  refused: 'event',
} as const;

/** The lines of Temporal's SDK, and of activities that log by it, in our log's form. */
export function createTemporalLogger(log: Log): DefaultLogger {
  return new DefaultLogger('WARN', ({ level, message, meta = {} }) => {
    const told = Object.entries(KEPT).map(([theirs, ours]) => [ours, meta[theirs]]);
    log[LEVELS[level]](Object.fromEntries(told), message);
  });
}
