import { setTimeout as sleep } from 'node:timers/promises';
import {
  CARD_PROVIDERS,
  type CardProvider,
  lengthOf,
  payByCard,
  readCardLedger,
  refundInDashboard,
  untilRefund,
} from './cards.ts';
import { untilThere } from './handset.ts';
import { openStack, type Stack } from './stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await openStack();
}, 150_000);
afterAll(() => stack?.close(), 60_000);

const refund = (id: string, body: object, key?: string) =>
  stack.send('POST', `payments/${id}/refunds`, body, key);
const actionsOf = async (id: string) => (await stack.timeline(id)).map(({ action }) => action);
const givenBy = async (provider: CardProvider, id: string) =>
  (await readCardLedger(stack, provider, id)).refunds.reduce((sum, it) => sum + it.amountMinor, 0);

describe.each(CARD_PROVIDERS)('%s', (provider) => {
  const pay = async (changes: object = {}) => {
    const { body } = await payByCard(stack, provider, changes);
    return await stack.until(body.id, ['succeeded']);
  };
  const setFault = (kind: string) =>
    stack.control(provider, 'POST', 'faults', { on: 'refund', kind });
  afterEach(() => stack.control(provider, 'DELETE', 'faults'));

  it('gives back in parts until nothing is left, each in 14 events of history', async () => {
    const { id } = await pay();
    // An event that finds the workflow still open is in its history too.
    await stack.control(provider, 'PATCH', 'settings', { webhook: 'never' });
    for (const amount of [1_500, 2_500]) {
      const { status, body } = await refund(id, { amount });
      expect([status, body.status]).toEqual([201, 'succeeded']);
      expect(await lengthOf(stack, body)).toBeLessThanOrEqual(14);
    }
    await stack.control(provider, 'PATCH', 'settings', { webhook: 'send' });
    const tooMuch = await refund(id, { amount: 1_001 });
    expect([tooMuch.status, tooMuch.body.code]).toEqual([422, 'refund_too_much']);
    expect(String(tooMuch.body.detail)).toContain('1000');
    expect((await refund(id, {})).body.amount).toBe(1_000);
    expect(await stack.get(id)).toMatchObject({ amount_refunded: 5_000, refund_status: 'full' });
    expect(await givenBy(provider, id)).toBe(5_000);
  });

  it('with fifty at once gives back what the rows say, and no more than was taken', async () => {
    const { id } = await pay();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => refund(id, { amount: 300 })),
    );
    const made = answers.filter(({ status }) => status < 300);
    for (const { body } of made) await untilRefund(stack, body.id, ['succeeded']);
    const payment = await stack.get(id);
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
      await setFault(`act_then_${how}`);
      const { body } = await refund(id, { amount: 2_000 });
      await untilRefund(stack, body.id, ['succeeded']);
      expect(await givenBy(provider, id)).toBe(2_000);
    },
    60_000,
  );

  it('that was made in the dashboard is counted, and the rest is ours to give back', async () => {
    const { id, provider_payment_id } = await pay();
    await refundInDashboard(stack, provider, String(provider_payment_id), 2_000);
    const counted = await untilThere(async () => {
      const payment = await stack.get(id);
      return payment.amount_refunded === 2_000 ? payment : null;
    }, 'it counts');
    expect(counted).toMatchObject({ amount_refundable: 3_000, refund_status: 'partial' });
    expect((await refund(id, {})).body).toMatchObject({ amount: 3_000, origin: 'malipo' });
    const { data } = (await stack.send('GET', `payments/${id}/refunds`)).body;
    expect(data).toMatchObject([
      { origin: 'provider', status: 'succeeded', amount: 2_000, idempotency_key: null },
      { origin: 'malipo', status: 'succeeded', amount: 3_000 },
    ]);
    expect(await givenBy(provider, id)).toBe(5_000);
    expect(await actionsOf(id)).toContain('refund.made_at_provider');
  });

  it('that is refused since somebody was faster in the dashboard says what is left', async () => {
    const { id, provider_payment_id } = await pay();
    await stack.control(provider, 'PATCH', 'settings', { webhook: 'never' });
    await refundInDashboard(stack, provider, String(provider_payment_id), 2_000);
    const { body } = await refund(id, {});
    const refused = await untilRefund(stack, body.id, ['failed']);
    expect(refused.failure).toMatchObject({
      code: 'amount_refused',
      message: expect.stringContaining('(3000) can be refunded'),
    });
    await stack.control(provider, 'PATCH', 'settings', { webhook: 'send' });
    expect(await stack.get(id)).toMatchObject({ amount_refunded: 2_000, amount_refundable: 3_000 });
    expect((await refund(id, {})).body.amount).toBe(3_000);
    expect(await givenBy(provider, id)).toBe(5_000);
  });

  it('kept by the provider for a while is settled later', async () => {
    const { id } = await pay(
      provider === 'stripe' ? { payment_method: 'pm_card_pendingRefund' } : { amount: 5_010 },
    );
    const { body } = await refund(id, { amount: 2_000 });
    await untilRefund(stack, body.id, ['succeeded']);
    expect(await actionsOf(id)).toContain('refund.provider_accepted');
  });

  it('that the provider takes back is a failure, and may be made again', async () => {
    const { id } = await pay(
      provider === 'stripe' ? { payment_method: 'pm_card_refundFail' } : { amount: 5_014 },
    );
    const { body } = await refund(id, { amount: 2_000 });
    const failed = await untilRefund(stack, body.id, ['failed']);
    expect(failed.failure).not.toBeNull();
    const moves = (await stack.timeline(id)).filter(
      ({ action, from, to }) => action.startsWith('refund.') && from !== to,
    );
    expect(moves.slice(-2).map(({ to }) => to)).toEqual(['succeeded', 'failed']);
    expect(await stack.get(id)).toMatchObject({ amount_refunded: 0, refund_status: 'none' });
  });
});

it('of a disputed payment is for the dispute to decide, here and at Stripe', async () => {
  const payment_method = 'pm_card_createDispute';
  const { body } = await payByCard(stack, 'stripe', { payment_method });
  const dispute = await untilThere(async () => (await stack.get(body.id)).dispute, 'it shows');
  const refused = await refund(body.id, {});
  expect([refused.status, refused.body.code]).toEqual([409, 'not_refundable']);
  const { provider_payment_id } = await stack.get(body.id);
  const inDashboard = refundInDashboard(stack, 'stripe', String(provider_payment_id), 5_000);
  await expect(inDashboard).rejects.toThrow('charge_disputed');
  const { id } = Object(dispute);
  await stack.control('stripe', 'POST', `disputes/${id}`, { status: 'lost' });
  await untilThere(async () => (await stack.get(body.id)).amount_disputed || null, 'it is lost');
  expect(await stack.get(body.id)).toMatchObject({
    amount_disputed: 5_000,
    amount_refundable: 0,
    disputes: [{ id, status: 'lost' }],
  });
  expect((await refund(body.id, {})).body.code).toBe('refund_too_much');
});

it('of a payment whose dispute only Stripe knows of yet fails as disputed', async () => {
  const { body } = await payByCard(stack, 'stripe');
  await stack.control('stripe', 'PATCH', 'settings', { webhook: 'never' });
  const dispute = { payment_intent: body.provider_payment_id };
  await stack.control('stripe', 'POST', 'disputes', dispute);
  await stack.control('stripe', 'PATCH', 'settings', { webhook: 'send' });
  const { body: made } = await refund(body.id, {});
  const failed = await untilRefund(stack, made.id, ['failed', 'succeeded', 'needs_review']);
  expect(failed).toMatchObject({ status: 'failed', failure: { code: 'disputed' } });
  expect(await stack.get(body.id)).toMatchObject({ amount_refunded: 0 });
});

describe('mpesa', () => {
  type Reversal = {
    readonly amount: number;
    readonly receipt: string;
    readonly result_code: string | null;
    readonly timeout_url: string;
  };
  const readLedger = async (phone: string): Promise<{ readonly reversals: readonly Reversal[] }> =>
    Object.assign({ reversals: [] }, await stack.control('mpesa', 'GET', `ledger?phone=${phone}`));
  const pay = async (phone = stack.phone()) => {
    const { body } = await stack.pay(phone);
    await stack.until(body.id, ['succeeded']);
    const reversed = async () => (await readLedger(phone)).reversals;
    return { id: body.id, phone, reversed };
  };
  const TELL = { reversal: 'tell', reversal_code: null, reversal_delay_ms: 1_000, status: 'tell' };
  afterEach(() => stack.simulate('PATCH', 'settings', TELL));

  it('gives back by a reversal, told later, in 23 events of history', async () => {
    const { id, reversed } = await pay();
    const { status, body } = await refund(id, { amount: 4_000 });
    expect(status).toBe(201);
    const done = await untilRefund(stack, body.id, ['succeeded']);
    expect(done.provider_receipt).toMatch(/^[A-Z0-9]{10}$/);
    expect(await lengthOf(stack, body)).toBeLessThanOrEqual(23);
    expect(await reversed()).toMatchObject([{ amount: 40, result_code: '0' }]);
    expect(await actionsOf(id)).toContain('refund.provider_accepted');
  });

  it('with fifty at once gives back what the rows say, and no more than was taken', async () => {
    const { id, reversed } = await pay();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => refund(id, { amount: 300 })),
    );
    const made = answers.filter(({ status }) => status < 300);
    expect(made).toHaveLength(33);
    for (const { body } of made) await untilRefund(stack, body.id, ['succeeded']);
    expect(await stack.get(id)).toMatchObject({ amount_refunded: 9_900, amount_refundable: 100 });
    const asked = await reversed();
    expect(asked).toEqual(
      Array.from({ length: 33 }, () => expect.objectContaining({ amount: 3, result_code: '0' })),
    );
  });

  it('gives back once for one key, at once and after its end', async () => {
    const { id, reversed } = await pay();
    const once = () => refund(id, { amount: 700 }, 'reversal-once');
    const ids = (await Promise.all([once(), once()])).map(({ body }) => body.id);
    await untilRefund(stack, ids[0] ?? '', ['succeeded']);
    expect([...ids, (await once()).body.id]).toEqual([ids[0], ids[0], ids[0]]);
    expect(await reversed()).toMatchObject([{ amount: 7, result_code: '0' }]);
    expect(await stack.get(id)).toMatchObject({ amount_refunded: 700 });
  });

  describe('that nobody can tell of', () => {
    const NEVER = { reversal: 'never' };
    // table
    const WORDS = [
      ['"reversed already"', { reversal_code: 'R000001' }, 'reversed already'],
      ['an unknown code', { reversal_code: '4711' }, 'unknown result code 4711'],
      [
        'a queue timeout, and nothing reversed',
        { reversal: 'queue_timeout', reversal_code: '1' },
        'result code R000002',
      ],
      ['no word', NEVER, 'did not tell in time'],
    ] as const;
    const begun = new Map<string, Awaited<ReturnType<typeof begin>>>();
    /** A refund that has heard this word, and has its wait still before it. */
    const begin = async (settings: object, paying: ReturnType<typeof pay>) => {
      const { id, phone, reversed } = await paying;
      await stack.simulate('PATCH', 'settings', { ...TELL, reversal_delay_ms: 100, ...settings });
      const { body } = await refund(id, { amount: 4_000 });
      const isTold = async () => typeof (await reversed())[0]?.result_code === 'string';
      // Of the last one there is no word to wait for: nothing else is set after it.
      while (settings !== NEVER && !(await isTold())) await sleep(50);
      return { id, phone, reversed, refundId: body.id };
    };
    beforeAll(async () => {
      const paying = WORDS.map(() => pay());
      for (const [place, [what, settings]] of WORDS.entries()) {
        begun.set(what, await begin(settings, paying[place] ?? pay()));
      }
    });
    const find = (what: string) => {
      const found = begun.get(what);
      if (found === undefined) throw new Error(`${what} was not begun`);
      return found;
    };

    it.each(WORDS)('after %s needs a person, and is asked for once', async (what, _how, cause) => {
      const { id, reversed, refundId } = find(what);
      const { review_reason } = await untilRefund(stack, refundId, ['needs_review']);
      expect(review_reason).toBe('no_answer');
      expect(await reversed()).toHaveLength(1);
      expect(await stack.get(id)).toMatchObject({ amount_refunded: 0, amount_refundable: 6_000 });
      const causes = (await stack.timeline(id)).map((entry) => entry.cause);
      expect(causes).toContainEqual(expect.stringContaining(cause));
    });

    it('takes no queue timeout from an address that is forged, or its payment’s own', async () => {
      const { phone, reversed, refundId } = find('no word');
      await untilRefund(stack, refundId, ['needs_review']);
      const lastOf = (url = '') => url.slice(url.lastIndexOf('/') + 1);
      const url = (await reversed())[0]?.timeout_url ?? '';
      const token = lastOf(url);
      const ofPayment = lastOf((await stack.ledger(phone)).prompts[0]?.callback_url);
      const forged = `${token.slice(0, -1)}${token.endsWith('0') ? '1' : '0'}`;
      // Nothing real is malformed as '{}' is; what is asked about meanwhile may well be answered.
      const malformed =
        "SELECT id FROM webhook_events WHERE provider = 'mpesa' AND status = 'parked' AND event->>'unclear' = 'unreadable'";
      const read = async () => (await stack.db.query(malformed)).rows;
      const before = await read();
      for (const wrong of [forged, ofPayment]) {
        const answer = await fetch(url.replace(token, wrong), {
          method: 'POST',
          body: '{}',
        });
        expect(answer.status).toBe(404);
      }
      expect(await read()).toEqual(before);
      expect((await stack.send('GET', `refunds/${refundId}`)).body.status).toBe('needs_review');
    });
  });

  it('after a queue timeout is asked about, and asked for once', async () => {
    await stack.simulate('PATCH', 'settings', { reversal: 'queue_timeout' });
    const { id, reversed } = await pay();
    const { body } = await refund(id, { amount: 4_000 });
    const done = await untilRefund(stack, body.id, ['succeeded']);
    expect(done.provider_receipt).toMatch(/^[A-Z0-9]{10}$/);
    expect(await reversed()).toMatchObject([{ amount: 40, result_code: '0' }]);
  });

  it.each([
    ['1', 'insufficient_balance'],
    ['2001', 'misconfigured'],
    ['R000002', 'receipt_refused'],
  ])('after result code %s has failed as %s', async (reversal_code, code) => {
    await stack.simulate('PATCH', 'settings', { reversal_code });
    const { id } = await pay();
    const { body } = await refund(id, { amount: 4_000 });
    const failed = await untilRefund(stack, body.id, ['failed']);
    expect(failed.failure?.code).toBe(code);
    expect(await stack.get(id)).toMatchObject({ amount_refundable: 10_000 });
  });

  it('without a receipt fails while Daraja tells none, then learns it and gives back', async () => {
    const { id, reversed } = await pay(stack.phone('08'));
    // Told that there is none, and told at an address that was not given.
    for (const status of ['unknown', 'forged']) {
      await stack.simulate('PATCH', 'settings', { status });
      const { body } = await refund(id, {});
      const { failure } = await untilRefund(stack, body.id, ['failed']);
      const message = expect.stringMatching(/Nothing was sent.*portal/);
      expect(failure).toMatchObject({ code: 'receipt_unknown', message });
    }
    expect(await reversed()).toEqual([]);
    const before = { provider_receipt: null, amount_refunded: 0, amount_refundable: 10_000 };
    expect(await stack.get(id)).toMatchObject(before);
    await stack.simulate('PATCH', 'settings', { status: 'tell' });
    const { body } = await refund(id, { amount: 4_000 });
    await untilRefund(stack, body.id, ['succeeded']);
    const [{ receipt } = {}, ...others] = await reversed();
    expect(others).toEqual([]);
    expect(await stack.get(id)).toMatchObject({
      provider_receipt: receipt,
      amount_refunded: 4_000,
    });
    const actions = await actionsOf(id);
    expect(actions).toContain('refund.receipt_learned');
    expect(actions).toContain('refund.provider_accepted');
  });
});
