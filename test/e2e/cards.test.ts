import { SANDBOX as CPAY } from '../../providers/cpay/simulator.ts';
import { SANDBOX as STRIPE } from '../../providers/stripe/simulator.ts';
import {
  CARD_PROVIDERS,
  type CardProvider,
  lengthOf,
  payByCard,
  readCardLedger,
  untilRefund,
  untilSent,
} from './cards.ts';
import { untilThere } from './handset.ts';
import { openStack, type Stack } from './stack.ts';

let stack: Stack;
beforeAll(async () => {
  // An error that is replayed for ever is sent for until then.
  const limits = { timeout_ms: 1_500, deadline_ms: 5_000, max_sends: 3, resend_after_ms: [500] };
  const policies = { stripe: { charge: limits }, cpay: { charge: limits } };
  stack = await openStack(1, { policies });
}, 150_000);
afterAll(() => stack?.close(), 60_000);

const takenOf = async (provider: CardProvider, id: string) =>
  (await readCardLedger(stack, provider, id)).taken.map(({ amountMinor }) => amountMinor);
const settings = (provider: string, changes: object) =>
  stack.control(provider, 'PATCH', 'settings', changes);

const setFault = (provider: CardProvider, kind: string, more: object = {}) =>
  stack.control(provider, 'POST', 'faults', {
    on: provider === 'stripe' ? 'create' : 'charge',
    kind,
    ...more,
  });

describe('each provider', () => {
  /** The same of both at once: their simulators know nothing of each other. */
  const both = (what: string, run: (provider: CardProvider) => Promise<void>, limitMs?: number) =>
    describe(what, () => {
      it.concurrent.each(CARD_PROVIDERS)('%s', run, limitMs);
      afterAll(async () => {
        for (const provider of CARD_PROVIDERS) await stack.control(provider, 'DELETE', 'faults');
      });
    });

  both('is paid at once, in 14 events of history', async (provider) => {
    // An event that finds the workflow still open is in its history too.
    await settings(provider, { webhook: 'never' });
    const { status, body } = await payByCard(stack, provider);
    expect([status, body.status, body.amount_captured]).toEqual([201, 'succeeded', 5_000]);
    expect(await lengthOf(stack, body)).toBeLessThanOrEqual(14);
    expect(await takenOf(provider, body.id)).toEqual([5_000]);
    await settings(provider, { webhook: 'send' });
  });

  both('with one key thirty times at once takes the money once', async (provider) => {
    const key = `once-${provider}`;
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => payByCard(stack, provider, {}, key)),
    );
    const ids = new Set(answers.map(({ body }) => body.id));
    expect(ids.size).toBe(1);
    expect(await takenOf(provider, [...ids][0] ?? '')).toEqual([5_000]);
  });

  both('holds the money, takes a part of it, and takes no more after that', async (provider) => {
    const { body } = await payByCard(stack, provider, { capture_method: 'manual' });
    expect(body.status).toBe('authorized');
    const tooMuch = await stack.send('POST', `payments/${body.id}/capture`, { amount: 5_001 });
    expect(tooMuch.status).toBe(400);
    const captured = await stack.send('POST', `payments/${body.id}/capture`, { amount: 3_000 });
    expect(captured.body).toMatchObject({ status: 'succeeded', amount_captured: 3_000 });
    const again = await stack.send('POST', `payments/${body.id}/capture`, { amount: 3_000 });
    expect(again.status).toBe(200);
    const canceled = await stack.send('POST', `payments/${body.id}/cancel`);
    expect([canceled.status, canceled.body.code]).toEqual([409, 'payment_closed']);
    expect(await takenOf(provider, body.id)).toEqual([3_000]);
  });

  both('lets held money go', async (provider) => {
    const { body } = await payByCard(stack, provider, { capture_method: 'manual' });
    const canceled = await stack.send('POST', `payments/${body.id}/cancel`);
    expect(canceled.body).toMatchObject({ status: 'canceled', amount_captured: 0 });
    const capture = await stack.send('POST', `payments/${body.id}/capture`);
    expect([capture.status, capture.body.code]).toEqual([409, 'payment_closed']);
    expect(await takenOf(provider, body.id)).toEqual([]);
  });

  for (const how of ['reset', 'timeout', '500', 'truncate', 'html']) {
    both(
      `whose answer was lost (${how}) is paid once`,
      async (provider) => {
        await setFault(provider, `act_then_${how}`);
        const { body } = await payByCard(stack, provider);
        const paid = await stack.until(body.id, ['succeeded'], 40_000);
        expect(paid.amount_captured).toBe(5_000);
        expect(await takenOf(provider, body.id)).toEqual([5_000]);
      },
      60_000,
    );
  }

  both('that was told 500_before is paid once', async (provider) => {
    await setFault(provider, '500_before');
    const { body } = await payByCard(stack, provider);
    await stack.until(body.id, ['succeeded'], 30_000);
    expect(await takenOf(provider, body.id)).toEqual([5_000]);
  });

  both('that was told 429 is paid once, and not before Retry-After', async (provider) => {
    // Longer than the policy's own pause.
    await setFault(provider, '429', { retry_after_s: 2 });
    const { body } = await payByCard(stack, provider);
    await stack.until(body.id, ['succeeded'], 30_000);
    expect(await takenOf(provider, body.id)).toEqual([5_000]);
    const sends = (await stack.timeline(body.id)).filter(
      (it) => it.action === 'payment.dispatched',
    );
    const [first = Number.NaN, second = Number.NaN] = sends.map(({ at }) => Date.parse(at));
    expect(sends).toHaveLength(2);
    expect(second - first).toBeGreaterThanOrEqual(2_000);
  });

  both('takes a hundred copies of each event for one', async (provider) => {
    await settings(provider, { duplicates: 100 });
    const { body } = await payByCard(stack, provider, { capture_method: 'manual' });
    await stack.send('POST', `payments/${body.id}/capture`, { amount: 5_000 });
    const sent = await untilSent(stack, provider, body.provider_payment_id, 200);
    await settings(provider, { duplicates: 1 });
    expect(sent.map(({ status }) => status)).toEqual(Array.from({ length: 200 }, () => 200));
    const { rows } = await stack.db.query(
      'SELECT status, duplicate_count FROM webhook_events WHERE workflow_id = $1',
      [body.workflow.id],
    );
    const once = { status: 'applied', duplicate_count: 99 };
    expect(rows).toEqual([once, once]);
    expect(await takenOf(provider, body.id)).toEqual([5_000]);
    const paid = await stack.get(body.id);
    expect([paid.status, paid.amount_captured]).toEqual(['succeeded', 5_000]);
    // An event may find the workflow still open, which then notes the same once more.
    const moved = (await stack.timeline(body.id)).filter(
      ({ action, from, to }) =>
        (action === 'payment.authorized' || action === 'payment.succeeded') && from !== to,
    );
    expect(moved).toHaveLength(2);
  });

  both('takes events that come before the answer', async (provider) => {
    await settings(provider, { webhook: provider === 'stripe' ? 'before_answer' : 'early' });
    const { body } = await payByCard(stack, provider);
    await settings(provider, { webhook: 'send' });
    expect((await stack.until(body.id, ['succeeded'])).amount_captured).toBe(5_000);
    expect(await takenOf(provider, body.id)).toEqual([5_000]);
  });

  for (const signature of ['forged', 'old']) {
    both(`does not believe a signature that is ${signature}`, async (provider) => {
      await settings(provider, { signature });
      const { body } = await payByCard(stack, provider);
      expect(body.status).toBe('succeeded');
      const [sent] = await untilSent(stack, provider, body.provider_payment_id, 1);
      expect(sent?.status).toBe(401);
      const { rows } = await stack.db.query(
        'SELECT id FROM webhook_events WHERE workflow_id = $1',
        [body.workflow.id],
      );
      expect(rows).toEqual([]);
      await settings(provider, { signature: 'good' });
    });
  }
});

describe('stripe', () => {
  const card = (payment_method: string, changes: object = {}) =>
    payByCard(stack, 'stripe', { payment_method, ...changes });
  const back = { return_url: 'https://shop.example.test/back' };
  const authenticate = (body: { provider_payment_id: string | null }, passed: boolean) =>
    stack.control('stripe', 'POST', `3ds/${body.provider_payment_id}`, { passed });

  it('is paid by a token as well', async () => {
    const { body } = await card('tok_mastercard_debit');
    expect([body.status, body.payment_method]).toEqual(['succeeded', 'tok_mastercard_debit']);
    expect(await takenOf('stripe', body.id)).toEqual([5_000]);
  });

  it.each([
    ['visa_chargeDeclinedInsufficientFunds', 'insufficient_funds', 'payer'],
    ['chargeDeclinedExpiredCard', 'card_expired', 'payer'],
    ['visa_chargeDeclinedStolenCard', 'card_blocked', 'never'],
    ['chargeDeclinedProcessingError', 'provider_unavailable', 'later'],
  ])('pm_card_%s fails as %s', async (method, code, retry) => {
    const { body } = await card(`pm_card_${method}`);
    expect(body).toMatchObject({ status: 'failed', failure: { code, retry } });
  });

  it('waits for 3-D Secure, told by an event or, without events, by asking', async () => {
    for (const webhook of ['send', 'never']) {
      await settings('stripe', { webhook });
      const { body } = await card('pm_card_authenticationRequired', back);
      expect(body).toMatchObject({
        status: 'requires_action',
        next_action: { type: 'redirect_to_url' },
      });
      await authenticate(body, true);
      const paid = await stack.until(body.id, ['succeeded']);
      expect(paid.next_action).toBeNull();
      expect(await takenOf('stripe', body.id)).toEqual([5_000]);
    }
    await settings('stripe', { webhook: 'send' });
  });

  it('fails when 3-D Secure is not passed, or the payer cannot be sent there', async () => {
    const { body } = await card('pm_card_authenticationRequired', back);
    await authenticate(body, false);
    const failed = await stack.until(body.id, ['failed']);
    expect(failed.failure?.code).toBe('authentication_failed');
    const lone = await card('pm_card_authenticationRequired');
    expect(lone.body).toMatchObject({
      status: 'failed',
      failure: { code: 'return_url_missing', retry: 'merchant' },
    });
  });

  it('is paid by a second attempt where the policy names the decline', async () => {
    const { body } = await card('pm_sim_declinedThenPaid');
    const paid = await stack.until(body.id, ['succeeded']);
    expect(await takenOf('stripe', paid.id)).toEqual([5_000]);
    const actions = (await stack.timeline(paid.id)).map(({ action }) => action);
    expect(actions).toContain('payment.reattempt_planned');
    expect(actions.filter((action) => action === 'payment.dispatched')).toHaveLength(2);
  });

  it('is not tried again after a decline that Stripe calls final, whatever its code', async () => {
    const { body } = await card('pm_sim_declinedForGood');
    const failed = await stack.until(body.id, ['failed', 'succeeded']);
    expect(failed).toMatchObject({ status: 'failed', failure: { code: 'provider_unavailable' } });
    const actions = (await stack.timeline(body.id)).map(({ action }) => action);
    expect(actions.filter((action) => action === 'payment.dispatched')).toHaveLength(1);
  });

  it('takes over from CPay where the policy says so', async () => {
    const method = { payment_method: 'pm_card_visa', return_url: null };
    const changes = { amount: 5_001, currency: 'USD', ...method };
    const { body } = await payByCard(stack, 'cpay', changes);
    const paid = await stack.until(body.id, ['succeeded']);
    expect(paid.provider).toBe('stripe');
    expect(await takenOf('cpay', body.id)).toEqual([]);
    expect(await takenOf('stripe', body.id)).toEqual([5_001]);
    const refund = await stack.send('POST', `payments/${body.id}/refunds`, {});
    expect(refund.body).toMatchObject({ status: 'succeeded', amount: 5_001 });
  });

  it('replays of a 500 lead to a look-up, never to a second charge; so does a 409', async () => {
    await stack.control('stripe', 'POST', 'faults', { kind: 'act_then_500', stored: true });
    const lost = await card('pm_card_visa');
    await stack.control('stripe', 'POST', 'faults', { kind: '409', times: 2 });
    const busy = await card('pm_card_visa');
    for (const { body } of [lost, busy]) {
      await stack.until(body.id, ['succeeded'], 40_000);
      expect(await takenOf('stripe', body.id)).toEqual([5_000]);
    }
  }, 60_000);

  it('believes an event that the next secret signs as well', async () => {
    const { simulators, api_url } = stack.world.details();
    const url = `${api_url}/api/v1/webhooks/stripe`;
    const secrets = ['whsec_the_next_secret', 'whsec_sandbox_simulator_test_value'];
    await stack.control('stripe', 'PUT', 'webhook', { url, secrets });
    const { body } = await card('pm_card_authenticationRequired', back);
    await authenticate(body, true);
    expect((await stack.until(body.id, ['succeeded'])).id).toBe(body.id);
    await stack.control('stripe', 'PUT', 'webhook', { url, secrets: secrets.slice(1) });
    expect(simulators.stripe?.url).toBeDefined();
  });

  it('shows a dispute on the payment', async () => {
    const { body } = await card('pm_card_createDispute');
    const dispute = await untilThere(async () => (await stack.get(body.id)).dispute, 'it shows');
    expect(dispute).toMatchObject({ status: 'open', amount: 5_000, currency: 'USD' });
  });

  it('takes no card number, and stores nothing of it', async () => {
    const { status, body } = await card('4242 4242 4242 4242');
    expect([status, body.code]).toEqual([422, 'card_number']);
    expect(JSON.stringify(body)).not.toMatch(/4242 *4242/);
  });
});

it('CPay, whose webhooks never come, is asked', async () => {
  await settings('cpay', { webhook: 'never', decide_after_ms: 500 });
  const { body } = await payByCard(stack, 'cpay', { amount: 5_003 });
  expect(body.status).toBe('processing');
  const paid = await stack.until(body.id, ['succeeded']);
  await settings('cpay', { webhook: 'send' });
  expect(paid.amount_captured).toBe(5_003);
  expect(await takenOf('cpay', body.id)).toEqual([5_003]);
});

/** These come last: from now on the merchant has accounts of its own at the same simulators. */
describe('with an account of its own', () => {
  // table
  const ACCOUNTS = {
    stripe: {
      first: STRIPE.credentials,
      later: { secret_key: 'sk_test_afterTheChange', webhook_secrets: 'whsec_afterTheChange' },
    },
    cpay: {
      first: CPAY.credentials,
      later: { api_key: 'cpay_test_afterTheChange', webhook_secrets: 'whsec_afterTheChange' },
    },
  };
  const configure = async (
    provider: CardProvider,
    credentials: object,
    policy_override: object = {},
  ) => {
    const { api_url } = stack.world.details();
    const { body } = await stack.send('PUT', `provider-configs/${provider}`, {
      environment: 'simulator',
      credentials,
      policy_override,
    });
    const url = `${api_url}/api/v1/webhooks/stripe/${body.id}`;
    const secrets = [STRIPE.credentials.webhook_secrets];
    if (provider === 'stripe') await stack.control('stripe', 'PUT', 'webhook', { url, secrets });
    return body;
  };

  it.each(CARD_PROVIDERS)(
    '%s: what was open when its credentials changed ends with the former ones, a refund is new',
    async (provider) => {
      await settings('cpay', { decide_after_ms: 1_000 });
      const { first, later } = ACCOUNTS[provider];
      const { id } = await configure(provider, first);
      const { body: held } = await payByCard(stack, provider, { capture_method: 'manual' });
      const { body: waiting } = await payByCard(
        stack,
        provider,
        provider === 'stripe'
          ? { payment_method: 'pm_card_authenticationRequired', return_url: 'https://stack.test/' }
          : { amount: 5_003 },
      );
      expect(await configure(provider, later)).toMatchObject({ id, version: 2 });

      // The simulator knows the former key alone, and signs by the former secret.
      const captured = await stack.send('POST', `payments/${held.id}/capture`, { amount: 3_000 });
      expect([captured.status, captured.body.status]).toEqual([200, 'succeeded']);

      const pi = waiting.provider_payment_id;
      if (provider === 'stripe')
        await stack.control('stripe', 'POST', `3ds/${pi}`, { passed: true });
      await stack.until(waiting.id, ['succeeded']);
      const told = await untilSent(stack, provider, pi, 2);
      expect(told.map(({ status }) => status)).toEqual([200, 200]);
      const { rows } = await stack.db.query(
        `SELECT DISTINCT e.account, a.credentials_ref FROM webhook_events e
         JOIN attempts a USING (payment_id) WHERE e.workflow_id = $1`,
        [waiting.workflow.id],
      );
      expect(rows).toEqual([{ account: `config:${id}`, credentials_ref: `config:${id}@1` }]);

      const { body: next } = await payByCard(stack, provider);
      const failed = await stack.until(next.id, ['failed', 'succeeded']);
      expect(failed).toMatchObject({ status: 'failed', failure: { code: 'misconfigured' } });

      // A refund is new: it goes by what is in force, and once that is put right, it comes through.
      const refund = async () => {
        const body = { amount: 1_000 };
        const made = await stack.send('POST', `payments/${held.id}/refunds`, body);
        return await untilRefund(stack, made.body.id, ['succeeded', 'failed']);
      };
      const refused = await refund();
      expect(refused).toMatchObject({ status: 'failed', failure: { code: 'misconfigured' } });
      expect(await configure(provider, first)).toMatchObject({ id, version: 3 });
      expect((await refund()).status).toBe('succeeded');
      const { taken, refunds } = await readCardLedger(stack, provider, held.id);
      expect(taken.map(({ amountMinor }) => amountMinor)).toEqual([3_000]);
      expect(refunds.map(({ amountMinor }) => amountMinor)).toEqual([1_000]);
    },
    60_000,
  );

  it('a 500 that is replayed for ever is searched for until the search has it', async () => {
    await configure('stripe', STRIPE.credentials, {
      charge: { deadline_ms: 2_500 },
      callback_wait_ms: 300,
    });
    await settings('stripe', { webhook: 'never', search_lag_ms: 8_000 });
    await stack.control('stripe', 'POST', 'faults', { kind: 'act_then_500', stored: true });
    const { body } = await payByCard(stack, 'stripe');
    const story = async () => (await stack.timeline(body.id)).map(({ action }) => action);
    while (!(await story()).includes('payment.answer_lost')) await stack.get(body.id);
    expect((await stack.get(body.id)).status).toBe('processing');
    const paid = await stack.until(body.id, ['succeeded', 'failed', 'needs_review']);
    expect([paid.status, paid.amount_captured]).toEqual(['succeeded', 5_000]);
    expect(await takenOf('stripe', body.id)).toEqual([5_000]);
    expect(await story()).not.toContain('payment.resend_planned');
  }, 60_000);
});
