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
/** Canceled, as Stripe tells it, while an authentication was needed and nobody could be asked. */
const givenUp = {
  id: 'pi_1',
  object: 'payment_intent',
  status: 'canceled',
  amount: 5_000,
  currency: 'usd',
  latest_charge: null,
  cancellation_reason: 'abandoned',
  automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
  metadata: { malipo_workflow: `payment-${'0'.repeat(32)}` },
};
test.each([
  ['by us', {}, 'declined', 'return_url_missing'],
  [
    'by the merchant',
    { cancellation_reason: 'requested_by_customer' },
    'canceled',
    'canceled_by_merchant',
  ],
  [
    'of a payer who is there',
    { automatic_payment_methods: { enabled: true, allow_redirects: 'always' } },
    'canceled',
    'canceled_by_merchant',
  ],
  [
    'of an older version',
    { automatic_payment_methods: undefined },
    'canceled',
    'canceled_by_merchant',
  ],
  ['of a hold', { latest_charge: 'ch_1' }, 'canceled', 'canceled_by_merchant'],
])('a cancellation %s means the same, whoever tells of it first', (_what, changes, kind, code) => {
  const told = translate(event('payment_intent.canceled', { ...givenUp, ...changes }));
  expect(told).toMatchObject({ kind: 'event', event: { kind, failure: { code } } });
});

const dispute = {
  id: 'dp_1',
  object: 'dispute',
  amount: 5_000,
  currency: 'usd',
  reason: 'fraudulent',
  payment_intent: 'pi_1',
};

test.each<[string, string, boolean?]>([
  ['needs_response', 'open'],
  ['under_review', 'open'],
  ['won', 'won'],
  ['warning_needs_response', 'open', true],
  ['warning_closed', 'won', true],
  ['prevented', 'won'],
  ['lost', 'lost'],
])('a dispute that is %s is %s', (status, expected, isInquiry = false) => {
  expect(translate(event('charge.dispute.closed', { ...dispute, status }))).toMatchObject({
    kind: 'dispute',
    dispute: {
      providerPaymentId: 'pi_1',
      isInquiry,
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

const paidIntent = (parts: object) =>
  event('payment_intent.succeeded', {
    id: 'pi_1',
    object: 'payment_intent',
    status: 'succeeded',
    amount: 5_000,
    amount_received: 5_000,
    currency: 'usd',
    metadata: { malipo_workflow: `payment-${'0'.repeat(32)}` },
    ...parts,
  });
const listOf = (...data: readonly object[]) => ({ object: 'list', has_more: false, data });

test.each([
  ['today’s, by its id', { latest_charge: 'ch_1' }, 'ch_1'],
  ['today’s, expanded', { latest_charge: { id: 'ch_1', object: 'charge' } }, 'ch_1'],
  ['of 2022-08-01 and before, a list', { charges: listOf({ id: 'ch_1' }) }, 'ch_1'],
  ['the same, the newest of two', { charges: listOf({ id: 'ch_2' }, { id: 'ch_1' }) }, 'ch_2'],
  ['both', { latest_charge: 'ch_2', charges: listOf({ id: 'ch_1' }) }, 'ch_2'],
  ['an empty list', { latest_charge: null, charges: listOf() }, null],
  ['none yet', { latest_charge: null }, null],
  ['a list of another form', { charges: 'ch_1' }, null],
])('a charge told in the form %s is the receipt', (_what, parts, receipt) => {
  expect(translate(paidIntent(parts))).toMatchObject({
    kind: 'event',
    event: { kind: 'succeeded', receipt, money: { amountMinor: 5_000, currency: 'USD' } },
  });
});

test.each([
  ['requires_source', { kind: 'pending' }],
  ['requires_source_action', { kind: 'pending', providerCode: 'requires_action' }],
])('the status %s of before 2019 is read as today’s', (status, expected) => {
  expect(translate(paidIntent({ status }))).toMatchObject({ kind: 'event', event: expected });
});

test.each([
  ['another than ours', '2020-08-27', '2020-08-27'],
  ['ours', API_VERSION, undefined],
  ['none', null, undefined],
])('the API version of an event, %s, is told where it differs', (_what, api_version, told) => {
  const read = translate({ ...paidIntent({ latest_charge: 'ch_1' }), api_version });
  expect(read.kind === 'malformed' ? null : read.otherVersion).toBe(told);
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

const dashboard = { ...refund, metadata: {}, status: 'succeeded' };

// table
test.each([
  ['refund.created', dashboard, 'succeeded'],
  ['refund.updated', { ...dashboard, metadata: { order: '7' }, status: 'pending' }, 'pending'],
  ['refund.failed', { ...dashboard, status: 'failed' }, 'failed'],
  ['refund.updated', { ...dashboard, status: 'canceled' }, 'failed'],
  ['charge.refund.updated', { ...dashboard, metadata: null }, 'succeeded'],
  ['refund.created', { ...dashboard, metadata: { malipo_workflow: 'of-others' } }, 'succeeded'],
] as const)('%s of a refund that we did not make: %j is %s', (type, object, kind) => {
  expect(translate(event(type, object))).toMatchObject({
    kind: 'provider_refund',
    refund: {
      providerRefundId: 're_1',
      providerPaymentId: 'pi_1',
      amountMinor: 5_000,
      currency: 'USD',
      result: { kind },
    },
  });
});

const refunded = (...data: readonly object[]) =>
  event('charge.refunded', {
    id: 'ch_1',
    object: 'charge',
    payment_intent: 'pi_1',
    amount_refunded: 5_000,
    ...(data.length === 0 ? {} : { refunds: { object: 'list', data } }),
  });
const { payment_intent: _named, ...unnamed } = dashboard;

test.each([
  [
    'in the form of before 2022, the newest',
    refunded(dashboard, { id: 're_0' }),
    'provider_refund',
  ],
  ['the same, named by the charge alone', refunded(unnamed), 'provider_refund'],
  ['the same, of a refund of ours', refunded({ ...refund, status: 'succeeded' }), 'refund_event'],
  ['in today’s form', refunded(), 'ignored'],
])('a charge that was refunded, %s', (_what, body, kind) => {
  expect(translate(body).kind).toBe(kind);
});

test.each([
  ['of nothing', { amount: 0 }],
  ['of less', { amount: -5 }],
  ['of no PaymentIntent', { payment_intent: null }],
])('a refund in the dashboard %s counts for nothing', (_what, changes) => {
  expect(translate(event('refund.created', { ...dashboard, ...changes })).kind).toBe('ignored');
});

test.each([
  ['an event of no concern', event('customer.created', { id: 'cus_1' })],
  [
    'a thin event',
    {
      id: 'evt_test_65R9Ijk8dKEYZcXeRWn16R9A7j',
      object: 'v2.core.event',
      type: 'v1.billing.meter.error_report_triggered',
      related_object: { id: 'mtr_1', type: 'billing.meter', url: '/v1/billing/meters/mtr_1' },
    },
  ],
  [
    'a thin event with data of its own',
    { id: 'evt_2', object: 'v2.core.event', type: 'v2.core.account.updated', data: {} },
  ],
  [
    'a dispute of an old charge',
    event('charge.dispute.created', { ...dispute, status: 'lost', payment_intent: null }),
  ],
])('%s is kept, and nothing is done', (_what, body) => {
  expect(translate(body).kind).toBe('ignored');
});
