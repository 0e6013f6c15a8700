import { setTimeout as sleep } from 'node:timers/promises';
import { payByCard, readCardBook } from './cards.ts';
import { openShop, type PaymentBody, type Shop } from './shop.ts';

/** What the sweeper finds when a workflow has ended before its payment did. */
let shop: Shop;
beforeAll(async () => {
  shop = await openShop(1, { isAlone: true });
}, 150_000);
afterAll(() => shop?.close(), 60_000);

async function until<T>(ask: () => Promise<T | null>, what: string, withinMs = 90_000): Promise<T> {
  const deadline = Date.now() + withinMs;
  while (Date.now() < deadline) {
    const found = await ask();
    if (found !== null) return found;
    await sleep(100);
  }
  throw new Error(`not in time: ${what}`);
}

const terminate = ({ workflow }: PaymentBody) =>
  shop.temporal.workflow.getHandle(workflow.id).terminate('by hand');
const age = ({ id }: PaymentBody) =>
  shop.db.query(
    `UPDATE payments SET updated_at = now() - interval '2 hours', wait_until = NULL WHERE id = $1`,
    [id],
  );
const actionsOf = async ({ id }: PaymentBody) =>
  (await shop.timeline(id)).map(({ action }) => action);

/** A payer who canceled and paid all the same: only a person can say what that is. */
async function makeLateSuccess(): Promise<PaymentBody> {
  const phone = shop.phone('01');
  const { body } = await shop.pay(phone);
  await shop.until(body.id, ['canceled']);
  await shop.temporal.workflow.getHandle(body.workflow.id).result();
  const [prompt] = (await shop.book(phone)).prompts;
  await shop.simulate('POST', `prompts/${prompt?.checkout_request_id}/late-success`);
  return await shop.until(body.id, ['needs_review']);
}

it.concurrent('is asked about after its workflow was terminated, and charged once', async () => {
  const phone = shop.phone('08');
  const { body } = await shop.pay(phone);
  await terminate(body);
  await shop.until(body.id, ['succeeded'], 90_000);
  const { prompts, charges } = await shop.book(phone);
  expect([prompts.length, charges.length]).toEqual([1, 1]);
  expect(await actionsOf(body)).toContain('payment.recovered');
}, 120_000);

it.concurrent('a hold whose workflow was terminated can still be captured, once', async () => {
  // Its event would make the row young again.
  await shop.control('stripe', 'PATCH', 'settings', { webhook: 'never' });
  const { body } = await payByCard(shop, 'stripe', { capture_method: 'manual' });
  await shop.until(body.id, ['authorized']);
  await terminate(body);
  await age(body);
  await until(
    async () => ((await actionsOf(body)).includes('payment.recovered') ? true : null),
    'the hold is taken up',
  );
  const captured = await shop.send('POST', `payments/${body.id}/capture`, { amount: 3_000 });
  expect([captured.status, captured.body.status]).toEqual([200, 'succeeded']);
  const { taken } = await readCardBook(shop, 'stripe', body.id);
  expect(taken.map(({ amountMinor }) => amountMinor)).toEqual([3_000]);
}, 120_000);

it('each round of the sweeper has an end, so that none holds up the next for ever', async () => {
  const ends: number[] = [];
  const query = `WorkflowType = 'sweep'`;
  for await (const { workflowId, runId } of shop.temporal.workflow.list({ query })) {
    const { raw } = await shop.temporal.workflow.getHandle(workflowId, runId).describe();
    ends.push(Number(raw.executionConfig?.workflowExecutionTimeout?.seconds));
    break;
  }
  expect(ends).toEqual([180]);
});

// The last: a round that is lost with Temporal holds the next one up for a while.
it('a late success in review holds nothing up: what was kept meanwhile is delivered', async () => {
  const reviewed = await makeLateSuccess();
  await age(reviewed);
  const phone = shop.phone();
  const { body } = await shop.pay(phone);
  const answered = async () => ((await shop.book(phone)).callbacks.length > 0 ? true : null);
  await until(async () => {
    await shop.world.kill('temporal', 'SIGKILL');
    return await answered();
  }, 'the callback is kept');
  const fate = async () => {
    const { rows } = await shop.db.query(
      'SELECT status FROM webhook_events WHERE payment_id = $1',
      [body.id],
    );
    return rows[0]?.status === 'applied' ? 'applied' : null;
  };
  expect(await until(fate, 'the callback is applied', 90_000)).toBe('applied');
  expect((await shop.until(body.id, ['succeeded'])).status).toBe('succeeded');
  expect((await shop.get(reviewed.id)).status).toBe('needs_review');
  expect(await actionsOf(reviewed)).not.toContain('payment.recovered');
}, 180_000);
