import { setTimeout as sleep } from 'node:timers/promises';
import {
  CARD_PROVIDERS,
  type CardProvider,
  payByCard,
  readCardLedger,
  untilRefund,
} from './cards.ts';
import { untilPrompted, untilThere } from './handset.ts';
import { type Answer, openStack, type Stack } from './stack.ts';

/**
 * Two faults on one send: after a lost answer, a later refusal proves nothing about the first. What
 * comes of it takes a while, so all is begun here before anything is looked at.
 */
const CHARGE = { stripe: 'create', cpay: 'charge' } as const;
type Lost = { readonly refunded: Answer; readonly charge: Answer; readonly refund: Answer };

let stack: Stack;
let prompted: { readonly phone: string; readonly answer: Answer };
const lost = new Map<CardProvider, Lost>();

beforeAll(async () => {
  stack = await openStack();
  prompted = await losePush();
  const losses = await Promise.all(CARD_PROVIDERS.map(loseThenVanish));
  for (const [place, provider] of CARD_PROVIDERS.entries()) {
    const loss = losses[place];
    if (loss !== undefined) lost.set(provider, loss);
  }
}, 180_000);
afterAll(() => stack?.close(), 60_000);

/** The worker dies after the push, and the first token that the next one asks for is refused. */
async function losePush() {
  const phone = stack.phone('08');
  await stack.simulate('POST', 'faults', { on: 'push', phone, fault: 'slow', delay_ms: 20_000 });
  const paying = stack.pay(phone);
  await untilPrompted(stack, phone);
  await stack.simulate('POST', 'faults', { on: 'oauth', fault: '500', times: 1 });
  await stack.world.kill('worker', 'SIGKILL');
  await stack.simulate('DELETE', 'faults');
  await stack.simulate('POST', 'faults', { on: 'oauth', fault: '500', times: 1 });
  const answer = await paying;
  await stack.world.start('worker');
  return { phone, answer };
}

/**
 * A charge and a refund act and are not answered; then nobody is there for as long as all sends
 * take.
 */
async function loseThenVanish(provider: CardProvider): Promise<Lost> {
  await stack.control(provider, 'PATCH', 'settings', { webhook: 'never' });
  const refunded = await payByCard(stack, provider);
  for (const on of [CHARGE[provider], 'refund']) {
    await stack.control(provider, 'POST', 'faults', { on, kind: 'act_then_timeout' });
  }
  const charging = payByCard(stack, provider, {}, `lost-${provider}`);
  const refunding = stack.send('POST', `payments/${refunded.body.id}/refunds`, { amount: 2_000 });
  await untilActed(provider, refunded.body.id);
  const until = Date.now() + 6_000;
  while (Date.now() < until) {
    await stack.world.kill(`simulator_${provider}`, 'SIGKILL');
    await sleep(50);
  }
  await stack.world.start(`simulator_${provider}`);
  await stack.control(provider, 'PATCH', 'settings', { webhook: 'never' });
  return { refunded, charge: await charging, refund: await refunding };
}

/** Both were carried out, by the provider's ledger. */
async function untilActed(provider: CardProvider, refundedId: string): Promise<void> {
  await untilThere(async () => {
    const { rows } = await stack.db.query('SELECT id FROM payments WHERE idempotency_key = $1', [
      `lost-${provider}`,
    ]);
    const charge = await readCardLedger(stack, provider, rows[0]?.id ?? '');
    const refund = await readCardLedger(stack, provider, refundedId);
    return charge.taken.length === 1 && refund.refunds.length === 1 ? true : null;
  }, `${provider} carries both out`);
}

describe.each(CARD_PROVIDERS)('%s', (provider) => {
  it('takes a charge for lost, not for failed, and finds it by asking', async () => {
    const { id } = find(provider).charge.body;
    const paid = await stack.until(id, ['succeeded', 'failed', 'needs_review'], 60_000);
    expect(paid.status).toBe('succeeded');
    const { taken } = await readCardLedger(stack, provider, id);
    expect(taken.map(({ amountMinor }) => amountMinor)).toEqual([5_000]);
    const actions = (await stack.timeline(id)).map(({ action }) => action);
    expect(actions).not.toContain('payment.resend_planned');
  }, 90_000);

  it('takes a refund for lost, not for failed, and keeps its money until it is found', async () => {
    const { refunded, refund } = find(provider);
    expect(refunded.body.status).toBe('succeeded');
    const done = await untilRefund(stack, refund.body.id, ['succeeded', 'failed', 'needs_review']);
    expect(done.status).toBe('succeeded');
    const { refunds } = await readCardLedger(stack, provider, refunded.body.id);
    expect(refunds.map(({ amountMinor }) => amountMinor)).toEqual([2_000]);
    expect(await stack.get(refunded.body.id)).toMatchObject({ amount_refunded: 2_000 });
  }, 90_000);
});

function find(provider: CardProvider): Lost {
  const found = lost.get(provider);
  if (found === undefined) throw new Error(`nothing of ${provider} was lost`);
  return found;
}

it('M-Pesa prompts once when the worker dies after it and the next has no token', async () => {
  const { phone, answer } = prompted;
  const ends = ['needs_review', 'failed', 'succeeded'];
  expect((await stack.until(answer.body.id, ends, 90_000)).status).toBe('needs_review');
  expect((await stack.ledger(phone)).prompts).toHaveLength(1);
}, 150_000);
