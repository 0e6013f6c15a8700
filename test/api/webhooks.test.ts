import { randomBytes } from 'node:crypto';
import { sealCustomer } from '../../db/customers.ts';
import { newId } from '../../db/ids.ts';
import { record } from '../../db/record.ts';
import { openBody } from '../../db/webhook-events.ts';
import { hashOfPaymentWorkflowId, paymentWorkflowId } from '../../domain/id.ts';
import type { Payment } from '../../domain/payment.ts';
import type { PaymentStatus } from '../../domain/payment-states.ts';
import { PROVIDERS } from '../../providers/index.ts';
import { makeOutcome, makeRecord, storePaymentIn, VAULT } from '../factories.ts';
import { listStored, makeStkCallback, PHONE, stkPath } from './callbacks.ts';
import { openTestApi, type TestApi } from './server.ts';

/** Callbacks of M-Pesa: the token in the address is their proof, and Daraja calls only once. */
const TAKEN = { ResultCode: 0, ResultDesc: 'Accepted' };

let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

const store = (status: PaymentStatus) => storePaymentIn(api.pool, status);
const call = (payment: Payment, body: object | string = makeStkCallback()) =>
  api.send('POST', stkPath(api, payment), { body });

test('a genuine one is acknowledged, kept and passed to the payment’s workflow', async () => {
  const payment = await store('processing');
  expect(await call(payment)).toMatchObject({ status: 200, body: TAKEN });
  const [stored] = await listStored(api);
  expect(stored).toMatchObject({ status: 'received', payment_id: payment.id, delivery_count: 1 });
  expect(api.engine.delivered).toEqual([
    {
      workflowId: payment.workflowId,
      event: { eventId: stored?.id, unstored: null, event: expect.anything() },
    },
  ]);
  expect(api.engine.delivered[0]?.event.event).toMatchObject({
    kind: 'succeeded',
    receipt: 'UJ7A1B2C3D',
    money: { amountMinor: 10_000, currency: 'KES' },
  });
});

// table
test.each([
  ['the payer’s phone', PHONE, false],
  ['another whole phone', 254700000102, true],
  ['the payer’s, masked', '254700***101', false],
  ['another, masked', '254708***101', true],
  ['no phone that could be compared', 'a'.repeat(64), false],
] as const)('one that names %s: %s, is marked: %s', async (_what, phone, isMarked) => {
  const id = newId('payment');
  const payer = { id: null, phone: `+${PHONE}`, email: null, name: null };
  const customer = sealCustomer(VAULT, id, payer);
  const payment = await storePaymentIn(api.pool, 'processing', { id, customer });
  expect((await call(payment, makeStkCallback({ phone }))).status).toBe(200);
  const [delivered] = api.engine.delivered;
  expect('payerMismatch' in Object(delivered?.event.event)).toBe(isMarked);
  const [stored] = await listStored(api);
  expect(stored).toMatchObject({ status: 'received', payment_id: payment.id });
  expect(stored?.row).not.toContain(String(phone));
});

test('it needs no API key, and what it says about the payer is kept sealed only', async () => {
  const payment = await store('processing');
  const headers = { authorization: '' };
  const sent = makeStkCallback();
  const answer = await api.send('POST', stkPath(api, payment), { body: sent, headers });
  expect(answer.status).toBe(200);
  const [stored] = await listStored(api);
  if (stored === undefined) throw new Error('nothing was kept');
  expect(JSON.parse(openBody(VAULT, stored.id, stored.body_cipher).toString())).toEqual(sent);
  expect(stored.row).not.toContain(String(PHONE));
  expect(stored.row).not.toContain(stkPath(api, payment).slice(-32));
  expect(stored.body_cipher.toString('latin1')).not.toContain(String(PHONE));
});

/** The payment's workflow is told and asks the provider: test/workflows/unclear.test.ts. */
const UNREADABLE = { kind: 'unknown', providerPaymentId: null, unclear: 'unreadable' };

test.each(['\u0000', '\ud800'])(
  'one that holds %j is kept sealed and parked, and its payment asks',
  async (odd) => {
    const payment = await store('processing');
    const sent = makeStkCallback({ receipt: `UJ7A1B2${odd}` });
    expect(await call(payment, sent)).toMatchObject({ status: 200, body: TAKEN });
    const [stored] = await listStored(api);
    expect(stored).toMatchObject({ status: 'parked', event: UNREADABLE, delivery_count: 1 });
    expect(api.engine.delivered).toMatchObject([{ event: { event: UNREADABLE } }]);
  },
);

test('a hundred at once are all acknowledged, kept once and passed on once', async () => {
  const payment = await store('processing');
  const answers = await Promise.all(Array.from({ length: 100 }, () => call(payment)));
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 100 }, () => 200));
  expect(await listStored(api)).toMatchObject([{ duplicate_count: 99, delivery_count: 1 }]);
  expect(api.engine.delivered).toHaveLength(1);
});

test('two payments may hear the very same words', async () => {
  for (const payment of [await store('processing'), await store('processing')]) {
    expect((await call(payment)).status).toBe(200);
  }
  expect(await listStored(api)).toHaveLength(2);
  expect(api.engine.delivered).toHaveLength(2);
});

test.each<readonly [string, (hash: string) => string]>([
  ['one of nobody', () => randomBytes(33).toString('hex')],
  ['one changed in its last digit', (hash) => change(api.tokens.issue('payment', hash, 1))],
  ['one in capitals', (hash) => api.tokens.issue('payment', hash, 1).toUpperCase()],
  ['one of a refund', (hash) => api.tokens.issue('refund', hash, 1)],
  ['the payment’s hash alone', (hash) => hash],
])('a token that is %s opens nothing', async (_what, tokenOf) => {
  const { workflowId } = await store('processing');
  const token = tokenOf(hashOfPaymentWorkflowId(workflowId) ?? '');
  const answer = await api.send('POST', `/api/v1/webhooks/stk/${token}`, {
    body: makeStkCallback(),
  });
  expect(answer).toMatchObject({ status: 404, body: { code: 'not_found' } });
  expect(await listStored(api)).toEqual([]);
  expect(api.engine.delivered).toEqual([]);
});
const change = (token: string) => token.slice(0, -1) + (token.endsWith('0') ? '1' : '0');

test.each(PROVIDERS.mpesa.refundWebhooks.map(({ channel }) => channel))(
  'nor does a payment’s token open the channel %s of refunds',
  async (channel) => {
    const { workflowId } = await store('succeeded');
    const token = api.tokens.issue('payment', hashOfPaymentWorkflowId(workflowId) ?? '', 1);
    const path = `/api/v1/webhooks/${channel}/${token}`;
    expect((await api.send('POST', path, { body: { Result: {} } })).status).toBe(404);
    expect(await listStored(api)).toEqual([]);
  },
);

test.each<readonly [string, object | string]>([
  ['no JSON', 'ResultCode=0'],
  ['half a JSON', '{"Body":{"stkCallback":'],
  ['nothing', ''],
  ['another object', { Body: {} }],
])('a body that is %s is acknowledged and parked, and its payment asks', async (_what, body) => {
  const payment = await store('processing');
  expect(await call(payment, body)).toMatchObject({ status: 200, body: TAKEN });
  expect(await listStored(api)).toMatchObject([
    { status: 'parked', payment_id: payment.id, error: expect.stringContaining('STK') },
  ]);
  const { workflowId } = payment;
  expect(api.engine.delivered).toMatchObject([{ workflowId, event: { event: UNREADABLE } }]);
});

test('a body that nobody can read waits for Temporal, for the sweeper to tell of it', async () => {
  api.engine.workflows = 'away';
  expect((await call(await store('processing'), 'no JSON')).status).toBe(200);
  expect(await listStored(api)).toMatchObject([{ status: 'received', event: UNREADABLE }]);
});

test('a body beyond 256 KB is refused', async () => {
  const answer = await call(await store('processing'), 'x'.repeat(256 * 1024 + 1));
  expect(answer).toMatchObject({ status: 413, body: { code: 'body_too_large' } });
});

test('one about a payment that we do not have is acknowledged and parked', async () => {
  const payment = await store('processing');
  const unknown = { ...payment, workflowId: paymentWorkflowId('a'.repeat(32)) };
  api.engine.workflows = 'closed';
  expect((await call(unknown)).status).toBe(200);
  expect(await listStored(api)).toMatchObject([{ status: 'parked', payment_id: null }]);
  expect(api.engine.late).toEqual([]);
});

test('one whose payment’s row is gone reaches the workflow that its token proves', async () => {
  const payment = await store('processing');
  const forgotten = { ...payment, workflowId: paymentWorkflowId('b'.repeat(32)) };
  expect((await call(forgotten)).status).toBe(200);
  expect(await listStored(api)).toMatchObject([{ status: 'received', payment_id: null }]);
  expect(api.engine.delivered).toHaveLength(1);
});

test('with Temporal away it is acknowledged and waits in the database', async () => {
  api.engine.workflows = 'away';
  expect((await call(await store('processing'))).status).toBe(200);
  expect(await listStored(api)).toMatchObject([{ status: 'received', delivery_count: 0 }]);
});

test('what a closed payment says already is applied without any workflow', async () => {
  const payment = await store('processing');
  const outcome = makeOutcome('succeeded', { providerPaymentId: VAULT.sealId('ws_CO_1') });
  await record(api.pool, makeRecord(payment, { event: 'succeeded', outcome }));
  api.engine.workflows = 'closed';
  expect((await call(payment)).status).toBe(200);
  expect(await listStored(api)).toMatchObject([{ status: 'applied', error: 'nothing new' }]);
  expect(api.engine.late).toEqual([]);
});

test.each<readonly [string, PaymentStatus, Parameters<typeof makeStkCallback>[0]]>([
  ['another receipt', 'succeeded', { receipt: 'UJ7ZZZZZZZ' }],
  ['another amount', 'succeeded', { shillings: 50 }],
  ['money after a failure', 'failed', {}],
])('%s for a closed payment goes to a workflow of its own', async (_what, status, changes) => {
  api.engine.workflows = 'closed';
  const payment = await store(status);
  expect((await call(payment, makeStkCallback(changes))).status).toBe(200);
  expect(api.engine.late).toMatchObject([{ paymentId: payment.id }]);
  expect(await listStored(api)).toMatchObject([{ status: 'received', delivery_count: 1 }]);
});

test('with the database away it is acknowledged, and Temporal holds it, sealed', async () => {
  const payment = await store('processing');
  await api.cutDatabase();
  expect(await call(payment)).toMatchObject({ status: 200, body: TAKEN });
  const [delivered] = api.engine.delivered;
  const unstored = delivered?.event.unstored;
  const { workflowId } = payment;
  expect(delivered?.workflowId).toBe(workflowId);
  expect(unstored).toMatchObject({ workflowId, provider: 'mpesa', status: 'received' });
  const { id = '', bodyCipher = '' } = unstored ?? {};
  const body = openBody(VAULT, id, Buffer.from(bodyCipher, 'base64'));
  expect(JSON.parse(body.toString())).toEqual(makeStkCallback());
  expect(JSON.stringify(delivered)).not.toContain(String(PHONE));
});

test('with the database away and Temporal as well it is refused, to be sent again', async () => {
  const payment = await store('processing');
  api.engine.workflows = 'away';
  await api.cutDatabase();
  const answer = await call(payment);
  expect(answer).toMatchObject({ status: 503, body: { code: 'temporarily_unavailable' } });
  expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
  expect(await listStored(api)).toEqual([]);
});

test('with the database away and the workflow closed, one of its own holds it', async () => {
  const payment = await store('failed');
  api.engine.workflows = 'closed';
  await api.cutDatabase();
  expect(await call(payment)).toMatchObject({ status: 200, body: TAKEN });
  const { workflowId } = payment;
  expect(api.engine.held).toMatchObject([{ workflowId, status: 'received', provider: 'mpesa' }]);
  expect(JSON.stringify(api.engine.held)).not.toContain(String(PHONE));
});
