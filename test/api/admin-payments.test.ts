import { sealCustomer } from '../../db/customers.ts';
import { newId } from '../../db/ids.ts';
import type { Payment } from '../../domain/payment.ts';
import { PROVIDER_NAMES } from '../../providers/index.ts';
import { MERCHANT, storePaymentIn, VAULT } from '../factories.ts';
import { listStored, makeStkCallback, stkPath } from './callbacks.ts';
import { openOperator } from './operators.ts';
import { openTestApi, type Send, type TestApi } from './server.ts';

/** What operators see of payments, and what they decide about them. */
let api: TestApi;
let first: { readonly id: string; readonly send: Send };
let second: { readonly id: string; readonly send: Send };
beforeEach(async () => {
  api = await openTestApi();
  first = await openOperator(api, 'operator');
  second = await openOperator(api, 'admin');
});
afterEach(() => api.close());

const path = ({ id }: Pick<Payment, 'id'>, what = '') => `/api/v1/admin/payments/${id}${what}`;
const paid = { decision: 'succeeded', reason: 'seen in the portal', receipt: 'UJ7A1B2C3D' };
const decide = (send: Send, payment: Payment, body: object = paid) =>
  send('POST', path(payment, '/decision'), { body });
const LARGE = { amountMinor: 10_000_000 };

test('one operator decides a small payment; its workflow hears who and why', async () => {
  const payment = await storePaymentIn(api.pool, 'needs_review');
  expect(await decide(first.send, payment)).toMatchObject({ status: 200 });
  expect(api.engine.decided).toEqual([
    { workflowId: payment.workflowId, decision: { ...paid, amountMinor: null, by: first.id } },
  ]);
});

test('a large one takes the same word of two', async () => {
  const payment = await storePaymentIn(api.pool, 'needs_review', LARGE);
  const waiting = { status: 'awaiting_second_operator', subject_id: payment.id };
  expect(await decide(first.send, payment)).toMatchObject({ status: 202, body: waiting });
  expect((await decide(first.send, payment)).status).toBe(202);
  const other = { ...paid, receipt: 'ANOTHER001' };
  expect((await decide(second.send, payment, other)).status).toBe(202);
  expect(api.engine.decided).toEqual([]);
  expect((await decide(first.send, payment, other)).status).toBe(200);
  expect(api.engine.decided).toMatchObject([
    { decision: { receipt: 'ANOTHER001', by: `${second.id} and ${first.id}` } },
  ]);
});

test('the amount of a capture is part of the word: both name it', async () => {
  const manual = { ...LARGE, captureMethod: 'manual' } as const;
  const payment = await storePaymentIn(api.pool, 'needs_review', manual);
  const none = await decide(first.send, payment);
  expect(none).toMatchObject({ status: 409, body: { code: 'invalid_decision' } });
  expect(none.body.detail).toContain('amount');
  const more = { ...paid, amount: LARGE.amountMinor + 1 };
  expect((await decide(first.send, payment, more)).body.code).toBe('invalid_decision');
  const failed = { decision: 'failed', reason: 'not there', amount: 1 };
  expect((await decide(first.send, payment, failed)).body.code).toBe('invalid_decision');
  expect((await decide(first.send, payment, { ...paid, amount: 4_000 })).status).toBe(202);
  expect((await decide(second.send, payment, { ...paid, amount: 5_000 })).status).toBe(202);
  expect((await decide(first.send, payment, { ...paid, amount: 5_000 })).status).toBe(200);
  expect(api.engine.decided).toMatchObject([{ decision: { amountMinor: 5_000 } }]);
});

test('one receipt pays for one payment: the other one is named', async () => {
  const holder = await storePaymentIn(api.pool, 'succeeded');
  const payment = await storePaymentIn(api.pool, 'needs_review');
  const refused = await decide(first.send, payment);
  expect(refused).toMatchObject({ status: 409, body: { code: 'invalid_decision' } });
  expect(refused.body.detail).toContain(`is of ${holder.id} already, which is succeeded`);
  expect(api.engine.decided).toEqual([]);
  expect((await decide(first.send, payment, { ...paid, receipt: 'UJ7OTHER00' })).status).toBe(200);
});

test.each(['amount_mismatch', 'late_amount_mismatch'] as const)(
  'a success in review for %s is decided with its amount, by two operators as well',
  async (reason) => {
    const payment = await storePaymentIn(api.pool, 'needs_review', LARGE);
    await api.database.queryAsOwner('UPDATE payments SET review_reason = $1', [reason]);
    const none = await decide(first.send, payment);
    expect(none).toMatchObject({ status: 409, body: { code: 'invalid_decision' } });
    expect(none.body.detail).toContain('another amount');
    const named = { ...paid, amount: 4_000 };
    expect((await decide(first.send, payment, named)).status).toBe(202);
    expect((await decide(second.send, payment)).body.code).toBe('invalid_decision');
    expect((await decide(second.send, payment, named)).status).toBe(200);
    expect(api.engine.decided).toMatchObject([{ decision: { amountMinor: 4_000 } }]);
  },
);

test('of two operators at once one is the second, and one only', async () => {
  const payment = await storePaymentIn(api.pool, 'needs_review', LARGE);
  const answers = await Promise.all([first, second].map(({ send }) => decide(send, payment)));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 202]));
  expect(api.engine.decided).toHaveLength(1);
});

test.each(['processing', 'succeeded', 'failed'] as const)(
  'a payment that is %s is not decided',
  async (status) => {
    const payment = await storePaymentIn(api.pool, status);
    const answer = await decide(first.send, payment);
    expect(answer).toMatchObject({ status: 409, body: { code: 'not_in_review' } });
  },
);

test('who may only look decides nothing', async () => {
  const viewer = await openOperator(api, 'viewer');
  const payment = await storePaymentIn(api.pool, 'needs_review');
  expect((await viewer.send('GET', path(payment))).status).toBe(200);
  expect((await decide(viewer.send, payment)).status).toBe(403);
  expect((await viewer.send('POST', path(payment, '/verify'))).status).toBe(403);
});

test('when the workflow is away the operator is told to come again', async () => {
  const payment = await storePaymentIn(api.pool, 'needs_review');
  api.engine.update = { kind: 'unavailable' };
  expect(await decide(first.send, payment)).toMatchObject({ status: 503 });
  api.engine.update = { kind: 'done' };
  expect((await decide(first.send, payment)).status).toBe(200);
});

describe('a word of two that could not be carried out', () => {
  const agree = async () => {
    const payment = await storePaymentIn(api.pool, 'needs_review', LARGE);
    await decide(first.send, payment);
    api.engine.update = { kind: 'unavailable' };
    expect(await decide(second.send, payment)).toMatchObject({ status: 503 });
    api.engine.update = { kind: 'done' };
    api.engine.decided.length = 0;
    return payment;
  };

  test.each([
    ['second', () => second],
    ['first', () => first],
  ])('is carried out when the %s says it again', async (_who, who) => {
    const payment = await agree();
    expect((await decide(who().send, payment)).status).toBe(200);
    expect(api.engine.decided).toMatchObject([
      { decision: { by: `${first.id} and ${second.id}` } },
    ]);
  });

  test('is none for another word, nor for a payment that changed since', async () => {
    const payment = await agree();
    const other = { ...paid, receipt: 'ANOTHER001' };
    expect((await decide(second.send, payment, other)).status).toBe(202);
    expect((await decide(second.send, payment)).status).toBe(202);
    const changed = await agree();
    await api.database.queryAsOwner('UPDATE payments SET updated_at = now()');
    expect((await decide(second.send, changed)).status).toBe(202);
    expect(api.engine.decided).toEqual([]);
  });
});

test('an earlier word that another took the place of waits no longer', async () => {
  const payment = await storePaymentIn(api.pool, 'needs_review', LARGE);
  const failed = { decision: 'failed', reason: 'not there' };
  expect((await decide(first.send, payment)).status).toBe(202);
  expect((await decide(first.send, payment, failed)).status).toBe(202);
  api.engine.update = { kind: 'unavailable' };
  expect((await decide(second.send, payment, failed)).status).toBe(503);
  expect((await decide(second.send, payment)).status).toBe(202);
});

test('a refund in review is decided like a payment', async () => {
  const payment = await storePaymentIn(api.pool, 'succeeded');
  const { body } = await api.send('POST', `/api/v1/payments/${payment.id}/refunds`, { body: {} });
  const one = `/api/v1/admin/refunds/${body.id}/decision`;
  const given = { decision: 'succeeded', reason: 'seen in the portal' };
  expect((await first.send('POST', one, { body: given })).body.code).toBe('not_in_review');
  await api.database.queryAsOwner("UPDATE refunds SET status = 'needs_review'");
  const queue = await first.send('GET', '/api/v1/admin/refunds');
  expect(queue.body.data.map(({ id }) => id)).toEqual([body.id]);
  expect((await first.send('POST', one, { body: given })).status).toBe(200);
  expect(api.engine.decided).toMatchObject([{ decision: { ...given, by: first.id } }]);
  const canceled = await first.send('POST', one, { body: { ...given, decision: 'canceled' } });
  expect(canceled.status).toBe(400);
});

test('the queue holds what waits for a decision, of all merchants', async () => {
  await storePaymentIn(api.pool, 'succeeded');
  const { id } = await storePaymentIn(api.pool, 'needs_review');
  const queue = await first.send('GET', '/api/v1/admin/payments?status=needs_review');
  expect(queue.body.data.map((it) => it.id)).toEqual([id]);
  expect(queue.body.data[0]).toMatchObject({ merchant_id: MERCHANT.id });
  const other = await first.send('GET', `/api/v1/admin/payments?merchant_id=${newId('merchant')}`);
  expect(other.body.data).toEqual([]);
  const timeline = await first.send('GET', path({ id }, '/timeline'));
  expect(timeline.body.data.at(-1)).toMatchObject({ to: 'needs_review' });
  expect((await first.send('GET', path({ id }, '/execution'))).status).toBe(200);
});

test('a payment is found by what its payer or its provider names it by', async () => {
  const id = newId('payment');
  const payer = { id: 'cust-17', phone: '+254712345678', email: 'asha@example.test', name: null };
  const customer = sealCustomer(VAULT, id, payer);
  await storePaymentIn(api.pool, 'succeeded', { id, customer, amountMinor: 10_000 });
  await storePaymentIn(api.pool, 'created', { amountMinor: 20_000 });
  const found = async (query: string) =>
    (await first.send('GET', `/api/v1/admin/payments?${query}`)).body.data.map((it) => it.id);
  await api.database.queryAsOwner("UPDATE payments SET reference = 'Shop-77' WHERE id = $1", [id]);
  const ways = [
    'receipt=UJ7A1B2C3D',
    'receipt=uj7a1b2c3d',
    'receipt=%20UJ7A1B2C3D%20',
    'reference=shop-77',
    'provider_payment_id=ws_CO_1',
    'email=Asha@example.test',
  ];
  for (const way of [...ways, 'customer_id=cust-17', 'amount=10000', 'phone=0712345678']) {
    expect([way, await found(way)]).toEqual([way, [id]]);
  }
  expect(await found('receipt=UJ7A1B2C3D&amount=20000')).toEqual([]);
  for (const way of ['amount=1.5', 'amount=', 'email=asha', 'receipt=']) {
    expect((await first.send('GET', `/api/v1/admin/payments?${way}`)).status).toBe(400);
  }
  expect((await api.send('GET', '/api/v1/payments?receipt=UJ7A1B2C3D')).status).toBe(400);
});

test('a parked callback is looked into, closed or delivered once more', async () => {
  const payment = await storePaymentIn(api.pool, 'processing');
  const sent = makeStkCallback();
  await api.send('POST', stkPath(api, payment), { body: sent });
  const [stored] = await listStored(api);
  const one = `/api/v1/admin/webhook-events/${stored?.id}`;
  const list = await first.send('GET', `/api/v1/admin/webhook-events?payment_id=${payment.id}`);
  expect(list.body.data).toMatchObject([
    { id: stored?.id, event_kind: 'succeeded', status: 'received' },
  ]);
  expect((await first.send('GET', `${one}/body`)).status).toBe(403);
  const bytes = await second.send('GET', `${one}/body`);
  expect(JSON.parse(bytes.text)).toEqual(sent);
  const acts = await first.send('GET', `/api/v1/admin/activity?target=${stored?.id}`);
  const action = 'adminGetWebhookEventBody';
  expect(acts.body.data).toMatchObject([
    { action, operator_id: second.id, status: 200 },
    { action, operator_id: first.id, status: 403 },
  ]);
  await api.database.queryAsOwner("UPDATE webhook_events SET status = 'parked'");
  const replayed = await first.send('POST', `${one}/replay`, {
    body: { reason: 'it was parked too soon' },
  });
  expect(replayed.body).toMatchObject({ status: 'received', delivered_at: null });
  await api.database.queryAsOwner("UPDATE webhook_events SET status = 'parked'");
  const closed = await first.send('POST', `${one}/resolve`, { body: { reason: 'a test' } });
  expect(closed.body).toMatchObject({ status: 'applied', note: `${first.id}: a test` });
  const again = await second.send('POST', `${one}/resolve`, { body: { reason: 'mine' } });
  expect(again).toMatchObject({ status: 409, body: { code: 'not_parked' } });
  expect(again.body.detail).toContain('it is applied');
  expect((await first.send('GET', one)).body.note).toBe(`${first.id}: a test`);
});

test('a callback that names no payment of its sender is not delivered again', async () => {
  const payment = await storePaymentIn(api.pool, 'processing');
  await api.send('POST', stkPath(api, payment), { body: '{"Body": 1}' });
  const [stored] = await listStored(api);
  const path = `/api/v1/admin/webhook-events/${stored?.id}/replay`;
  const answer = await first.send('POST', path, { body: { reason: 'once more' } });
  expect(answer).toMatchObject({ status: 409, body: { code: 'not_replayable' } });
});

test('figures by provider, status and failure', async () => {
  await storePaymentIn(api.pool, 'succeeded');
  await storePaymentIn(api.pool, 'succeeded');
  await storePaymentIn(api.pool, 'needs_review');
  const { body } = await first.send('GET', '/api/v1/admin/statistics?step=month');
  expect(body.data).toMatchObject([
    { status: 'needs_review', payments: 1, median_ms: null },
    { status: 'succeeded', payments: 2, amount: 20_000, median_ms: expect.any(Number) },
  ]);
  const wide = '/api/v1/admin/statistics?created_from=2020-01-01T00:00:00Z';
  expect((await first.send('GET', wide)).body.errors?.[0]?.pointer).toBe('/created_from');
});

test('what is overdue for too long is listed, with why', async () => {
  const { id } = await storePaymentIn(api.pool, 'processing');
  expect((await first.send('GET', '/api/v1/admin/stuck')).body.data).toEqual([]);
  await api.database.queryAsOwner("UPDATE payments SET wait_until = now() - interval '1 hour'");
  const stuck = await first.send('GET', '/api/v1/admin/stuck');
  expect(stuck.body.data).toMatchObject([{ payment_id: id, explanation: expect.any(String) }]);
});

test('the providers are those of the registry', async () => {
  const { body } = await first.send('GET', '/api/v1/admin/providers');
  expect(body.data.map(({ name }) => name)).toEqual(PROVIDER_NAMES);
  expect(body.data[0]).toMatchObject({ amounts: { KES: { step_minor: 100 } }, refund: 'async' });
});

test('the policies in force are there to read', async () => {
  const { body } = await first.send('GET', '/api/v1/admin/policies');
  expect(body).toMatchObject({ api: { two_operators_from_minor: { KES: 10_000_000 } } });
});
