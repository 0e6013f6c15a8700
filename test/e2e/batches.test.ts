import { untilThere } from './handset.ts';
import { openOperatorIn } from './operators.ts';
import { openShop, type Shop } from './shop.ts';

/** All open payments of a provider at once, by Temporal's own batches. */
let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
}, 150_000);
afterAll(() => shop?.close(), 60_000);

const PAYMENTS = 6;

test('a pause holds all of them, a look-up too; they go on, and each is charged once', async () => {
  const operator = await openOperatorIn(shop);
  const batch = async (action: string) => {
    const path = 'admin/providers/mpesa/batches';
    const begun = await operator('POST', path, { action, reason: 'M-Pesa is down' });
    expect(begun.status).toBe(202);
    for (let tries = 0; tries < 200; tries += 1) {
      const told = await operator('GET', `admin/batches/${begun.body.id}`);
      if (told.body.status === 'completed') return told.body;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error('the batch did not end');
  };
  // Their callback never comes, so nothing but a question settles them; and until all are paused,
  // however long that takes, M-Pesa does not know either.
  await shop.simulate('PATCH', 'settings', { query_lag_ms: 600_000 });
  const phones = Array.from({ length: PAYMENTS }, () => shop.phone('08'));
  const paid = await Promise.all(phones.map((phone) => shop.pay(phone)));
  const ids = paid.map(({ body }) => body.id);
  // Temporal lists what runs a moment after it has begun.
  const open = `Provider = 'mpesa' AND ExecutionStatus = 'Running' AND WorkflowType = 'payment'`;
  await untilThere(async () => {
    const { count } = await shop.temporal.workflow.count(open);
    return count >= PAYMENTS ? count : null;
  }, 'all are seen');
  expect(await batch('pause')).toMatchObject({ payments: PAYMENTS, done: PAYMENTS, failed: 0 });
  const held = async (id: string) =>
    (await shop.timeline(id)).filter(({ action }) => action === 'payment.paused').length;
  for (const id of ids) {
    for (let tries = 0; (await held(id)) === 0; tries += 1) {
      if (tries > 100) throw new Error(`${id} is not paused`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  const { body } = await shop.send('GET', `payments/${ids[0]}/execution`);
  expect(body).toMatchObject({ waiting_for: 'resume', status: 'processing' });
  await shop.simulate('PATCH', 'settings', { query_lag_ms: 0 });
  // Longer than the policy waits for a callback and its first question.
  await new Promise((resolve) => setTimeout(resolve, 7_000));
  for (const id of ids) expect((await shop.get(id)).status).toBe('processing');

  // The trail says that nobody is asked, so nobody is.
  await batch('look_up');
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  for (const id of ids) expect((await shop.get(id)).status).toBe('processing');
  await batch('resume');
  for (const id of ids) await shop.until(id, ['succeeded']);
  for (const phone of phones) {
    const { prompts, charges } = await shop.book(phone);
    expect([prompts.length, charges.length]).toEqual([1, 1]);
  }
  const timeline = await shop.timeline(ids[0] ?? '');
  expect(timeline.map(({ action }) => action).slice(-2)).toEqual([
    'payment.resumed',
    'payment.settled',
  ]);
  const acts = await operator('GET', 'admin/acts');
  expect(JSON.stringify(acts.body)).toContain('adminStartBatch');
}, 120_000);
