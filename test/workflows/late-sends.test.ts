import { cancelUnsent } from '../../db/cancel-unsent.ts';
import { findPayment } from '../../db/payments.ts';
import { referTo, saveProviderConfig, setProviderConfigActive } from '../../db/provider-configs.ts';
import { attemptReference } from '../../domain/id.ts';
import { paymentInput } from '../../domain/inputs.ts';
import type { Payment } from '../../domain/payment.ts';
import { capabilitiesOf } from '../../providers/index.ts';
import { paymentStart } from '../../temporal/start.ts';
import { controlSignal } from '../../workflows/messages.ts';
import {
  MERCHANT,
  POLICY,
  reread,
  storePayment,
  storePaymentIn,
  storeRefund,
  VAULT,
} from '../factories.ts';
import { openSweepHarness, type SweepHarness } from './sweep-harness.ts';

/** What was stored long ago, or was stopped since, and whose workflow comes only now. */
let harness: SweepHarness;
beforeAll(async () => {
  harness = await openSweepHarness();
});
beforeEach(() => harness.reset());
afterAll(() => harness.close());

const OF_STRIPE = { provider: 'stripe', credentialsRef: 'env:stripe' };
const start = (payment: Payment) =>
  harness.temporal.workflow.start('payment', paymentStart(paymentInput(payment, capabilitiesOf)));
const touched = ({ workflowId, attemptOrdinal }: Payment) => {
  const asked = attemptReference(workflowId, attemptOrdinal);
  return [...harness.provider.sent, ...harness.provider.asked].filter(
    (it) => it === workflowId || it === asked,
  );
};
const untilAction = (payment: Payment, action: string) =>
  harness.until(async () => (await harness.actionsOf(payment)).includes(action), action);

/** As after so long in which nobody took it up. */
async function age(id: string, by: string): Promise<void> {
  const shift = (table: string, columns: readonly string[], key: string) =>
    harness.own(
      `UPDATE ${table} SET ${columns.map((it) => `${it} = ${it} - $2::interval`).join()}
       WHERE ${key} = $1`,
      [id, by],
    );
  await shift('payments', ['created_at', 'updated_at'], 'id');
  await shift('attempts', ['due_at'], 'payment_id');
  await shift('refunds', ['created_at', 'updated_at'], 'id');
}

it('a payment of eight hours ago fails, and is neither sent nor asked about', async () => {
  const payment = await storePayment(harness.pool, OF_STRIPE);
  await age(payment.id, '8 hours');
  await harness.sweep();
  await harness.until(
    async () => (await reread(harness.pool, payment)).status !== 'created',
    'it has ended',
  );
  const { status, failureCode, failureMessage } = await reread(harness.pool, payment);
  expect([status, failureCode]).toEqual(['failed', 'provider_unavailable']);
  expect(failureMessage).toContain('too late for it now. Nothing was sent.');
  expect(touched(payment)).toEqual([]);
  expect(await harness.actionsOf(payment)).toEqual(['payment.created', 'payment.failed']);
});

it('no rule of retries makes another attempt of it', async () => {
  const rule = { who: 'later', after_ms: 1_000, auto: true } as const;
  const again = { ...POLICY, retry: { by_code: { provider_unavailable: rule } } };
  const reattempt = { max_attempts: 3, fallback: [] };
  const changes = { ...OF_STRIPE, policy: { ...again, reattempt } };
  const payment = await storePayment(harness.pool, changes);
  await age(payment.id, '8 hours');
  await (await start(payment)).result();
  expect(await harness.actionsOf(payment)).toEqual(['payment.created', 'payment.failed']);
});

it('a refund of eight hours ago fails, and its money is free again', async () => {
  const payment = await storePaymentIn(harness.pool, 'succeeded', OF_STRIPE);
  const { id, workflowId } = await storeRefund(harness.pool, payment);
  await age(id, '8 hours');
  await harness.sweep();
  const row = async () => (await harness.own('SELECT * FROM refunds WHERE id = $1', [id]))[0];
  await harness.until(async () => (await row())?.status !== 'pending', 'it has ended');
  const { status, failure_message } = (await row()) ?? {};
  expect([status, harness.provider.sent]).toEqual([
    'failed',
    expect.not.arrayContaining([workflowId]),
  ]);
  expect(failure_message).toContain('its money is free again');
  expect(await findPayment(harness.pool, MERCHANT.id, payment.id)).toMatchObject({
    amountReservedMinor: 0,
    amountRefundedMinor: 0,
  });
});

it('what an operator paused for days is not sent when it goes on', async () => {
  const payment = await storePayment(harness.pool, OF_STRIPE);
  let claim = () => {};
  const paused = new Promise<void>((resolve) => {
    claim = resolve;
  });
  let sends = 0;
  harness.provider.beforeSend = async () => {
    sends += 1;
    if (sends === 1) throw new Error('the token could not be had');
    await paused;
  };
  const handle = await start(payment);
  await harness.until(() => sends === 2, 'the second send is made ready');
  const ask = (action: 'pause' | 'resume') =>
    handle.signal(controlSignal, { action, by: 'opr_1', reason: 'a test' });
  await ask('pause');
  await ask('resume');
  await age(payment.id, '3 days');
  claim();
  expect(await handle.result()).toEqual({ status: 'failed' });
  expect(touched(payment)).toEqual([]);
});

describe('a payment that was canceled by its row alone ends as canceled, with no review:', () => {
  const CANCELED = ['payment.created', 'payment.canceled'];

  it('before its workflow started', async () => {
    const payment = await storePayment(harness.pool, OF_STRIPE);
    await cancelUnsent(harness.pool, payment);
    harness.provider.beforeSend = () => Promise.reject(new Error('nobody is to be asked'));
    expect(await (await start(payment)).result()).toEqual({ status: 'canceled' });
    expect([await harness.actionsOf(payment), touched(payment)]).toEqual([CANCELED, []]);
  });

  it('while its send was being made ready', async () => {
    const payment = await storePayment(harness.pool, OF_STRIPE);
    let begin = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    harness.provider.beforeSend = async () => {
      expect(await cancelUnsent(harness.pool, payment)).toBe(true);
      begin();
    };
    const handle = await start(payment);
    await begun;
    expect(await handle.result()).toEqual({ status: 'canceled' });
    expect([await harness.actionsOf(payment), touched(payment)]).toEqual([CANCELED, []]);
  });
});

it('a payment whose configuration was switched off since is not sent, and says so', async () => {
  const config = await saveProviderConfig(harness.pool, VAULT, {
    merchantId: MERCHANT.id,
    provider: 'stripe',
    environment: 'simulator',
    active: true,
    policyOverride: {},
    credentials: { api_key: 'x' },
    shown: {},
    account: 'acct',
  });
  const changes = { ...OF_STRIPE, credentialsRef: referTo(config) };
  const payment = await storePayment(harness.pool, changes);
  await setProviderConfigActive(harness.pool, MERCHANT.id, 'stripe', false);
  expect(await (await start(payment)).result()).toEqual({ status: 'failed' });
  expect(await reread(harness.pool, payment)).toMatchObject({
    failureCode: 'misconfigured',
    failureMessage: expect.stringContaining('was switched off'),
  });
  expect(touched(payment)).toEqual([]);
  await untilAction(payment, 'payment.failed');
});
