import { setTimeout as sleep } from 'node:timers/promises';
import { payByCard, readCardBook, untilRefund } from './cards.ts';
import { openShop, type Shop } from './shop.ts';

/** The worker dies at each step that moves money; the world's supervisor starts it again. */
let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
}, 150_000);
afterAll(() => shop?.close(), 60_000);

type Provider = 'stripe' | 'cpay';
const PROVIDERS: readonly Provider[] = ['stripe', 'cpay'];
const killWorker = () => shop.world.kill('worker', 'SIGKILL');
const untilBooked = async (isThere: () => Promise<boolean>) => {
  for (let tries = 0; tries < 200; tries += 1) {
    if (await isThere()) return;
    await sleep(25);
  }
  throw new Error('the simulator was never asked');
};
/** The next call of this kind is carried out, and its answer hangs until the caller gives up. */
const hang = (provider: Provider, on: string) =>
  shop.control(provider, 'POST', 'faults', { on, kind: 'act_then_timeout' });
const idOf = async (key: string) => {
  for (;;) {
    const { rows } = await shop.db.query('SELECT id FROM payments WHERE idempotency_key = $1', [
      key,
    ]);
    if (rows[0] !== undefined) return String(rows[0].id);
    await sleep(25);
  }
};
const takenOf = async (provider: Provider, id: string) =>
  (await readCardBook(shop, provider, id)).taken.map(({ amountMinor }) => amountMinor);
const givenBy = async (provider: Provider, id: string) =>
  (await readCardBook(shop, provider, id)).refunds.map(({ amountMinor }) => amountMinor);

describe.each(PROVIDERS)('kill -9 of the worker, %s', (provider) => {
  it('before a charge, during it and right after: each is made once', async () => {
    const before = `before-${provider}`;
    await killWorker();
    const first = payByCard(shop, provider, {}, before);
    const during = `during-${provider}`;
    const firstId = await idOf(before);
    await shop.until(firstId, ['succeeded'], 60_000);
    await hang(provider, provider === 'stripe' ? 'create' : 'charge');
    const second = payByCard(shop, provider, {}, during);
    const secondId = await idOf(during);
    await untilBooked(async () => (await takenOf(provider, secondId)).length > 0);
    await killWorker();
    await shop.until(secondId, ['succeeded'], 60_000);
    await Promise.allSettled([first, second]);
    const { body } = await payByCard(shop, provider);
    await killWorker();
    await shop.until(body.id, ['succeeded'], 60_000);
    for (const id of [firstId, secondId, body.id]) {
      expect(await takenOf(provider, id)).toEqual([5_000]);
    }
  }, 180_000);

  it('during a capture: it is made once', async () => {
    const { body } = await payByCard(shop, provider, { capture_method: 'manual' });
    await shop.until(body.id, ['authorized'], 60_000);
    await hang(provider, 'capture');
    const capturing = shop.send('POST', `payments/${body.id}/capture`, { amount: 3_000 });
    await untilBooked(async () => (await takenOf(provider, body.id)).length > 0);
    await killWorker();
    const paid = await shop.until(body.id, ['succeeded'], 60_000);
    await capturing.catch(() => null);
    expect(paid.amount_captured).toBe(3_000);
    expect(await takenOf(provider, body.id)).toEqual([3_000]);
  }, 120_000);

  it('during a refund: it is made once', async () => {
    const { body } = await payByCard(shop, provider);
    await shop.until(body.id, ['succeeded'], 60_000);
    await hang(provider, 'refund');
    const refunding = shop.send('POST', `payments/${body.id}/refunds`, { amount: 2_000 });
    await untilBooked(async () => (await givenBy(provider, body.id)).length > 0);
    await killWorker();
    const { body: refund } = await refunding;
    await untilRefund(shop, refund.id, ['succeeded']);
    expect(await givenBy(provider, body.id)).toEqual([2_000]);
    expect(await shop.get(body.id)).toMatchObject({ amount_refunded: 2_000 });
  }, 120_000);
});

it('kill -9 of the worker during a reversal: it is asked for once, and told of', async () => {
  const phone = shop.phone();
  const { body } = await shop.pay(phone);
  await shop.until(body.id, ['succeeded'], 60_000);
  await shop.simulate('PATCH', 'settings', { reversal_delay_ms: 6_000 });
  await shop.simulate('POST', 'faults', { on: 'reversal', fault: 'slow', delay_ms: 4_000 });
  const refunding = shop.send('POST', `payments/${body.id}/refunds`, { amount: 4_000 });
  const listReversals = async () => {
    const book = await shop.control('mpesa', 'GET', `book?phone=${phone}`);
    const has = typeof book === 'object' && book !== null && 'reversals' in book;
    return has && Array.isArray(book.reversals) ? book.reversals : [];
  };
  await untilBooked(async () => (await listReversals()).length > 0);
  await killWorker();
  const { body: refund } = await refunding;
  await untilRefund(shop, refund.id, ['succeeded']);
  expect(await listReversals()).toHaveLength(1);
}, 120_000);
