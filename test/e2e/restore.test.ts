import { CARD_PROVIDERS, payByCard } from './cards.ts';
import { countCharges, forgetPayment } from './restore.ts';
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
