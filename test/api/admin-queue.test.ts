import { storePaymentIn } from '../factories.ts';
import { openOperator } from './operators.ts';
import { openTestApi, type Send, type TestApi } from './server.ts';

/** The queues of what nobody but a person can say: nothing is missing, the oldest come first. */
let api: TestApi;
let viewer: Send;
beforeEach(async () => {
  api = await openTestApi();
  viewer = (await openOperator(api, 'viewer')).send;
});
afterEach(() => api.close());

const PAYMENTS = '/api/v1/admin/payments/in-review';
const REFUNDS = '/api/v1/admin/refunds';

async function read(path: string, query = ''): Promise<readonly string[]> {
  const answer = await viewer('GET', `${path}?${query}`);
  expect(answer.status).toBe(200);
  return answer.body.data.map(({ id }) => id);
}
async function readAll(path: string): Promise<readonly string[]> {
  const ids: string[] = [];
  for (let cursor = ''; ; ) {
    const { body } = await viewer('GET', `${path}?limit=2${cursor}`);
    ids.push(...body.data.map(({ id }) => id));
    if (typeof body.next_cursor !== 'string') return ids;
    cursor = `&cursor=${body.next_cursor}`;
  }
}

/** A refund in review, of a payment of its own. */
async function reviewRefund(merchant: { readonly id?: string; readonly send: Send }) {
  const changes = merchant.id === undefined ? {} : { merchantId: merchant.id };
  const payment = await storePaymentIn(api.pool, 'succeeded', changes);
  const path = `/api/v1/payments/${payment.id}/refunds`;
  const { body } = await merchant.send('POST', path, { body: {} });
  await api.database.queryAsOwner(
    "UPDATE refunds SET status = 'needs_review', review_reason = 'no_answer' WHERE id = $1",
    [body.id],
  );
  return body.id;
}

test('payments in review come oldest first, page by page, until none is left', async () => {
  const ids: string[] = [];
  for (let count = 0; count < 5; count += 1) {
    ids.push((await storePaymentIn(api.pool, 'needs_review')).id);
    await storePaymentIn(api.pool, 'processing');
  }
  expect(await readAll(PAYMENTS)).toEqual(ids);
});

test('payments in review are filtered by reason and merchant', async () => {
  const other = await api.openMerchant();
  const mine = await storePaymentIn(api.pool, 'needs_review');
  const others = await storePaymentIn(api.pool, 'needs_review', { merchantId: other.id });
  await api.database.queryAsOwner(
    "UPDATE payments SET review_reason = 'late_success' WHERE id = $1",
    [others.id],
  );
  expect(await read(PAYMENTS, 'review_reason=no_answer')).toEqual([mine.id]);
  expect(await read(PAYMENTS, 'review_reason=late_success')).toEqual([others.id]);
  expect(await read(PAYMENTS, `merchant_id=${other.id}`)).toEqual([others.id]);
  expect(await read(PAYMENTS, `merchant_id=${other.id}&review_reason=no_answer`)).toEqual([]);
  expect((await viewer('GET', `${PAYMENTS}?review_reason=boredom`)).status).toBe(400);
});

test('refunds in review come oldest first, page by page, until none is left', async () => {
  const ids: string[] = [];
  for (let count = 0; count < 5; count += 1) ids.push(await reviewRefund(api));
  // One that was looked at again keeps its place.
  await api.database.queryAsOwner('UPDATE refunds SET updated_at = now() WHERE id = $1', [ids[0]]);
  expect(await readAll(REFUNDS)).toEqual(ids);
});

test('refunds in review are filtered by reason and merchant', async () => {
  const other = await api.openMerchant();
  const mine = await reviewRefund(api);
  const others = await reviewRefund(other);
  expect(await read(REFUNDS, `merchant_id=${other.id}`)).toEqual([others]);
  expect(await read(REFUNDS, 'review_reason=no_answer')).toEqual([mine, others]);
  expect(await read(REFUNDS, 'review_reason=amount_mismatch')).toEqual([]);
});
