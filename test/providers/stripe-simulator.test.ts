import Stripe from 'stripe';
import type { ChargeRequest, ProviderClient } from '../../domain/provider.ts';
import { asStripe } from '../../providers/stripe/credentials.ts';
import { stripe } from '../../providers/stripe/index.ts';
import { openSdk } from '../../providers/stripe/sdk.ts';
import {
  type RunningSimulator,
  SANDBOX,
  startSimulator,
} from '../../providers/stripe/simulator.ts';
import { openReceiver, type Receiver, saying } from '../receiver.ts';
import { CALL_TIMEOUT_MS, connect, makeContext, makeRequest } from './contract/harness.ts';
import { STRIPE } from './stripe-account.ts';

/** Stripe's simulator as the official SDK sees it, beyond what every provider is held to. */
type Ledger = {
  readonly intents: readonly Stripe.PaymentIntent[];
  readonly refunds: readonly Stripe.Refund[];
  readonly events: readonly { readonly id: string; readonly status: number }[];
};
const PAID = { amount: 5_000, currency: 'usd', confirm: true } as const;
const METHODS = { automatic_payment_methods: { enabled: true, allow_redirects: 'never' } } as const;
const BACK = { return_url: 'https://shop.example.test/back?order=7' };

let receiver: Receiver;
let simulator: RunningSimulator;
let sdk: Stripe;
let client: ProviderClient;

beforeEach(async () => {
  receiver = await openReceiver();
  const settings = { webhook_delay_ms: 0, webhook_retry_ms: [5, 10] };
  simulator = await startSimulator({ port: 0, settings, webhookUrl: receiver.url });
  const record = { ...SANDBOX.credentials, base_url: simulator.url };
  const reading = stripe.readCredentials(record);
  if (!reading.ok) throw new Error(reading.faults.join('; '));
  sdk = openSdk(asStripe(reading.credentials));
  client = connect(stripe, record);
});
afterEach(async () => {
  await client.close();
  await simulator.close();
  await receiver.close();
});

const readLedger = async (): Promise<Ledger> => {
  const answer = await fetch(`${simulator.url}/simulator/ledger`);
  return JSON.parse(await answer.text());
};
const pay = (payment_method: string, changes: object = METHODS) =>
  sdk.paymentIntents.create({ ...PAID, payment_method, ...changes });
const refusal = (asking: Promise<unknown>) =>
  asking.then(
    () => null,
    (error: unknown) => error,
  );

/** A charge by our own client. */
const charge = (changes: Partial<ChargeRequest> = {}) =>
  client.charge(makeRequest(STRIPE.pays, receiver.url, changes), makeContext());

/** A refund by our own client, under one key. */
const refund = (providerPaymentId: string | null, amountMinor: number) =>
  client.refund?.(
    {
      workflowId: 'refund-1',
      idempotencyKey: 'pay_1/ref_1',
      amount: { amountMinor, currency: 'USD' },
      providerPaymentId,
      providerReceipt: null,
      reason: '',
      callbackUrls: {},
      timeoutMs: CALL_TIMEOUT_MS,
    },
    makeContext(),
  );
async function control(path: string, body: object): Promise<void> {
  const init = { method: 'POST', body: JSON.stringify(body) };
  const answer = await fetch(`${simulator.url}/simulator/${path}`, init);
  if (!answer.ok) throw new Error(await answer.text());
}

it('sends an event again, under the same id, until it is taken', async () => {
  receiver.answer = (response) => saying(receiver.received.length < 3 ? 500 : 200)(response);
  await pay('pm_card_visa');
  await receiver.until((received) => received.length === 3);
  expect(new Set(receiver.received.map(({ event }) => event.id)).size).toBe(1);
  let { events } = await readLedger();
  while (events.length < 3) ({ events } = await readLedger());
  expect(events.map(({ status }) => status)).toEqual([500, 500, 200]);
});

describe('the page of 3-D Secure', () => {
  const open = async () => {
    const intent = await pay('pm_card_authenticationRequired', BACK);
    expect(intent.status).toBe('requires_action');
    return { id: intent.id, url: intent.next_action?.redirect_to_url?.url ?? '' };
  };
  const answer = async (url: string, how: string) => {
    const { status, headers } = await fetch(`${url}/${how}`, {
      method: 'POST',
      redirect: 'manual',
    });
    return { status, to: new URL(headers.get('location') ?? '') };
  };

  it.each([
    ['complete', 'succeeded', 'succeeded', null],
    ['fail', 'failed', 'requires_payment_method', 'payment_intent_authentication_failure'],
  ])('sends the payer back by 303 after %s', async (how, redirect_status, status, code) => {
    const { id, url } = await open();
    expect(await (await fetch(url)).text()).toContain(`/3ds/${id}/${how}`);
    const { to, ...answered } = await answer(url, how);
    expect(answered.status).toBe(303);
    expect(to.href).toMatch(/^https:\/\/shop\.example\.test\/back\?/);
    expect(Object.fromEntries(to.searchParams)).toEqual({
      order: '7',
      payment_intent: id,
      redirect_status,
    });
    const intent = await sdk.paymentIntents.retrieve(id);
    expect([intent.status, intent.last_payment_error?.code ?? null]).toEqual([status, code]);
    const taken = status === 'succeeded' ? 5_000 : 0;
    expect(intent.amount_received).toBe(taken);
  });

  it('takes one answer, and knows no other payment', async () => {
    const { id, url } = await open();
    await answer(url, 'complete');
    await answer(url, 'fail');
    expect((await sdk.paymentIntents.retrieve(id)).status).toBe('succeeded');
    expect((await fetch(`${simulator.url}/3ds/pi_of_nobody`)).status).toBe(404);
  });
});

describe('a key that was used for another request', () => {
  it('is refused as idempotency_error, and nothing is charged', async () => {
    const options = { idempotencyKey: 'once' };
    const order = { ...PAID, ...METHODS, payment_method: 'pm_card_visa' };
    const paid = await sdk.paymentIntents.create(order, options);
    const again = await sdk.paymentIntents.create(order, options);
    expect(again.id).toBe(paid.id);
    const refused = await refusal(sdk.paymentIntents.create({ ...order, amount: 5_001 }, options));
    expect(refused).toBeInstanceOf(Stripe.errors.StripeIdempotencyError);
    expect(refused).toMatchObject({ statusCode: 400 });
    expect((await readLedger()).intents).toHaveLength(1);
  });

  it('leaves open for us what became of the charge: there is one under it', async () => {
    const first = { idempotencyKey: 'pay_1/att_1/charge' };
    expect(await charge(first)).toMatchObject({ kind: 'succeeded' });
    const other = charge({ ...first, amount: { amountMinor: 5_001, currency: 'USD' } });
    await expect(other).rejects.toMatchObject({
      kind: 'ambiguous',
      providerCode: 'idempotency_error',
    });
  });

  it('leaves open as well what became of a refund', async () => {
    const { providerPaymentId } = await charge();
    expect(await refund(providerPaymentId, 1_000)).toMatchObject({ kind: 'succeeded' });
    await expect(refund(providerPaymentId, 2_000)).rejects.toMatchObject({ kind: 'ambiguous' });
  });
});

describe('what Stripe takes', () => {
  it.each([
    'visa',
    'visa_debit',
    'mastercard',
    'mastercard_debit',
    'mastercard_prepaid',
    'amex',
    'discover',
    'diners',
    'jcb',
    'unionpay',
  ])('pays by pm_card_%s, and by its token', async (card) => {
    expect(await charge({ paymentMethod: `pm_card_${card}` })).toMatchObject({
      kind: 'succeeded',
    });
    const byToken = await charge({ paymentMethod: `tok_${card}` });
    expect(byToken).toMatchObject({ kind: 'succeeded', money: { amountMinor: 10_000 } });
    const { intents } = await readLedger();
    expect(intents.map(({ amount_received }) => amount_received)).toEqual([10_000, 10_000]);
  });

  it.each([
    'pm_card_visa_chargeDeclinedInsufficientFunds',
    'tok_visa_chargeDeclinedInsufficientFunds',
  ])('declines %s', async (paymentMethod) => {
    expect(await charge({ paymentMethod })).toMatchObject({
      kind: 'declined',
      failure: { code: 'insufficient_funds' },
    });
  });

  it.each([
    [{ payment_method: 'pm_of_nobody' }, 'resource_missing', 'payment_method'],
    [{ payment_method: 'constructor' }, 'resource_missing', 'payment_method'],
    // A token is no PaymentMethod.
    [{ payment_method: 'tok_visa' }, undefined, 'payment_method'],
    [{ currency: 'kez' }, undefined, 'currency'],
    [{ currency: 'shilling' }, undefined, 'currency'],
  ])('refuses %j as Stripe does, and keeps nothing', async (changes, code, param) => {
    const refused = await refusal(pay('pm_card_visa', { ...METHODS, ...changes }));
    expect(refused).toBeInstanceOf(Stripe.errors.StripeInvalidRequestError);
    expect(refused).toMatchObject({ statusCode: 400, code, param });
    expect((await readLedger()).intents).toEqual([]);
  });

  it.each([
    ['pm_of_nobody', 'payment_method'],
    ['tok_of_nobody', 'card[token]'],
  ])('%s fails as a fault of %s', async (paymentMethod, param) => {
    await expect(charge({ paymentMethod })).rejects.toMatchObject({
      kind: 'misconfigured',
      message: `Stripe refused ${param} (resource_missing)`,
    });
  });

  it.each([
    [{ amountMinor: 49, currency: 'USD' }, 'amount_too_small'],
    [{ amountMinor: 100, currency: 'KES' }, 'amount_too_small'],
    [{ amountMinor: 100_000_000, currency: 'USD' }, 'amount_too_large'],
  ] as const)('%j is an amount that Stripe does not take: %s', async (amount, providerCode) => {
    await expect(charge({ amount })).rejects.toMatchObject({
      kind: 'misconfigured',
      providerCode,
      failureCode: 'amount_refused',
    });
  });
});

describe('a token', () => {
  const token = { paymentMethod: 'tok_visa', idempotencyKey: 'pay_1/1/charge' };
  const setFault = (fault: object) => control('faults', { on: 'method', ...fault });

  it.each(['act_then_reset', 'act_then_500', 'act_then_html', 'reset_before'])(
    'whose PaymentMethod is lost (%s) is proven unsent, and is sent again',
    async (kind) => {
      await setFault({ kind, stored: false });
      let dispatches = 0;
      const dispatch = () => {
        dispatches += 1;
        return Promise.resolve();
      };
      const request = makeRequest(STRIPE.pays, receiver.url, token);
      const send = () => client.charge(request, makeContext({ dispatch }));
      await expect(send()).rejects.toMatchObject({ kind: 'unsent' });
      expect([dispatches, (await readLedger()).intents]).toEqual([0, []]);
      for (const sent of [1, 2]) {
        expect(await send()).toMatchObject({ kind: 'succeeded' });
        expect([dispatches, (await readLedger()).intents.length]).toEqual([sent, 1]);
      }
    },
  );

  it('takes over how long it is asked to slow down', async () => {
    await setFault({ kind: '429', retry_after_s: 7 });
    const slow = { kind: 'rate_limited', retryAfterMs: 7_000 };
    await expect(charge(token)).rejects.toMatchObject(slow);
    expect((await readLedger()).intents).toEqual([]);
  });
});

it.each([
  ['needs_response', { kind: 'failed', failure: { code: 'disputed' } }],
  ['lost', { kind: 'failed', failure: { code: 'disputed' } }],
  ['won', { kind: 'succeeded' }],
  ['warning_needs_response', { kind: 'succeeded' }],
])('a refund of a payment whose dispute is %s ends as %j', async (status, expected) => {
  const { providerPaymentId } = await charge();
  await control('disputes', { payment_intent: providerPaymentId, status });
  expect(await refund(providerPaymentId, 1_000)).toMatchObject(expected);
  const { refunds } = await readLedger();
  expect(refunds).toHaveLength(expected.kind === 'succeeded' ? 1 : 0);
});

it('a refund of ours is found on a later page of Stripe’s list', async () => {
  const { providerPaymentId } = await charge();
  expect(await refund(providerPaymentId, 50)).toMatchObject({ kind: 'succeeded' });
  const payment_intent = String(providerPaymentId);
  for (let made = 0; made < 100; made += 1) await sdk.refunds.create({ payment_intent, amount: 1 });
  const question = { workflowId: 'refund-1', providerRefundId: null, callbackUrls: {} };
  const asked = { ...question, providerPaymentId, timeoutMs: CALL_TIMEOUT_MS };
  const found = await client.lookupRefund?.(asked, new AbortController().signal);
  expect(found).toMatchObject({ kind: 'succeeded', amountMinor: 50 });
});
