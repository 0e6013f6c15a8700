import type { Registry } from 'prom-client';
import { createApiMetrics, serveMetrics } from '../../api/metrics.ts';
import { createLog } from '../../config/log.ts';
import { insertWebhookEvent } from '../../db/webhook-events.ts';
import { dispatch, makeWebhookEvent, storePayment, storePaymentIn } from '../factories.ts';
import { makeStkCallback, stkPath } from './callbacks.ts';
import { openTestApi, type TestApi } from './server.ts';
import { settleRefundsIn } from './takers.ts';

let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

test('Prometheus reads what happens and what is open, and nothing of one payment', async () => {
  const payment = await storePaymentIn(api.pool, 'processing');
  await storePaymentIn(api.pool, 'needs_review');
  await api.send('GET', `/api/v1/payments/${payment.id}`);
  await api.send('GET', '/no/such/thing');
  await api.send('POST', stkPath(api, payment), { body: makeStkCallback() });
  const served = await serveMetrics(api.metrics, '127.0.0.1', 0, createLog('test', 'silent'));
  const answer = await fetch(`http://127.0.0.1:${served.port}/metrics`);
  const text = await answer.text();
  await served.close();
  expect(answer.headers.get('content-type')).toContain('text/plain');
  for (const line of [
    'malipo_http_request_duration_seconds_count{route="/api/v1/payments/:id",method="GET",status="200"} 1',
    'malipo_http_request_duration_seconds_count{route="none",method="GET",status="404"} 1',
    'malipo_callbacks_total{channel="stk",fate="delivered"} 1',
    'malipo_open_payments{provider="mpesa",status="processing"} 1',
    'malipo_open_payments{provider="mpesa",status="needs_review"} 1',
    'malipo_waiting{what="callbacks"} 1',
    'malipo_database_up 1',
  ]) {
    expect(text).toContain(line);
  }
  expect(text).not.toContain(payment.id);
});

test('what waits in the providers’ queues is told while Temporal answers', async () => {
  const metrics = createApiMetrics(api.pool, 0);
  const { registry } = metrics;
  metrics.watchQueues(() =>
    Promise.resolve([{ provider: 'mpesa', call: 'charge', waiting: 12, oldestSeconds: 3 }]),
  );
  const text = await registry.metrics();
  expect(text).toContain('malipo_provider_queue_calls{provider="mpesa",call="charge"} 12\n');
  expect(text).toContain(
    'malipo_provider_queue_oldest_seconds{provider="mpesa",call="charge"} 3\n',
  );
  metrics.watchQueues(() => Promise.reject(new Error('Temporal is away')));
  expect(await registry.metrics()).not.toContain('provider="mpesa",call="charge"');
});

test('with the database away the rest is still told', async () => {
  await api.cutDatabase();
  expect(await api.metrics.registry.metrics()).toContain('malipo_database_up 0');
});

const CPAY = { provider: 'cpay', credentialsRef: 'env:cpay' } as const;
/** Looks as often as it is asked, but for one question for all that it shows. */
const EVERY_MS = 20;
async function untilShown(registry: Registry, line: string): Promise<string> {
  for (let tries = 0; tries < 1_500; tries += 1) {
    const text = await registry.metrics();
    if (text.includes(`${line}\n`)) return text;
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  throw new Error(`it never showed ${line}:\n${await registry.metrics()}`);
}

/** Events are shown once no older transaction of the server is open; other tests run there too. */
async function untilToldOf(type: string): Promise<void> {
  for (let tries = 0; tries < 1_200; tries += 1) {
    const { body } = await api.send('GET', '/api/v1/events');
    if (body.data.some((event) => event.type === type)) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`${type} was not told`);
}

test('what ended is counted by provider and status, from the first look on and once', async () => {
  await storePaymentIn(api.pool, 'succeeded');
  await untilToldOf('payment.succeeded');
  const { registry } = createApiMetrics(api.pool, EVERY_MS);
  await untilShown(registry, 'malipo_database_up 1');
  await storePaymentIn(api.pool, 'succeeded');
  await storePaymentIn(api.pool, 'succeeded', CPAY);
  const { id } = await storePaymentIn(api.pool, 'succeeded', CPAY);
  api.engine.takeRefund = settleRefundsIn(api.pool);
  const refund = await api.send('POST', `/api/v1/payments/${id}/refunds`, { body: {} });
  expect(refund.status).toBe(201);
  await storePaymentIn(api.pool, 'failed');
  await untilShown(registry, 'malipo_events_total{type="payment.failed",provider="mpesa"} 1');
  await new Promise((resolve) => setTimeout(resolve, 2 * EVERY_MS));
  const text = await registry.metrics();
  for (const line of [
    'malipo_events_total{type="payment.created",provider="mpesa"} 2',
    'malipo_events_total{type="payment.succeeded",provider="mpesa"} 1',
    'malipo_events_total{type="payment.succeeded",provider="cpay"} 2',
    'malipo_events_total{type="payment.failed",provider="mpesa"} 1',
    'malipo_events_total{type="refund.created",provider="cpay"} 1',
    'malipo_events_total{type="refund.succeeded",provider="cpay"} 1',
  ]) {
    expect(text).toContain(`${line}\n`);
  }
});

test('how long callbacks take is told by provider: the first of each dispatch', async () => {
  const { registry } = createApiMetrics(api.pool, EVERY_MS);
  await untilShown(registry, 'malipo_database_up 1');
  const payment = await storePayment(api.pool);
  await dispatch(api.pool, payment);
  await api.database.queryAsOwner(
    "UPDATE attempts SET dispatched_at = now() - interval '12 seconds' WHERE payment_id = $1",
    [payment.id],
  );
  await api.send('POST', stkPath(api, payment), { body: makeStkCallback() });
  const count = 'malipo_callback_delay_seconds_count{provider="mpesa"} 1';
  const text = await untilShown(registry, count);
  expect(text).toContain('malipo_callback_delay_seconds_bucket{le="10",provider="mpesa"} 0\n');
  expect(text).toContain('malipo_callback_delay_seconds_bucket{le="30",provider="mpesa"} 1\n');
  // A second callback says nothing of how long the payer took.
  const again = { body: makeStkCallback({ receipt: 'UJ7A1B2C3E' }) };
  expect((await api.send('POST', stkPath(api, payment), again)).status).toBe(200);
  await new Promise((resolve) => setTimeout(resolve, 2 * EVERY_MS));
  expect(await registry.metrics()).toContain(`${count}\n`);
});

test('what waits to be delivered, and endpoints that were switched off, are told', async () => {
  for (const nth of [1, 2]) {
    const url = `https://shop.example.test/hook/${nth}`;
    await api.send('POST', '/api/v1/webhook-endpoints', { body: { url } });
  }
  await storePaymentIn(api.pool, 'created');
  await api.database.queryAsOwner(
    `UPDATE webhook_endpoints SET active = false, disabled_reason = 'gone'
     WHERE id = (SELECT min(id) FROM webhook_endpoints)`,
  );
  await insertWebhookEvent(api.pool, makeWebhookEvent({ status: 'parked' }));
  const { registry } = createApiMetrics(api.pool, EVERY_MS);
  const text = await registry.metrics();
  expect(text).toContain('malipo_waiting{what="parked_callbacks"} 1\n');
  expect(text).toContain('malipo_waiting{what="unmatched_receipts"} 0\n');
  expect(text).toContain('malipo_waiting{what="pending_deliveries"} 3\n');
  expect(text).toContain('malipo_waiting{what="disabled_endpoints"} 1\n');
});
