import { findRefundByWorkflow } from '../../db/refunds.ts';
import { refundInput, reopenedRefundInput } from '../../domain/inputs.ts';
import { capabilitiesOf } from '../../providers/index.ts';
import { TEST_CERTIFICATE } from '../../providers/mpesa/simulator/test-key.ts';
import { storePaymentIn } from '../factories.ts';
import { openTestApi, type TestApi } from './server.ts';
import { settleRefundsIn } from './takers.ts';

/** With which version of an account's credentials money is given back. */
let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
  api.engine.takeRefund = settleRefundsIn(api.pool);
});
afterEach(() => api.close());

const MPESA = {
  consumer_key: 'consumer-key',
  consumer_secret: 'consumer-secret',
  short_code: '600123',
  passkey: 'passkey',
};
const INITIATOR = {
  initiator_name: 'apiop37',
  initiator_password: 'Pa55word!',
  certificate: TEST_CERTIFICATE,
};
const STRIPE = { secret_key: 'sk_test_ofToday123', webhook_secrets: 'whsec_ofTodayOnly' };

async function configure(
  credentials: object,
  { provider = 'mpesa', environment = 'sandbox' } = {},
): Promise<string> {
  const path = `/api/v1/provider-configs/${provider}`;
  const { status, body } = await api.send('PUT', path, { body: { environment, credentials } });
  expect(status).toBe(200);
  return `config:${body.id}@${String(body.version)}`;
}
const store = (credentialsRef: string, provider = 'mpesa') =>
  storePaymentIn(api.pool, 'succeeded', { provider, credentialsRef });
/** Which credentials a new refund is made with. */
async function refund({ id }: { readonly id: string }, key = 'refund-1'): Promise<string> {
  const headers = { 'idempotency-key': key };
  const path = `/api/v1/payments/${id}/refunds`;
  const { body } = await api.send('POST', path, { body: { amount: 1_000 }, headers });
  expect(body.object).toBe('refund');
  return api.engine.startedRefunds.at(-1)?.credentialsRef ?? '';
}

test('what was put right after the payment is what the next refund goes by', async () => {
  const first = await configure(MPESA);
  const payment = await store(first);
  expect(await refund(payment, 'refund-1')).toBe(first);
  const second = await configure({ ...MPESA, ...INITIATOR });
  expect(await refund(payment, 'refund-2')).toBe(second);
});

test('a refund keeps what it began with, whoever starts or recovers it', async () => {
  const payment = await store(await configure(MPESA));
  const second = await configure({ ...MPESA, ...INITIATOR });
  api.engine.workflows = 'away';
  await refund(payment);
  const [asked] = api.engine.startedRefunds;
  await configure({ ...MPESA, ...INITIATOR, passkey: 'the-next-passkey' });
  api.engine.workflows = 'runs';
  expect(await refund(payment)).toBe(second);

  const found = await findRefundByWorkflow(api.pool, asked?.workflowId ?? '');
  if (found === null) throw new Error('the refund is not there');
  const { refund: row, payment: paid } = found;
  const can = capabilitiesOf('mpesa');
  const inputs = [
    refundInput(row, paid, can),
    reopenedRefundInput(row, paid, can, { isSent: true }),
  ];
  expect(inputs.map(({ credentialsRef }) => credentialsRef)).toEqual([second, second]);
});

test('another account gives nothing back of this one', async () => {
  const first = await configure({ ...MPESA, ...INITIATOR });
  const payment = await store(first);
  const elsewhere = await configure({ ...MPESA, ...INITIATOR, short_code: '600456' });
  expect(await refund(payment, 'refund-1')).toBe(first);
  const mended = await configure({ ...MPESA, ...INITIATOR, passkey: 'the-next-passkey' });
  expect(await refund(payment, 'refund-2')).toBe(mended);
  expect(await refund(await store(elsewhere), 'refund-3')).toBe(elsewhere);
});

test('nor does an account of live money of one of test money', async () => {
  const ofStripe = { provider: 'stripe' };
  const test = await configure(STRIPE, ofStripe);
  const payment = await store(test, 'stripe');
  const live = { ...STRIPE, secret_key: 'sk_live_ofToday123' };
  await configure(live, { ...ofStripe, environment: 'production' });
  expect(await refund(payment, 'refund-1')).toBe(test);
  const rolled = await configure({ ...STRIPE, secret_key: 'rk_test_ofTomorrow' }, ofStripe);
  expect(await refund(payment, 'refund-2')).toBe(rolled);
});

test('what the deployment’s own account took, that one gives back', async () => {
  const payment = await store('env:mpesa');
  await configure({ ...MPESA, ...INITIATOR });
  expect(await refund(payment)).toBe('env:mpesa');
});
