import { createOutageLog } from '../../config/outage-log.ts';
import { createTemporalLogger } from '../../worker/temporal-log.ts';
import { keepLog } from '../kept-log.ts';

/** What Temporal's SDK logs goes into our log, spelled as all other lines, without its payloads. */
test('its lines keep the names of things, and nothing that may hold a payload', () => {
  const { log, lines, read } = keepLog('info', 'worker');
  const logger = createTemporalLogger(log, { failed: () => undefined, worked: () => undefined });
  const payload = { input: { phone: '+254712345678' }, error: new Error('s3cret') };
  logger.warn('Activity failed', {
    workflowId: 'payment-1',
    activityType: 'charge',
    attempt: 3,
    taskQueue: 'mpesa',
    ...payload,
  });
  logger.warn('an endpoint is switched off', { endpointId: 'whe_1', disabledReason: 'gone' });
  const refused = { paymentId: 'pay_1', from: 'succeeded', refused: 'declined' };
  logger.warn('a change of a payment is refused', refused);
  logger.info('polling', { workflowId: 'payment-2' });
  expect(lines()).toMatchObject([
    {
      level: 'warn',
      msg: 'Activity failed',
      service: 'worker',
      workflow_id: 'payment-1',
      activity_type: 'charge',
      attempt: 3,
      task_queue: 'mpesa',
    },
    { endpoint_id: 'whe_1', disabled_reason: 'gone' },
    { payment_id: 'pay_1', from: 'succeeded', event: 'declined' },
  ]);
  expect(read()).not.toMatch(/s3cret|254712345678|[a-z][A-Z]\w*":/);
});

test('what its pollers say while Temporal is unavailable is one outage, not a line each', () => {
  const { log, lines } = keepLog('info', 'worker');
  const outage = createOutageLog(log, { failing: 'waits', working: 'goes on' });
  const logger = createTemporalLogger(log, outage);
  for (let tries = 6; tries < 106; tries += 1) {
    logger.warn(`gRPC call poll_workflow_task_queue retried ${tries} times`);
    logger.warn(`gRPC call poll_activity_task_queue retried ${tries} times`);
  }
  logger.warn('Network error while sending worker heartbeat');
  logger.warn('No workflows registered, not polling for workflow tasks');
  outage.worked();
  expect(lines().map(({ msg }) => msg)).toEqual(['waits', 'goes on']);
});
