import Stripe from 'stripe';
import type { WebhookDelivery } from '../../domain/provider.ts';
import { stripe } from '../../providers/stripe/index.ts';
import { API_VERSION } from '../../providers/stripe/sdk.ts';

const SECRET = 'whsec_of_this_test_only';
const sdk = new Stripe('sk_test_ofThisTestOnly');
const reading = stripe.readCredentials({
  secret_key: 'sk_test_ofThisTestOnly',
  webhook_secrets: `whsec_the_next_one,${SECRET}`,
});
const NOW_S = 1_790_000_000;

/** Signed by Stripe's own helper. */
function deliver(body: object, changes: { secret?: string; timestamp?: number } = {}) {
  const payload = JSON.stringify(body);
  const signature = sdk.webhooks.generateTestHeaderString({
    payload,
    secret: changes.secret ?? SECRET,
    timestamp: changes.timestamp ?? NOW_S,
  });
  const headers = { 'stripe-signature': signature };
  return { body: Buffer.from(payload), headers, nowMs: NOW_S * 1000 } satisfies WebhookDelivery;
}
function verify(delivery: WebhookDelivery): string | null {
  if (!reading.ok || stripe.webhook.verify === undefined) throw new Error('no credentials');
  return stripe.webhook.verify(delivery, reading.credentials);
}

test('the API version that we pin is the one that the SDK is made for', () => {
  expect(sdk.getApiField('version')).toBe(API_VERSION);
});

test('what Stripe’s own helper signs is believed, by any of our secrets', () => {
  expect(verify(deliver({ id: 'evt_1' }))).toBeNull();
  expect(verify(deliver({ id: 'evt_1' }, { secret: 'whsec_the_next_one' }))).toBeNull();
});

test.each([
  ['another secret', deliver({}, { secret: 'whsec_of_somebody_else' }), /webhook_secrets/],
  ['long ago', deliver({}, { timestamp: NOW_S - 301 }), /five minutes/],
  ['in the future', deliver({}, { timestamp: NOW_S + 301 }), /five minutes/],
  ['no header', { ...deliver({}), headers: {} }, /Stripe-Signature/],
  ['half a header', { ...deliver({}), headers: { 'stripe-signature': 'v1=00' } }, /malformed/],
])('%s is refused, and the reason says how to mend it', (_what, delivery, reason) => {
  expect(verify(delivery)).toMatch(reason);
});

const event = (type: string, object: object) => ({
  id: 'evt_1',
  object: 'event',
  type,
  data: { object },
});
const translate = (body: object) => stripe.webhook.translate(Buffer.from(JSON.stringify(body)));
const dispute = {
  id: 'dp_1',
  object: 'dispute',
  amount: 5_000,
  currency: 'usd',
  reason: 'fraudulent',
  payment_intent: 'pi_1',
};

test.each([
  ['needs_response', 'open'],
  ['under_review', 'open'],
  ['won', 'won'],
  ['warning_closed', 'won'],
  ['lost', 'lost'],
])('a dispute that is %s is %s', (status, expected) => {
  expect(translate(event('charge.dispute.closed', { ...dispute, status }))).toMatchObject({
    kind: 'dispute',
    dispute: {
      providerPaymentId: 'pi_1',
      status: expected,
      amountMinor: 5_000,
      currency: 'USD',
    },
  });
});

test.each([
  ['do_not_try_again', 'insufficient_funds', true],
  ['do_not_try_again', 'try_again_later', true],
  ['try_again_later', 'lost_card', undefined],
  ['confirm_card_data', 'incorrect_cvc', undefined],
  [null, 'try_again_later', undefined],
])('a decline with the advice %s (%s) is final: %s', (advice_code, decline_code, isFinal) => {
  const told = translate(
    event('payment_intent.payment_failed', {
      id: 'pi_1',
      object: 'payment_intent',
      status: 'requires_payment_method',
      amount: 5_000,
      currency: 'usd',
      last_payment_error: { code: 'card_declined', decline_code, advice_code },
      metadata: { malipo_workflow: `payment-${'0'.repeat(32)}` },
    }),
  );
  if (told.kind !== 'event' || told.event.kind !== 'declined') throw new Error('it is no decline');
  expect(told.event.isFinal).toBe(isFinal);
});

const refund = {
  id: 're_1',
  object: 'refund',
  amount: 5_000,
  currency: 'usd',
  payment_intent: 'pi_1',
  metadata: { malipo_workflow: `refund-${'0'.repeat(32)}` },
};

test.each([
  ['succeeded', null, 'succeeded', undefined],
  ['pending', null, 'pending', undefined],
  ['requires_action', null, 'pending', undefined],
  ['failed', 'lost_or_stolen_card', 'failed', 'not_reachable'],
  ['failed', 'insufficient_funds', 'failed', 'insufficient_balance'],
  ['failed', 'something_new', 'failed', 'declined'],
  ['canceled', null, 'failed', 'declined'],
])('a refund that is %s (%s) is %s', (status, failure_reason, kind, code) => {
  const told = translate(event('refund.updated', { ...refund, status, failure_reason }));
  expect(told).toMatchObject({ kind: 'refund_event', event: { kind, providerRefundId: 're_1' } });
  const failure = told.kind === 'refund_event' && 'failure' in told.event && told.event.failure;
  expect(failure ? failure.code : undefined).toBe(code);
});

test.each([
  ['an event of no concern', event('customer.created', { id: 'cus_1' })],
  [
    'a refund that is not ours',
    event('refund.updated', { ...refund, status: 'failed', metadata: {} }),
  ],
  [
    'a dispute of an old charge',
    event('charge.dispute.created', { ...dispute, status: 'lost', payment_intent: null }),
  ],
])('%s is kept, and nothing is done', (_what, body) => {
  expect(translate(body).kind).toBe('ignored');
});
