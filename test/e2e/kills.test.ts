import { setTimeout as sleep } from 'node:timers/promises';
import { openShop, type PaymentBody, type Shop } from './shop.ts';

/** Each test kills something at the worst moment; the world's supervisor starts it again. */
let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
}, 150_000);
afterAll(() => shop?.close(), 60_000);

/** One prompt, one charge, its receipt on the payment, and a trail without gaps. */
async function expectPaidOnce(payment: PaymentBody, phone: string) {
  const paid = await shop.until(payment.id, ['succeeded'], 100_000);
  const { prompts, charges } = await shop.book(phone);
  expect([prompts.length, charges.length]).toEqual([1, 1]);
  expect(paid.provider_receipt).toBe(charges[0]?.receipt);
  const timeline = await shop.timeline(payment.id);
  expect(timeline.map(({ sequence }) => sequence)).toEqual(timeline.map((_, index) => index + 1));
  for (const action of ['payment.created', 'payment.dispatched', 'payment.settled']) {
    expect(timeline.filter((entry) => entry.action === action)).toHaveLength(1);
  }
}

async function untilPrompted(phone: string) {
  for (let tries = 0; tries < 100; tries += 1) {
    if ((await shop.book(phone)).prompts.length > 0) return;
    await sleep(50);
  }
  throw new Error('no prompt came');
}

describe('kill -9 of the worker', () => {
  it('before the push: it is pushed once by the next run', async () => {
    const phone = shop.phone();
    // The first token of this worker is still to be fetched: hold it, and kill meanwhile.
    await shop.simulate('POST', 'faults', { on: 'oauth', fault: 'slow', delay_ms: 20_000 });
    const paying = shop.pay(phone);
    await sleep(1_000);
    await shop.world.kill('worker', 'SIGKILL');
    await shop.simulate('DELETE', 'faults');
    await expectPaidOnce((await paying).body, phone);
  }, 150_000);

  it('during the push, after Daraja took it: it is never pushed again', async () => {
    const phone = shop.phone();
    await shop.simulate('POST', 'faults', { on: 'push', phone, fault: 'slow', delay_ms: 20_000 });
    const paying = shop.pay(phone);
    await untilPrompted(phone);
    await shop.world.kill('worker', 'SIGKILL');
    await shop.simulate('DELETE', 'faults');
    await expectPaidOnce((await paying).body, phone);
  }, 150_000);

  it('right after the answer, while waiting and while settling', async () => {
    const phones = [0, 150, 300, 450, 600, 700].map((delayMs) => ({
      delayMs,
      phone: shop.phone(),
    }));
    const payments = await Promise.all(
      phones.map(async ({ delayMs, phone }) => {
        await sleep(700 - delayMs);
        return { phone, body: (await shop.pay(phone)).body };
      }),
    );
    await shop.world.kill('worker', 'SIGKILL');
    for (const { phone, body } of payments) await expectPaidOnce(body, phone);
  }, 180_000);
});

describe('kill -9 of the API', () => {
  it('after the row and before the workflow’s start: it is started all the same', async () => {
    const phone = shop.phone();
    const { pids } = shop.world.details();
    process.kill(pids.temporal ?? 0, 'SIGSTOP');
    const paying = shop.pay(phone).catch(() => null);
    let id: string | undefined;
    for (let tries = 0; id === undefined && tries < 60; tries += 1) {
      await sleep(50);
      id = (
        await shop.db.query(`SELECT id FROM payments WHERE idempotency_key = $1`, [`key-${phone}`])
      ).rows[0]?.id;
    }
    // The provider calls back only once, so the API is up again before the payment goes on.
    await shop.world.kill('api', 'SIGKILL');
    await shop.world.start('api');
    process.kill(pids.temporal ?? 0, 'SIGCONT');
    await paying;
    await expectPaidOnce(await shop.until(id ?? '', ['created', 'processing', 'succeeded']), phone);
  }, 150_000);
});

describe('away', () => {
  it('Temporal, while a callback arrives: it is delivered later', async () => {
    const phone = shop.phone();
    const { body } = await shop.pay(phone);
    await shop.world.kill('temporal', 'SIGKILL');
    await expectPaidOnce(body, phone);
  }, 180_000);

  it('Temporal, while a payment is made: 202, and it is started later', async () => {
    const phone = shop.phone();
    const { pids } = shop.world.details();
    process.kill(pids.temporal ?? 0, 'SIGSTOP');
    const { status, body } = await shop.pay(phone);
    process.kill(pids.temporal ?? 0, 'SIGCONT');
    expect([status, body.status]).toEqual([202, 'created']);
    await expectPaidOnce(body, phone);
  }, 150_000);

  it('PostgreSQL, while money comes late for an ended payment: it is kept and shown', async () => {
    const phone = shop.phone('01');
    const { body } = await shop.pay(phone);
    await shop.until(body.id, ['canceled']);
    const [prompt] = (await shop.book(phone)).prompts;
    const backAt = Date.now() + 6_000;
    let isTold = false;
    while (Date.now() < backAt) {
      const { postgres } = shop.world.details().pids;
      if (postgres !== undefined) await shop.world.kill('postgres', 'SIGKILL');
      const late = `prompts/${prompt?.checkout_request_id}/late-success`;
      if (!isTold) await shop.simulate('POST', late);
      isTold = true;
      await sleep(100);
    }
    const late = await shop.until(body.id, ['needs_review'], 90_000);
    expect(late.review_reason).toBe('late_success');
    const { callbacks } = await shop.book(phone);
    expect(callbacks.at(-1)?.status).toBe(200);
  }, 150_000);

  it('PostgreSQL, for 30 s in the middle: the callback is kept and applied', async () => {
    const phone = shop.phone();
    const { body } = await shop.pay(phone);
    const backAt = Date.now() + 30_000;
    while (Date.now() < backAt) {
      const { postgres } = shop.world.details().pids;
      if (postgres !== undefined) await shop.world.kill('postgres', 'SIGKILL');
      await sleep(100);
    }
    await expectPaidOnce(body, phone);
  }, 150_000);
});
