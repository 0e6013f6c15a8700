import { randomUUID } from 'node:crypto';
import { MERCHANT, storePaymentIn } from '../factories.ts';
import { keepLog } from '../kept-log.ts';
import { makeStkCallback, stkPath } from './callbacks.ts';
import { openOperator, PASSWORD } from './operators.ts';
import { openTestApi, type TestApi } from './server.ts';
import { settleRefundsIn, takePaymentsIn } from './takers.ts';

/** What a request leaves in the log: enough to find it by, and nothing that nobody may read. */
const { log, read, lines, forget } = keepLog('info');
const FROM = { 'x-forwarded-for': '203.0.113.9' };

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi({ adapt: (deps) => ({ ...deps, log }) });
  api.engine.takePayment = takePaymentsIn(api.pool);
  api.engine.takeRefund = settleRefundsIn(api.pool);
});
afterAll(() => api.close());
beforeEach(forget);

/** The request's own line, by its id. */
const lineOf = (requestId: string) =>
  lines().find((line) => line.request_id === requestId && 'route' in line);
const headersOf = (requestId: string) => ({ ...FROM, 'x-request-id': requestId });

test('a merchant’s request is told with payment, workflow, merchant and address', async () => {
  const made = await api.send('POST', '/api/v1/payments', {
    body: { provider: 'mpesa', amount: 10_000, currency: 'KES', customer: { phone: '0712345678' } },
    headers: headersOf('request-made'),
  });
  const { id, workflow } = made.body;
  const about = { payment_id: id, merchant_id: MERCHANT.id, remote_address: '203.0.113.9' };
  expect(lineOf('request-made')).toMatchObject({
    ...about,
    workflow_id: (workflow as { id: string }).id,
    method: 'POST',
    route: '/api/v1/payments',
    status: made.status,
    duration_ms: expect.any(Number),
  });
  await api.send('GET', `/api/v1/payments/${id}/timeline`, { headers: headersOf('request-seen') });
  expect(lineOf('request-seen')).toMatchObject({ ...about, status: 200 });
  await api.send('POST', `/api/v1/payments/${id}/refunds`, {
    body: { amount: 'all' },
    headers: headersOf('request-refused'),
  });
  expect(lineOf('request-refused')).toMatchObject({ ...about, status: 400 });
});

test('a refund’s is told with the refund as well', async () => {
  const payment = await storePaymentIn(api.pool, 'succeeded');
  const { body } = await api.send('POST', `/api/v1/payments/${payment.id}/refunds`, {
    body: { amount: 100 },
    headers: headersOf('request-refund'),
  });
  const about = { refund_id: body.id, payment_id: payment.id };
  expect(lineOf('request-refund')).toMatchObject(about);
  await api.send('GET', `/api/v1/refunds/${body.id}`, { headers: headersOf('request-look') });
  expect(lineOf('request-look')).toMatchObject(about);
});

test('an operator’s is told with who, let in or not; a stranger’s with the address', async () => {
  const { id, send } = await openOperator(api, 'viewer');
  await send('GET', '/api/v1/admin/merchants', { headers: headersOf('request-in') });
  await send('GET', '/api/v1/admin/operators', { headers: headersOf('request-out') });
  const who = { operator_id: id, remote_address: '203.0.113.9' };
  expect(lineOf('request-in')).toMatchObject({ ...who, status: 200 });
  expect(lineOf('request-out')).toMatchObject({ ...who, status: 403 });
  await api.send('GET', '/api/v1/nothing', { headers: headersOf('request-odd') });
  expect(lineOf('request-odd')).toMatchObject({ route: null, remote_address: '203.0.113.9' });
  expect(lineOf('request-odd')).not.toHaveProperty('merchant_id');
});

test('a callback is told with its payment and workflow', async () => {
  const payment = await storePaymentIn(api.pool, 'processing');
  await api.send('POST', stkPath(api, payment), { body: makeStkCallback() });
  expect(lines()).toContainEqual(
    expect.objectContaining({
      msg: 'a callback was taken',
      channel: 'stk',
      payment_id: payment.id,
      workflow_id: payment.workflowId,
      event_id: expect.stringMatching(/^evt_/),
    }),
  );
});

// table
test.each([
  ['in the place of the channel', (token: string) => `/api/v1/webhooks/${token}`],
  ['under a step upwards', (token: string) => `/api/v1/webhooks/stk/%2e%2e/${token}`],
  ['under another channel', (token: string) => `/api/v1/webhooks/nobody/${token}`],
  ['behind another segment', (token: string) => `/api/v1/webhooks/stk/x/${token}`],
  ['on another route', (token: string) => `/api/v1/payments/${token}?token=${token}`],
  ['in a query', (token: string) => `/api/v1/webhooks/stk?token=${token}`],
  ['after a sign that is none', (token: string) => `/api/v1/webhooks/%E0%A4%A/${token}`],
])('a genuine token %s stands in no line', async (_where, pathOf) => {
  const payment = await storePaymentIn(api.pool, 'processing');
  const token = stkPath(api, payment).split('/').at(-1) ?? '';
  const { status, text } = await api.send('POST', pathOf(token), { body: makeStkCallback() });
  expect(status).toBeGreaterThanOrEqual(400);
  expect(lines().length).toBeGreaterThan(0);
  expect(read()).not.toContain(token);
  expect(text).not.toContain(token);
});

test('what is no channel adds one short line', async () => {
  await api.send('POST', `/api/v1/webhooks/${'x'.repeat(15_000)}`);
  expect(read().length).toBeLessThan(1_000);
});

test('no line holds a secret or anything of the payer', async () => {
  const { token, send } = await openOperator(api, 'admin');
  const secrets = {
    password: 'a new pass phrase 1',
    secret_key: 'sk_test_ofTheMerchant1234',
    phone: '+254712345678',
    email: 'asha@example.test',
    name: 'Asha Juma',
  };
  const { email, phone, name, password, secret_key } = secrets;
  const merchantsPath = '/api/v1/payments';
  await api.send('POST', merchantsPath, {
    body: { provider: 'mpesa', amount: 10_000, currency: 'KES', customer: { phone, email, name } },
  });
  await api.send('GET', `${merchantsPath}?phone=${encodeURIComponent(phone)}`);
  await api.send('PUT', '/api/v1/provider-configs/stripe', {
    body: { environment: 'production', credentials: { secret_key, webhook_secrets: 'whsec_mine' } },
  });
  const body = { email: 'new@example.test', name: 'Asha Juma', role: 'admin', password };
  await send('POST', '/api/v1/admin/operators', { body });
  const session = await api.send('POST', '/api/v1/sessions', {
    body: { email: 'new@example.test', password },
  });
  const { access_token, refresh_token } = session.body;
  await api.send('POST', '/api/v1/sessions/refresh', { body: { refresh_token } });
  await api.send('POST', '/api/v1/sessions', { body: { email, password: `${PASSWORD}!` } });
  const made = await api.send('POST', '/api/v1/api-keys', { body: { name: 'Web shop' } });
  const payment = await storePaymentIn(api.pool, 'processing');
  await api.send('POST', stkPath(api, payment), { body: makeStkCallback() });
  await api.send('POST', '/api/v1/payments', {
    body: { card: '4242424242424242' },
    headers: { 'idempotency-key': randomUUID() },
  });
  expect(lines().length).toBeGreaterThan(10);
  const told = [token, access_token, refresh_token, made.body.key, api.apiKey, PASSWORD];
  const payer = ['254712345678', '254708374149', '0712345678', '4242424242424242', 'whsec_mine'];
  for (const secret of [...Object.values(secrets), ...told, ...payer]) {
    expect(read()).not.toContain(String(secret));
  }
});
