import type { Payment } from '../../domain/payment.ts';
import type { PaymentStatus } from '../../domain/payment-states.ts';
import { dispatch, makeOutcome, recordEvent, storePayment, storePaymentIn } from '../factories.ts';
import { openOperator } from './operators.ts';
import { type Answer, openTestApi, type Send, type TestApi } from './server.ts';
import { settleRefundsIn } from './takers.ts';

/** Money back over the API; each payment took KES 100.00. */
let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
  api.engine.takeRefund = settleRefundsIn(api.pool);
});
afterEach(() => api.close());

const store = (status: PaymentStatus = 'succeeded') =>
  storePaymentIn(api.pool, status, { provider: 'cpay', credentialsRef: 'env:cpay' });
const refund = (
  { id }: Pick<Payment, 'id'>,
  body: object = {},
  key?: string,
  send: Send = api.send,
): Promise<Answer> =>
  send('POST', `/api/v1/payments/${id}/refunds`, {
    body,
    ...(key === undefined ? {} : { headers: { 'idempotency-key': key } }),
  });
const sums = async ({ id }: Payment) => {
  const { body } = await api.send('GET', `/api/v1/payments/${id}`);
  return [body.amount_refunded, body.amount_refundable, body.refund_status];
};
const listOf = async ({ id }: Payment) =>
  (await api.send('GET', `/api/v1/payments/${id}/refunds`)).body.data;

test('a refund answers 201 with what became of it, and stands on its payment', async () => {
  const payment = await store();
  const answer = await refund(payment, { amount: 4_000, reason: 'too small' }, 'refund-1');
  expect(answer).toMatchObject({
    status: 201,
    body: {
      object: 'refund',
      payment_id: payment.id,
      status: 'succeeded',
      amount: 4_000,
      currency: 'KES',
      reason: 'too small',
      idempotency_key: 'refund-1',
      provider_refund_id: 're_1',
    },
  });
  const location = answer.headers.get('location') ?? '';
  expect((await api.send('GET', location)).body).toEqual(answer.body);
  expect(await listOf(payment)).toEqual([answer.body]);
  expect(await sums(payment)).toEqual([4_000, 6_000, 'partial']);
  expect(JSON.stringify(api.engine.startedRefunds)).not.toContain('too small');
});

test('without an amount all that is left is refunded', async () => {
  const payment = await store();
  await refund(payment, { amount: 2_500 });
  expect((await refund(payment)).body.amount).toBe(7_500);
  expect(await sums(payment)).toEqual([10_000, 0, 'full']);
});

test('the same key again answers 200 with the same refund, however it is quoted', async () => {
  const payment = await store();
  const first = await refund(payment, { amount: 4_000 }, 'refund-1');
  const again = await refund(payment, { amount: 4_000 }, '"refund-1"');
  expect(again).toMatchObject({ status: 200, body: first.body });
  expect(again.headers.get('idempotency-replayed')).toBe('true');
  expect(first.headers.get('idempotency-replayed')).toBeNull();
  expect(api.engine.startedRefunds).toHaveLength(1);
  expect(await sums(payment)).toEqual([4_000, 6_000, 'partial']);
});

test('the key of another refund is refused, of another payment as well', async () => {
  const payment = await store();
  await refund(payment, { amount: 4_000 }, 'refund-1');
  for (const [place, body] of [
    [payment, { amount: 4_001 }],
    [payment, { amount: 4_000, reason: 'another' }],
    [payment, {}],
    [await store(), { amount: 4_000 }],
  ] as const) {
    expect(await refund(place, body, 'refund-1')).toMatchObject({
      status: 422,
      body: { code: 'idempotency_key_reused' },
    });
  }
  expect(api.engine.startedRefunds).toHaveLength(1);
});

test('more than is left is refused, and the answer says how much is', async () => {
  const payment = await store();
  await refund(payment, { amount: 4_000 });
  const answer = await refund(payment, { amount: 6_001 });
  expect(answer).toMatchObject({ status: 422, body: { code: 'refund_too_much' } });
  expect(answer.body.errors).toMatchObject([
    { pointer: '/amount', detail: expect.stringMatching(/60\.00 .*\(6000\)/) },
  ]);
  await refund(payment);
  for (const body of [{}, { amount: 1 }]) {
    expect((await refund(payment, body)).body.code).toBe('refund_too_much');
  }
});

test('fifty at once never give back more than was taken', async () => {
  const payment = await store();
  const tries = Array.from({ length: 50 }, () => refund(payment, { amount: 700 }));
  const statuses = (await Promise.all(tries)).map(({ status }) => status);
  expect(statuses.filter((status) => status === 201)).toHaveLength(14);
  expect(statuses.filter((status) => status === 422)).toHaveLength(36);
  expect(await sums(payment)).toEqual([9_800, 200, 'partial']);
});

test('the same key fifty times at once is one refund', async () => {
  const payment = await store();
  const tries = Array.from({ length: 50 }, () => refund(payment, { amount: 700 }, 'refund-1'));
  const ids = (await Promise.all(tries)).map(({ body }) => body.id);
  expect(new Set(ids).size).toBe(1);
  expect(await sums(payment)).toEqual([700, 9_300, 'partial']);
});

test.each(['created', 'processing', 'authorized', 'needs_review', 'failed', 'canceled'] as const)(
  'a payment that is %s has nothing to give back',
  async (status) => {
    const answer = await refund(await store(status));
    expect(answer).toMatchObject({ status: 409, body: { code: 'not_refundable' } });
    expect(answer.body.detail).toContain(status);
  },
);

test('M-Pesa refunds by receipt: without one it is to be learned first', async () => {
  const payment = await storePayment(api.pool);
  await dispatch(api.pool, payment);
  const outcome = makeOutcome('succeeded', { receipt: null });
  await recordEvent(api.pool, payment, 'succeeded', { outcome });
  const answer = await refund(payment);
  expect(answer.status).toBe(201);
  expect(api.engine.startedRefunds).toMatchObject([
    { providerReceipt: null, receiptToLearn: { capturedMinor: 10_000 } },
  ]);
});

test('a receipt that comes while its refund is asked for goes with it', async () => {
  let comeLate = () => Promise.resolve<unknown>(null);
  const own = await openTestApi({
    adapt: (deps) => ({
      ...deps,
      pool: {
        ...deps.pool,
        async transaction(work, retries) {
          await comeLate();
          return await deps.pool.transaction(work, retries);
        },
      },
    }),
  });
  const payment = await storePayment(own.pool);
  await dispatch(own.pool, payment);
  const outcome = makeOutcome('succeeded', { receipt: null });
  await recordEvent(own.pool, payment, 'succeeded', { outcome });
  comeLate = () => own.database.queryAsOwner("UPDATE payments SET provider_receipt = 'UJ7A1B2C3D'");
  await refund(payment, {}, undefined, own.send);
  expect(own.engine.startedRefunds).toMatchObject([{ providerReceipt: 'UJ7A1B2C3D' }]);
  expect(own.engine.startedRefunds[0]).not.toHaveProperty('receiptToLearn');
  await own.close();
});

test('M-Pesa gives back whole shillings only', async () => {
  const payment = await storePaymentIn(api.pool, 'succeeded');
  expect(await refund(payment, { amount: 150 })).toMatchObject({
    status: 422,
    body: { code: 'provider_limits', errors: [{ pointer: '/amount' }] },
  });
  expect((await refund(payment, { amount: 200 })).status).toBe(201);
});

test('the refunds of a payment are listed page by page, oldest first, to the last', async () => {
  const payment = await store();
  const ids: string[] = [];
  for (let made = 0; made < 5; made += 1)
    ids.push((await refund(payment, { amount: 100 })).body.id);
  await refund(await store());
  const path = `/api/v1/payments/${payment.id}/refunds`;
  const seen: string[][] = [];
  for (let query = '?limit=2'; query !== ''; ) {
    const { body } = await api.send('GET', `${path}${query}`);
    seen.push(body.data.map(({ id }) => id));
    expect(body.has_more).toBe(typeof body.next_cursor === 'string');
    query = body.has_more === true ? `?limit=2&cursor=${body.next_cursor}` : '';
  }
  expect(seen).toEqual([ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)]);
  expect((await listOf(payment)).map(({ id }) => id)).toEqual(ids);
  expect((await api.send('GET', `${path}?cursor=x`)).body.code).toBe('invalid_request');
});

test('another merchant sees neither payment nor refund, and may use the same key', async () => {
  const payment = await store();
  const other = await api.openMerchant();
  expect(await refund(payment, {}, 'refund-1', other.send)).toMatchObject({ status: 404 });
  const { body } = await refund(payment, { amount: 1_000 }, 'refund-1');
  for (const path of [`refunds/${body.id}`, `payments/${payment.id}/refunds`]) {
    expect((await other.send('GET', `/api/v1/${path}`)).status).toBe(404);
  }
  const theirs = await storePaymentIn(api.pool, 'succeeded', {
    provider: 'cpay',
    merchantId: other.id,
  });
  expect((await refund(theirs, { amount: 1_000 }, 'refund-1', other.send)).status).toBe(201);
});

test('one that waits tells why, to its merchant and to any operator', async () => {
  api.engine.workflows = 'away';
  const { body: made } = await refund(await store(), { amount: 4_000 });
  await api.database.queryAsOwner("UPDATE refunds SET waiting_for = 'callback' WHERE id = $1", [
    made.id,
  ]);
  api.engine.workflows = 'runs';
  const next = { type: 'refund', attempt: 7, attemptsMax: 3, nextTryAt: null };
  const activities = [{ ...next, lastError: 'the line went dead', state: 'retrying' as const }];
  api.engine.execution = { status: 'running', historyLength: 12, activities };
  const operator = (await openOperator(api, 'viewer')).send;
  for (const [send, path] of [
    [api.send, `/api/v1/refunds/${made.id}`],
    [operator, `/api/v1/admin/refunds/${made.id}`],
  ] as const) {
    const whole = { id: made.id, object: 'refund', status: 'pending', waiting_for: 'callback' };
    expect(await send('GET', path)).toMatchObject({ status: 200, body: whole });
    expect(await send('GET', `${path}/execution`)).toMatchObject({
      status: 200,
      body: {
        object: 'refund_execution',
        refund_id: made.id,
        payment_id: made.payment_id,
        explanation: expect.stringContaining('The provider has the refund'),
        activities: [{ attempt: 7, attempts_max: 3, last_error: 'the line went dead' }],
        workflow: { status: 'running', history_length: 12 },
      },
    });
  }
  for (const rest of ['', '/execution']) {
    const path = `/api/v1/admin/refunds/${String(made.payment_id)}${rest}`;
    expect((await operator('GET', path)).status).toBe(404);
  }
});

test('a refund that waits in the provider’s queue says so', async () => {
  const { body } = await refund(await store(), { amount: 4_000 });
  const call = { type: 'refund', attempt: 1, attemptsMax: null, lastError: null, nextTryAt: null };
  const activities = [{ ...call, state: 'queued' as const }];
  api.engine.execution = { status: 'running', historyLength: 5, activities };
  const shown = await api.send('GET', `/api/v1/refunds/${body.id}/execution`);
  expect(shown.body.explanation).toMatch(
    /^The refund waits for its turn at \w+, which takes \d+ calls a second/,
  );
});

test('with nobody to take it up it answers 202, keeps the money and joins on replay', async () => {
  api.engine.workflows = 'away';
  const payment = await store();
  const first = await refund(payment, { amount: 4_000 }, 'refund-1');
  expect(first).toMatchObject({ status: 202, body: { status: 'pending', waiting_for: null } });
  expect(await sums(payment)).toEqual([0, 6_000, 'none']);
  expect((await refund(payment, { amount: 4_000 }, 'refund-1')).status).toBe(202);
  api.engine.workflows = 'runs';
  const joined = await refund(payment, { amount: 4_000 }, 'refund-1');
  expect(joined).toMatchObject({ status: 200, body: { id: first.body.id, status: 'succeeded' } });
  expect(new Set(api.engine.startedRefunds.map((it) => it.workflowId)).size).toBe(1);
});

test.each<readonly [string, object, string]>([
  ['no whole number', { amount: 10.5 }, '/amount'],
  ['nothing', { amount: 0 }, '/amount'],
  ['less than nothing', { amount: -100 }, '/amount'],
  ['a text', { amount: '100' }, '/amount'],
  ['more than a number can hold', { amount: 2 ** 53 }, '/amount'],
  ['another field', { amount: 100, currency: 'USD' }, '/currency'],
])('a body with %s is refused and names the field', async (_what, body, pointer) => {
  expect(await refund(await store(), body)).toMatchObject({
    status: 400,
    body: { code: 'invalid_request', errors: [{ pointer }] },
  });
});
