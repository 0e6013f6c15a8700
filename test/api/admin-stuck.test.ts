import { storePaymentIn } from '../factories.ts';
import { openOperator } from './operators.ts';
import { openTestApi, type Send, type TestApi } from './server.ts';

/** What is overdue for longer than it said: payments and refunds, none of them left out. */
let api: TestApi;
let viewer: Send;
beforeEach(async () => {
  api = await openTestApi();
  viewer = (await openOperator(api, 'viewer')).send;
});
afterEach(() => api.close());

const STUCK = '/api/v1/admin/stuck';
const overdue = (table: 'payments' | 'refunds') =>
  api.database.queryAsOwner(`UPDATE ${table} SET wait_until = now() - interval '1 hour'`);
async function storeRefund(): Promise<string> {
  const { id } = await storePaymentIn(api.pool, 'succeeded');
  return (await api.send('POST', `/api/v1/payments/${id}/refunds`, { body: {} })).body.id;
}
/** All pages of it, two a page, and how many there were. */
async function readAll(path: string, name: string) {
  const ids: unknown[] = [];
  let cursor = '';
  for (let pages = 1; ; pages += 1) {
    const { body } = await viewer('GET', `${path}?limit=2${cursor}`);
    ids.push(...body.data.map((it) => it[name]));
    if (body.has_more !== true) return { ids, pages };
    cursor = `&cursor=${body.next_cursor}`;
  }
}

test('payments are listed to the last, the oldest first', async () => {
  const ids: string[] = [];
  for (let made = 0; made < 5; made += 1) {
    ids.push((await storePaymentIn(api.pool, 'processing')).id);
  }
  await overdue('payments');
  expect(await readAll(STUCK, 'payment_id')).toEqual({ ids, pages: 3 });
  expect((await viewer('GET', `${STUCK}?cursor=x`)).body.code).toBe('invalid_request');
});

test('so are refunds, with what their workflow does', async () => {
  const ids = [await storeRefund(), await storeRefund(), await storeRefund()];
  expect(await readAll(`${STUCK}/refunds`, 'refund_id')).toEqual({ ids: [], pages: 1 });
  await overdue('refunds');
  expect(await readAll(`${STUCK}/refunds`, 'refund_id')).toEqual({ ids, pages: 2 });
  const next = { type: 'refund', attempt: 7, attemptsMax: null, nextTryAt: null };
  const activities = [{ ...next, lastError: 'the line went dead', state: 'retrying' as const }];
  api.engine.execution = { status: 'running', historyLength: 12, activities };
  const { body } = await viewer('GET', `${STUCK}/refunds?limit=1`);
  expect(body.data).toMatchObject([
    {
      object: 'refund_execution',
      refund_id: ids[0],
      status: 'pending',
      explanation: expect.any(String),
      activities: [{ attempt: 7, attempts_max: null, last_error: 'the line went dead' }],
      workflow: { status: 'running', history_length: 12 },
    },
  ]);
});

test('one in review is none of them: it has a queue of its own', async () => {
  await storeRefund();
  await overdue('refunds');
  await api.database.queryAsOwner("UPDATE refunds SET status = 'needs_review'");
  expect((await viewer('GET', `${STUCK}/refunds`)).body.data).toEqual([]);
});
