import { CARD_PROVIDERS, lengthOf, payByCard } from './cards.ts';
import { approve, untilPrompted } from './handset.ts';
import { countCharges, forgetPayment, forgetSend } from './restore.ts';
import { openShop, type Shop } from './shop.ts';

/**
 * PostgreSQL is put back to an earlier time while Temporal and the providers go on. Whatever is
 * forgotten, no money moves twice and none is told as failed.
 */
let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
}, 150_000);
afterAll(() => shop?.close(), 60_000);

it.each(CARD_PROVIDERS)(
  'a payment by %s that the database forgot is not charged anew under its key',
  async (provider) => {
    const key = `restored-${provider}`;
    const { body: first } = await payByCard(shop, provider, {}, key);
    await shop.until(first.id, ['succeeded']);
    await forgetPayment(shop, first);
    const { body: again } = await payByCard(shop, provider, {}, key);
    expect(again.id).not.toBe(first.id);
    const known = await shop.until(again.id, ['succeeded', 'needs_review', 'failed']);
    expect(known.status).not.toBe('failed');
    expect((await shop.until(again.id, ['succeeded'])).workflow.id).toBe(first.workflow.id);
    expect(await countCharges(shop, provider, again)).toBe(1);
  },
  60_000,
);

describe('a push whose claim the database forgot', () => {
  it('is paid, and neither failed nor asked about without end', async () => {
    const phone = shop.phone('09');
    const { body } = await shop.pay(phone);
    await untilPrompted(shop, phone);
    await shop.until(body.id, ['processing']);
    await forgetSend(shop, body);
    await approve(shop, phone);
    const paid = await shop.until(body.id, ['succeeded', 'failed']);
    const { charges } = await shop.book(phone);
    expect([paid.status, charges.length]).toEqual(['succeeded', 1]);
    expect(paid.provider_receipt).toBe(charges[0]?.receipt);
    expect(await lengthOf(shop, body)).toBeLessThan(60);
  }, 60_000);

  it('together with its worker, is not sent again', async () => {
    const phone = shop.phone('09');
    await shop.simulate('POST', 'faults', { on: 'push', phone, fault: 'slow', delay_ms: 20_000 });
    const paying = shop.pay(phone);
    await untilPrompted(shop, phone);
    await shop.world.kill('worker', 'SIGKILL');
    await shop.simulate('DELETE', 'faults');
    const { body } = await paying;
    await forgetSend(shop, body);
    // The payer's phone is free again for another prompt.
    await approve(shop, phone);
    const paid = await shop.until(body.id, ['succeeded', 'failed'], 60_000);
    const { prompts, charges } = await shop.book(phone);
    expect([paid.status, prompts.length, charges.length]).toEqual(['succeeded', 1, 1]);
  }, 100_000);
});
