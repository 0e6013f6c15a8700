import { setTimeout as sleep } from 'node:timers/promises';
import { payByCard, readCardBook, untilRefund } from './cards.ts';
import { openShop, type Shop } from './shop.ts';

/** Two faults on one send: after a lost answer, a later refusal proves nothing about the first. */
let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
}, 150_000);
afterAll(() => shop?.close(), 60_000);

describe.each([
  ['stripe', 'create'],
  ['cpay', 'charge'],
] as const)('%s', (provider, charge) => {
  beforeEach(() => shop.control(provider, 'PATCH', 'settings', { webhook: 'never' }));
  afterEach(async () => {
    await shop.control(provider, 'DELETE', 'faults');
    await shop.control(provider, 'PATCH', 'settings', { webhook: 'send' });
  });
  /** The request acts and is not answered; then nobody is there for as long as all sends take. */
  const loseThenVanish = async <T>(on: string, send: () => Promise<T>): Promise<T> => {
    await shop.control(provider, 'POST', 'faults', { on, kind: 'act_then_timeout' });
    const sending = send();
    await sleep(1_000);
    const until = Date.now() + 6_000;
    while (Date.now() < until) {
      await shop.world.kill(`simulator_${provider}`, 'SIGKILL');
      await sleep(50);
    }
    await shop.world.start(`simulator_${provider}`);
    await shop.control(provider, 'PATCH', 'settings', { webhook: 'never' });
    return await sending;
  };

  it('takes a charge for lost, not for failed, and finds it by asking', async () => {
    const { body } = await loseThenVanish(charge, () => payByCard(shop, provider));
    const paid = await shop.until(body.id, ['succeeded', 'failed', 'needs_review'], 60_000);
    expect(paid.status).toBe('succeeded');
    const { taken } = await readCardBook(shop, provider, body.id);
    expect(taken.map(({ amountMinor }) => amountMinor)).toEqual([5_000]);
    const actions = (await shop.timeline(body.id)).map(({ action }) => action);
    expect(actions).not.toContain('payment.resend_planned');
  }, 90_000);

  it('takes a refund for lost, not for failed, and keeps its money until it is found', async () => {
    const { body } = await payByCard(shop, provider);
    expect(body.status).toBe('succeeded');
    const refund = await loseThenVanish('refund', () =>
      shop.send('POST', `payments/${body.id}/refunds`, { amount: 2_000 }),
    );
    const done = await untilRefund(shop, refund.body.id, ['succeeded', 'failed', 'needs_review']);
    expect(done.status).toBe('succeeded');
    const { refunds } = await readCardBook(shop, provider, body.id);
    expect(refunds.map(({ amountMinor }) => amountMinor)).toEqual([2_000]);
    expect(await shop.get(body.id)).toMatchObject({ amount_refunded: 2_000 });
  }, 90_000);
});

describe('M-Pesa', () => {
  it('is prompted once when the worker dies after the push and the next has no token', async () => {
    const phone = shop.phone('08');
    await shop.simulate('POST', 'faults', { on: 'push', phone, fault: 'slow', delay_ms: 20_000 });
    const paying = shop.pay(phone);
    for (let tries = 0; (await shop.book(phone)).prompts.length === 0; tries += 1) {
      if (tries > 200) throw new Error('no prompt came');
      await sleep(50);
    }
    await shop.simulate('POST', 'faults', { on: 'oauth', fault: '500', times: 1 });
    await shop.world.kill('worker', 'SIGKILL');
    await shop.simulate('DELETE', 'faults');
    await shop.simulate('POST', 'faults', { on: 'oauth', fault: '500', times: 1 });
    const { body } = await paying;
    const end = await shop.until(body.id, ['needs_review', 'failed', 'succeeded'], 90_000);
    expect(end.status).toBe('needs_review');
    const { prompts } = await shop.book(phone);
    expect(prompts).toHaveLength(1);
    await shop.simulate('DELETE', 'faults');
  }, 150_000);
});
