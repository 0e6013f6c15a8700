import { lengthOf, payByCard, readCardBook, untilRefund } from './cards.ts';
import { openShop, type Shop } from './shop.ts';

let shop: Shop;
beforeAll(async () => {
  shop = await openShop();
}, 150_000);
afterAll(() => shop?.close(), 60_000);

const refund = (id: string, body: object, key?: string) =>
  shop.send('POST', `payments/${id}/refunds`, body, key);
const givenBy = async (provider: 'stripe' | 'cpay', id: string) =>
  (await readCardBook(shop, provider, id)).refunds.reduce((sum, it) => sum + it.amountMinor, 0);

describe.each(['stripe', 'cpay'] as const)('%s', (provider) => {
  const pay = async (changes: object = {}) => {
    const { body } = await payByCard(shop, provider, changes);
    return await shop.until(body.id, ['succeeded']);
  };
  const fault = (kind: string) => shop.control(provider, 'POST', 'faults', { on: 'refund', kind });
  afterEach(() => shop.control(provider, 'DELETE', 'faults'));

  it('gives back in parts until nothing is left, each in 14 events of history', async () => {
    const { id } = await pay();
    for (const amount of [1_500, 2_500]) {
      const { status, body } = await refund(id, { amount });
      expect([status, body.status]).toEqual([201, 'succeeded']);
      expect(await lengthOf(shop, body)).toBeLessThanOrEqual(14);
    }
    const tooMuch = await refund(id, { amount: 1_001 });
    expect([tooMuch.status, tooMuch.body.code]).toEqual([422, 'refund_too_much']);
    expect(String(tooMuch.body.detail)).toContain('1000');
    expect((await refund(id, {})).body.amount).toBe(1_000);
    expect(await shop.get(id)).toMatchObject({ amount_refunded: 5_000, refund_status: 'full' });
    expect(await givenBy(provider, id)).toBe(5_000);
  });

  it('with fifty at once gives back what the rows say, and no more than was taken', async () => {
    const { id } = await pay();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => refund(id, { amount: 300 })),
    );
    const made = answers.filter(({ status }) => status < 300);
    for (const { body } of made) await untilRefund(shop, body.id, ['succeeded']);
    const payment = await shop.get(id);
    expect(made).toHaveLength(16);
    expect([payment.amount_refunded, await givenBy(provider, id)]).toEqual([4_800, 4_800]);
  });

  it('gives back once for one key, also after its end, and refuses another body', async () => {
    const { id } = await pay();
    const key = `refund-${provider}-once`;
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => refund(id, { amount: 700 }, key)),
    );
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    const late = await refund(id, { amount: 700 }, key);
    expect([late.status, late.headers.get('Idempotency-Replayed')]).toEqual([200, 'true']);
    const other = await refund(id, { amount: 800 }, key);
    expect([other.status, other.body.code]).toEqual([422, 'idempotency_key_reused']);
    expect(await givenBy(provider, id)).toBe(700);
  });

  it.each(['reset', 'timeout', '500', 'truncate'])(
    'whose answer was lost (%s) gives back once',
    async (how) => {
      const { id } = await pay();
      await fault(`act_then_${how}`);
      const { body } = await refund(id, { amount: 2_000 });
      await untilRefund(shop, body.id, ['succeeded']);
      expect(await givenBy(provider, id)).toBe(2_000);
    },
    60_000,
  );

  it('kept by the provider for a while is settled later', async () => {
    const { id } = await pay(
      provider === 'stripe' ? { payment_method: 'pm_card_pendingRefund' } : { amount: 5_010 },
    );
    const { body } = await refund(id, { amount: 2_000 });
    expect(body.status).toBe('pending');
    await untilRefund(shop, body.id, ['succeeded']);
  });

  it('that the provider takes back is a failure, and may be made again', async () => {
    const { id } = await pay(
      provider === 'stripe' ? { payment_method: 'pm_card_refundFail' } : { amount: 5_014 },
    );
    const { body } = await refund(id, { amount: 2_000 });
    expect(body.status).toBe('succeeded');
    const failed = await untilRefund(shop, body.id, ['failed']);
    expect(failed.failure).not.toBeNull();
    expect(await shop.get(id)).toMatchObject({ amount_refunded: 0, refund_status: 'none' });
  });
});

describe('mpesa', () => {
  const pay = async (phone = shop.phone()) => {
    const { body } = await shop.pay(phone);
    await shop.until(body.id, ['succeeded']);
    const reversed = async () => {
      const book = await shop.control('mpesa', 'GET', `book?phone=${phone}`);
      if (typeof book !== 'object' || book === null || !('reversals' in book)) return [];
      return book.reversals;
    };
    return { id: body.id, reversed };
  };
  afterEach(() => shop.simulate('PATCH', 'settings', { reversal: 'tell', reversal_code: null }));

  it('gives back by a reversal, told later, in 23 events of history', async () => {
    const { id, reversed } = await pay();
    const { status, body } = await refund(id, { amount: 4_000 });
    expect([status, body.status]).toEqual([201, 'pending']);
    const done = await untilRefund(shop, body.id, ['succeeded']);
    expect(done.provider_receipt).toMatch(/^[A-Z0-9]{10}$/);
    expect(await lengthOf(shop, body)).toBeLessThanOrEqual(23);
    expect(await reversed()).toMatchObject([{ amount: 40, result_code: '0' }]);
  });

  it.each([
    ['no word', { reversal: 'never' }],
    ['"reversed already"', { reversal_code: 'R000001' }],
    ['an unknown code', { reversal_code: '4711' }],
  ])('after %s needs a person, and is asked for once', async (_what, settings) => {
    await shop.simulate('PATCH', 'settings', settings);
    const { id, reversed } = await pay();
    const { body } = await refund(id, { amount: 4_000 });
    await untilRefund(shop, body.id, ['needs_review']);
    expect(await reversed()).toHaveLength(1);
    expect(await shop.get(id)).toMatchObject({ amount_refunded: 0, amount_refundable: 6_000 });
  });

  it('after a queue timeout is asked about, and asked for once', async () => {
    await shop.simulate('PATCH', 'settings', { reversal: 'queue_timeout' });
    const { id, reversed } = await pay();
    const { body } = await refund(id, { amount: 4_000 });
    const done = await untilRefund(shop, body.id, ['succeeded']);
    expect(done.provider_receipt).toMatch(/^[A-Z0-9]{10}$/);
    expect(await reversed()).toMatchObject([{ amount: 40, result_code: '0' }]);
  });

  it.each([
    ['1', 'insufficient_balance'],
    ['2001', 'misconfigured'],
    ['R000002', 'receipt_refused'],
  ])('after result code %s has failed as %s', async (reversal_code, code) => {
    await shop.simulate('PATCH', 'settings', { reversal_code });
    const { id } = await pay();
    const { body } = await refund(id, { amount: 4_000 });
    const failed = await untilRefund(shop, body.id, ['failed']);
    expect(failed.failure?.code).toBe(code);
    expect(await shop.get(id)).toMatchObject({ amount_refundable: 10_000 });
  });

  it('without a receipt says why it cannot be', async () => {
    const { body } = await shop.pay(shop.phone('08'));
    await shop.until(body.id, ['succeeded']);
    const answer = await refund(body.id, {});
    expect([answer.status, answer.body.code]).toEqual([409, 'not_refundable']);
    expect(String(answer.body.detail)).toContain('receipt');
  });
});
