import { record } from '../../db/record.ts';
import { insertWebhookEvent } from '../../db/webhook-events.ts';
import type { Payment } from '../../domain/payment.ts';
import { makeRecord, makeWebhookEvent, storePaymentIn } from '../factories.ts';
import { openOperator } from './operators.ts';
import { openTestApi, type Send, type TestApi } from './server.ts';

/** Money beside a payment's own, as operators find it and decide about it. */
let api: TestApi;
let operator: { readonly id: string; readonly send: Send };
beforeEach(async () => {
  api = await openTestApi();
  operator = await openOperator(api, 'operator');
});
afterEach(() => api.close());

async function storePaidTwice(): Promise<Payment> {
  const payment = await storePaymentIn(api.pool, 'succeeded');
  const { event } = await insertWebhookEvent(api.pool, makeWebhookEvent());
  const money = { amountMinor: 10_000, currency: 'KES' };
  const unmatchedReceipt = {
    kind: 'succeeded',
    providerPaymentId: 'ws_CO_0',
    receipt: 'R0',
    money,
  } as const;
  const webhook = { eventId: event.id, status: 'applied', note: 'unmatched receipt' } as const;
  await record(api.pool, makeRecord(payment, { unmatchedReceipt, webhook }));
  return payment;
}
const found = {
  provider: 'mpesa',
  provider_payment_id: 'ws_CO_0',
  provider_receipt: 'R0',
  is_held: false,
  amount: 10_000,
  currency: 'KES',
};
const queue = (query = '') => operator.send('GET', `/api/v1/admin/unmatched-receipts${query}`);
const resolve = ({ id }: Payment, body: object, send = operator.send) =>
  send('POST', `/api/v1/admin/payments/${id}/unmatched-receipts`, { body });
const givenBack = {
  provider_payment_id: 'ws_CO_0',
  resolution: 'given_back',
  reason: 'refunded in the portal',
};

test('it is listed, oldest first and page by page, until it is decided', async () => {
  await storePaymentIn(api.pool, 'succeeded');
  const first = await storePaidTwice();
  const second = await storePaidTwice();
  const page = await queue('?limit=1');
  expect(page.body.data).toMatchObject([
    { id: first.id, unmatched_receipts: [{ ...found, status: 'open' }] },
  ]);
  const next = await queue(`?limit=1&cursor=${page.body.next_cursor}`);
  expect(next.body.data).toMatchObject([{ id: second.id }]);
  expect((await queue('?merchant_id=mer_none')).body.data).toEqual([]);
  const resolved = await resolve(first, givenBack);
  expect(resolved).toMatchObject({
    status: 200,
    body: { status: 'succeeded', unmatched_receipts: [{ ...found, status: 'given_back' }] },
  });
  expect((await queue()).body.data.map(({ id }) => id)).toEqual([second.id]);
});

test('its merchant sees it on the payment', async () => {
  const { id } = await storePaidTwice();
  const { body } = await api.send('GET', `/api/v1/payments/${id}`);
  expect(body.unmatched_receipts).toEqual([{ ...found, status: 'open' }]);
});

test('what is not open cannot be decided, nor by who may only look', async () => {
  const payment = await storePaidTwice();
  const other = { ...givenBack, provider_payment_id: 'ws_CO_1' };
  expect((await resolve(payment, other)).status).toBe(404);
  expect((await resolve(payment, { ...givenBack, resolution: 'open' })).status).toBe(400);
  const viewer = await openOperator(api, 'viewer');
  expect((await resolve(payment, givenBack, viewer.send)).status).toBe(403);
  expect((await resolve(payment, givenBack)).status).toBe(200);
  expect((await resolve(payment, givenBack)).status).toBe(404);
});
