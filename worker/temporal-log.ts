import { DefaultLogger } from '@temporalio/worker';
import type { Log } from '../config/log.ts';
import type { OutageLog } from '../config/outage-log.ts';

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

/** What each poller says every few seconds while Temporal is unavailable. */
const UNAVAILABLE = /^(gRPC call \w+ retried \d+ times|Network error while sending worker heart)/;
/** Only one of our workers runs workflows; the others say so at each start. */
const EXPECTED = /^No workflows registered, not polling for workflow tasks/;

/**
 * The lines of Temporal's SDK, and of activities that log by it, in our log's form.
 * @param outage is told of the lines that only say that Temporal is unavailable.
 */
export function createTemporalLogger(log: Log, outage: OutageLog): DefaultLogger {
  return new DefaultLogger('WARN', ({ level, message, meta = {} }) => {
    if (EXPECTED.test(message)) return;
    if (UNAVAILABLE.test(message)) {
      outage.failed('Temporal does not answer, or refuses');
      return;
    }
    const told = Object.entries(KEPT).map(([theirs, ours]) => [ours, meta[theirs]]);
    log[LEVELS[level]](Object.fromEntries(told), message);
  });
}
