import { setTimeout as sleep } from 'node:timers/promises';
import { approve, untilCalledBack, untilPrompted } from './handset.ts';
import { expectPaidOnce } from './paid-once.ts';
import { openShop, type Shop } from './shop.ts';

/** Nobody starts anything again here: what the outage ends would stay dead. */
let shop: Shop;
beforeAll(async () => {
  shop = await openShop(1, {
    restartsDead: false,
    // Longer than the outage: it is the callback that settles.
    policies: { mpesa: { callback_wait_ms: 60_000 } },
  });
}, 150_000);
afterAll(() => shop?.close(), 60_000);

const AWAY_MS = 30_000;

it('with PostgreSQL away for 30 s callbacks are kept; late money shows', async () => {
  const [phone, endedPhone] = [shop.phone('09'), shop.phone('01')];
  const [open, ended] = await Promise.all([shop.pay(phone), shop.pay(endedPhone)]);
  await shop.until(ended.body.id, ['canceled']);
  const late = (await untilPrompted(shop, endedPhone)).checkout_request_id;
  const { pids } = shop.world.details();

  await shop.world.kill('postgres', 'SIGKILL');
  const isOver = sleep(AWAY_MS);
  await approve(shop, phone);
  await shop.simulate('POST', `prompts/${late}/late-success`);
  expect(await untilCalledBack(shop, phone)).toMatchObject({ status: 200 });
  expect(await untilCalledBack(shop, endedPhone, 2)).toMatchObject({ status: 200 });
  await isOver;
  await shop.world.start('postgres');

  await expectPaidOnce(shop, open.body, phone);
  const review = await shop.until(ended.body.id, ['needs_review'], 90_000);
  expect(review.review_reason).toBe('late_success');
  expect(review.provider_receipt).toBe((await shop.book(endedPhone)).charges[0]?.receipt);
  const { worker, api } = shop.world.details().pids;
  expect([worker, api]).toEqual([pids.worker, pids.api]);
}, 150_000);
