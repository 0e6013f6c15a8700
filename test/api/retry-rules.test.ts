import { recordRefund } from '../../db/record-refund.ts';
import { failure } from '../../domain/error.ts';
import type { Outcome } from '../../domain/outcome.ts';
import type { Payment } from '../../domain/payment.ts';
import type { ProviderPolicy } from '../../domain/policy.ts';
import { refundFailure } from '../../domain/refund.ts';
import { makeOutcome, makeRecord, POLICY, recordEvent, storePaymentIn } from '../factories.ts';
import { openOperator } from './operators.ts';
import { openTestApi, type TestApi } from './server.ts';

/** What a merchant is told to do about a failure. */
let api: TestApi;
beforeAll(async () => {
  api = await openTestApi();
});
afterAll(() => api.close());

const CONFIG = {
  environment: 'simulator',
  credentials: {
    base_url: 'http://127.0.0.1:8092',
    api_key: 'cpay_test_ofThisMerchant',
    webhook_secrets: 'cpay-secret-of-this-merchant',
  },
};
const BUSY = { failure: failure('payer_busy', '1001'), providerCode: '1001' };

/** A payment that failed with this outcome, as the API shows it. */
async function failWith(outcome: Partial<Outcome>, policy: ProviderPolicy = POLICY) {
  const payment = await storePaymentIn(api.pool, 'processing', { policy });
  await recordEvent(api.pool, payment, 'declined', { outcome: makeOutcome('declined', outcome) });
  return payment;
}
const show = async ({ id }: Payment) => (await api.send('GET', `/api/v1/payments/${id}`)).body;

test('a decline that the provider calls final is worth no other try', async () => {
  const refused = { failure: failure('card_refused', 'generic_decline') };
  const open = await failWith(refused);
  const final = await failWith({ ...refused, isFinal: true });
  expect(await show(open)).toMatchObject({ failure: { retry: 'payer' } });
  expect(await show(final)).toMatchObject({ failure: { retry: 'never' } });
});

test('nobody is told to pay again while nobody knows whether money moved', async () => {
  const payment = await failWith(BUSY);
  await recordEvent(api.pool, payment, 'succeeded', {
    outcome: makeOutcome('succeeded'),
    reviewReason: 'late_success',
  });
  expect(await show(payment)).toMatchObject({
    status: 'needs_review',
    failure: { code: 'payer_busy', retry: 'never' },
  });
});

test('the policy says who can act, and from when; a rule by the provider’s code wins', async () => {
  const by_code = { payer_busy: { who: 'later', after_ms: 60_000 } } as const;
  const by_provider_code = { '1001': { who: 'merchant' } } as const;
  const shown = [];
  for (const retry of [{}, { by_code }, { by_code, by_provider_code }]) {
    shown.push(await show(await failWith(BUSY, { ...POLICY, retry })));
  }
  const minuteAfter = (time: unknown) => new Date(Date.parse(String(time)) + 60_000).toISOString();
  expect(shown).toMatchObject([
    { failure: { retry: 'later', retry_at: null } },
    { failure: { retry: 'later', retry_at: minuteAfter(shown[1]?.completed_at) } },
    { failure: { retry: 'merchant', retry_at: null } },
  ]);
});

test('a merchant’s own rules go with its payments, and last as long as they', async () => {
  const over = (retry: object) => ({ ...CONFIG, policy_override: { retry } });
  const configure = (body: object) => api.send('PUT', '/api/v1/provider-configs/cpay', { body });
  const pay = (key: string, send = api.send) =>
    send('POST', '/api/v1/payments', {
      body: { provider: 'cpay', amount: 10_000, currency: 'KES' },
      headers: { 'idempotency-key': key },
    });
  const other = await api.openMerchant();
  const rule = { who: 'merchant', after_ms: 1_000, auto: true } as const;
  expect((await configure(over({ by_code: { declined: rule } }))).status).toBe(200);
  const [own, theirs] = [await pay('own'), await pay('theirs', other.send)];
  expect((await configure(over({ by_code: { declined: { who: 'payer' } } }))).status).toBe(200);
  const rulesOf = async ({ body }: typeof own, send = api.send) =>
    (await send('GET', `/api/v1/payments/${body.id}/execution`)).body;
  expect(await rulesOf(own)).toMatchObject({
    policy: { retry: { by_code: { declined: rule, wrong_pin: { who: 'payer' } } } },
  });
  expect(await rulesOf(theirs, other.send)).toMatchObject({
    policy: {
      retry: {
        by_code: { declined: { who: 'nobody' } },
        by_provider_code: { try_again_later: { who: 'later', after_ms: 5_000 } },
      },
    },
  });
});

test.each([
  [{ by_code: { insuficient_funds: { who: 'payer' } } }, '/by_code/insuficient_funds'],
  [{ by_code: { declined: { who: 'bank' } } }, '/by_code/declined/who'],
  [
    { by_provider_code: { declined: { who: 'payer', auto: true } } },
    '/by_provider_code/declined/after_ms',
  ],
])('a merchant’s rule that says %j is refused', async (retry, at) => {
  const body = { ...CONFIG, policy_override: { retry } };
  expect(await api.send('PUT', '/api/v1/provider-configs/cpay', { body })).toMatchObject({
    status: 400,
    body: { errors: [{ pointer: `/policy_override/retry${at}` }] },
  });
});

test('operators see the rule of every code', async () => {
  const { send } = await openOperator(api, 'viewer');
  expect((await send('GET', '/api/v1/admin/policies')).body).toMatchObject({
    providers: {
      mpesa: {
        retry: { by_code: { payer_busy: { who: 'later' }, card_blocked: { who: 'nobody' } } },
      },
      stripe: { retry: { by_provider_code: { pin_try_exceeded: { who: 'payer' } } } },
    },
  });
});

test('a refund is told the same way: by whom, and by nobody while it is in review', async () => {
  const payment = await storePaymentIn(api.pool, 'succeeded');
  const path = `/api/v1/payments/${payment.id}/refunds`;
  const { id } = (await api.send('POST', path, { body: { amount: 100 } })).body;
  const outcome = {
    kind: 'failed',
    providerRefundId: 're_1',
    receipt: null,
    amountMinor: 100,
    failure: refundFailure('insufficient_balance', '1'),
    providerCode: '1',
  } as const;
  const tell = (event: 'failed' | 'succeeded') =>
    recordRefund(api.pool, {
      ...makeRecord(payment),
      refundId: id,
      action: 'refund.succeeded',
      event,
      outcome: event === 'failed' ? outcome : null,
      providerRefundId: 're_1',
      reviewReason: event === 'failed' ? null : 'late_success',
    });
  const seen = async () => (await api.send('GET', `/api/v1/refunds/${id}`)).body;
  await tell('failed');
  expect(await seen()).toMatchObject({ status: 'failed', failure: { retry: 'merchant' } });
  await tell('succeeded');
  expect(await seen()).toMatchObject({ status: 'needs_review', failure: { retry: 'never' } });
});
