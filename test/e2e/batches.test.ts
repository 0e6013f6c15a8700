import { payByCard, readCardLedger } from './cards.ts';
import { untilThere } from './handset.ts';
import { openOperatorIn } from './operators.ts';
import { openStack, type Stack } from './stack.ts';

/** All open payments of a provider at once, by Temporal's own batches. */
let stack: Stack;
let operator: Awaited<ReturnType<typeof openOperatorIn>>;
beforeAll(async () => {
  // Within these tests nothing but a batch asks CPay.
  stack = await openStack(1, { policies: { cpay: { callback_wait_ms: 600_000 } } });
  operator = await openOperatorIn(stack);
}, 150_000);
afterAll(() => stack?.close(), 60_000);

const PAYMENTS = 6;

async function batch(provider: string, action: string) {
  const path = `admin/providers/${provider}/batches`;
  const begun = await operator('POST', path, { action, reason: `${provider} is down` });
  expect(begun.status).toBe(202);
  for (let tries = 0; tries < 200; tries += 1) {
    const told = await operator('GET', `admin/batches/${begun.body.id}`);
    if (told.body.status === 'completed') return told.body;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('the batch did not end');
}

/** Temporal lists what runs a moment after it has begun. */
function untilListed(provider: string, payments: number) {
  const open = `Provider = '${provider}' AND ExecutionStatus = 'Running' AND WorkflowType = 'payment'`;
  return untilThere(async () => {
    const { count } = await stack.temporal.workflow.count(open);
    return count >= payments ? count : null;
  }, 'all are seen');
}

test('a pause holds all of them, a look-up too; they go on, and each is charged once', async () => {
  // Their callback never comes, so nothing but a question settles them; and until all are paused,
  // however long that takes, M-Pesa does not know either.
  await stack.simulate('PATCH', 'settings', { query_lag_ms: 600_000 });
  const phones = Array.from({ length: PAYMENTS }, () => stack.phone('08'));
  const paid = await Promise.all(phones.map((phone) => stack.pay(phone)));
  const ids = paid.map(({ body }) => body.id);
  await untilListed('mpesa', PAYMENTS);
  expect(await batch('mpesa', 'pause')).toMatchObject({
    payments: PAYMENTS,
    done: PAYMENTS,
    failed: 0,
  });
  const held = async (id: string) =>
    (await stack.timeline(id)).filter(({ action }) => action === 'payment.paused').length;
  for (const id of ids) {
    for (let tries = 0; (await held(id)) === 0; tries += 1) {
      if (tries > 100) throw new Error(`${id} is not paused`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  const { body } = await stack.send('GET', `payments/${ids[0]}/execution`);
  expect(body).toMatchObject({ waiting_for: 'resume', status: 'processing' });
  await stack.simulate('PATCH', 'settings', { query_lag_ms: 0 });
  // Longer than the policy waits for a callback and its first question.
  await new Promise((resolve) => setTimeout(resolve, 7_000));
  for (const id of ids) expect((await stack.get(id)).status).toBe('processing');

  // The trail says that nobody is asked, so nobody is.
  await batch('mpesa', 'look_up');
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  for (const id of ids) expect((await stack.get(id)).status).toBe('processing');
  await batch('mpesa', 'resume');
  for (const id of ids) await stack.until(id, ['succeeded']);
  for (const phone of phones) {
    const { prompts, charges } = await stack.ledger(phone);
    expect([prompts.length, charges.length]).toEqual([1, 1]);
  }
  const timeline = await stack.timeline(ids[0] ?? '');
  expect(timeline.map(({ action }) => action).slice(-2)).toEqual([
    'payment.resumed',
    'payment.succeeded',
  ]);
  const acts = await operator('GET', 'admin/activity');
  expect(JSON.stringify(acts.body)).toContain('adminStartBatch');
}, 120_000);

test('a look-up asks about each of them, and what the provider says is recorded', async () => {
  await stack.control('cpay', 'PATCH', 'settings', { webhook: 'never', decide_after_ms: 0 });
  // Each is taken a moment later, which nobody tells us.
  const amounts = [5_003, 6_003];
  const paid = await Promise.all(amounts.map((amount) => payByCard(stack, 'cpay', { amount })));
  const cause = async (id: string, action: string) =>
    (await stack.timeline(id)).find((entry) => entry.action === action)?.cause;
  for (const { body } of paid) {
    await untilThere(
      async () => (await readCardLedger(stack, 'cpay', body.id)).taken[0],
      'the money',
    );
    await untilThere(() => cause(body.id, 'payment.provider_accepted'), 'the answer');
  }
  await untilListed('cpay', paid.length);
  expect(await batch('cpay', 'look_up')).toMatchObject({ payments: 2, done: 2, failed: 0 });
  for (const { body } of paid) {
    await stack.until(body.id, ['succeeded']);
    expect(await cause(body.id, 'payment.succeeded')).toMatch(/asked for by opr_/);
  }
}, 60_000);
