import { serveMetrics } from '../../api/metrics.ts';
import { createLog } from '../../config/log.ts';
import { storePaymentIn } from '../factories.ts';
import { makeStkCallback, stkPath } from './callbacks.ts';
import { openTestApi, type TestApi } from './server.ts';

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

test('with the database away the rest is still told', async () => {
  await api.cutDatabase();
  expect(await api.metrics.registry.metrics()).toContain('malipo_database_up 0');
});
