import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createProviderActivities } from '../../activities/index.ts';
import { newId } from '../../db/ids.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { refundWorkflowId } from '../../domain/id.ts';
import type { Payment } from '../../domain/payment.ts';
import type { ProviderClient } from '../../domain/provider.ts';
import * as cpaySimulator from '../../providers/cpay/simulator.ts';
import { findProvider } from '../../providers/index.ts';
import * as stripeSimulator from '../../providers/stripe/simulator.ts';
import { pickPort } from '../../sandbox/ports.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { MERCHANT, makeOutcome, recordEvent, storePayment, storeRefund } from '../factories.ts';
import { depsFor } from './deps.ts';

/** The keys by which providers know what we sent outlive the rows: nothing is sent twice. */
let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
  await ensureMerchant(database.pool, MERCHANT);
});
afterAll(() => database.close());

const SIMULATORS = { cpay: cpaySimulator, stripe: stripeSimulator } as const;
type Name = keyof typeof SIMULATORS;

async function openClient(name: Name) {
  const { startSimulator, SANDBOX } = SIMULATORS[name];
  const { port } = await pickPort(0);
  const simulator = await startSimulator({ port });
  const provider = findProvider(name);
  const read = provider?.readCredentials({ ...SANDBOX.credentials, base_url: simulator.url });
  if (read?.ok !== true || provider === null) throw new Error('no client');
  const client = provider.connect(read.credentials);
  const readLedger = async () => {
    const answer = await fetch(`${simulator.url}/simulator/ledger`);
    const { intents, charges, refunds } = Object.assign(
      { intents: [], charges: [], refunds: [] },
      JSON.parse(await answer.text()),
    );
    return { charges: (name === 'stripe' ? intents : charges).length, refunds: refunds.length };
  };
  const close = async () => {
    await client.close();
    await simulator.close();
  };
  return { client, readLedger, close };
}

const activitiesOf = (client: ProviderClient) =>
  createProviderActivities(depsFor(database.pool, client));

/** Each in a run of its own. */
async function run<R>(activity: () => Promise<R>): Promise<R> {
  const quiet = { logger: new DefaultLogger('ERROR') };
  const answer: R = await new MockActivityEnvironment({}, quiet).run(activity);
  return answer;
}

/** The database as it was before anything came. */
const forget = () =>
  database.asRestore(
    ...['outgoing_events', 'audit_entries', 'refunds', 'attempts', 'payments'].map(
      (table) => `DELETE FROM ${table}`,
    ),
  );

/** What the merchant's request makes, however often it is sent: but for its rows' ids the same. */
async function store(name: Name, hash: string, changes = {}): Promise<Payment> {
  return await storePayment(database.pool, {
    provider: name,
    credentialsRef: `env:${name}`,
    idempotencyKey: `order-${hash}`,
    workflowId: `payment-${hash}`,
    paymentMethod: name === 'stripe' ? 'pm_card_visa' : null,
    ...changes,
  });
}

const calledBy = (payment: Payment) => ({
  paymentId: payment.id,
  attemptId: payment.attemptId,
  attemptOrdinal: payment.attemptOrdinal,
  workflowId: payment.workflowId,
  provider: payment.provider,
  credentialsRef: payment.credentialsRef,
  amountMinor: payment.amountMinor,
  currency: payment.currency,
  timeoutMs: 2_000,
});

describe.each(['cpay', 'stripe'] as const)('after a restore, %s', (name) => {
  let provider: Awaited<ReturnType<typeof openClient>>;
  beforeAll(async () => {
    provider = await openClient(name);
  });
  afterAll(() => provider.close());

  it('answers a repeated charge with the first, and finds it by our own reference', async () => {
    const activities = activitiesOf(provider.client);
    const first = await store(name, '1'.repeat(32));
    const charged = await run(() => activities.charge({ ...calledBy(first), send: 1 }));
    await forget();
    const again = await store(name, '1'.repeat(32));
    expect(await run(() => activities.charge({ ...calledBy(again), send: 1 }))).toEqual(charged);
    const question = { ...calledBy(again), providerPaymentId: null, pollIntervalMs: [1] };
    expect(await run(() => activities.lookup(question))).toMatchObject({
      kind: 'succeeded',
      providerPaymentId: charged.providerPaymentId,
    });
    expect((await provider.readLedger()).charges).toBe(1);
  });

  it('answers a repeated capture and a repeated refund with the first', async () => {
    const activities = activitiesOf(provider.client);
    const held = await store(name, '2'.repeat(32), { captureMethod: 'manual' });
    const { providerPaymentId } = await run(() =>
      activities.charge({ ...calledBy(held), send: 1 }),
    );
    if (providerPaymentId === null) throw new Error('it was not charged');
    const results: unknown[] = [];
    for (const times of [1, 2]) {
      await forget();
      const payment = await store(name, '2'.repeat(32), { captureMethod: 'manual' });
      const order = { ...calledBy(payment), providerPaymentId, amountMinor: 4_000 };
      const captured = await run(() => activities.capture(order));
      const refunded = await refund(activities, payment, providerPaymentId);
      results.push([captured, refunded]);
      expect([times, (await provider.readLedger()).refunds]).toEqual([times, 1]);
    }
    expect(results[1]).toEqual(results[0]);
  });
});

async function refund(
  activities: ReturnType<typeof activitiesOf>,
  payment: Payment,
  providerPaymentId: string,
) {
  const { pool } = database;
  await recordEvent(pool, payment, 'dispatched');
  await recordEvent(pool, payment, 'succeeded', { outcome: makeOutcome('succeeded') });
  const refundId = newId('refund');
  const workflowId = refundWorkflowId('3'.repeat(32));
  const keys = { id: refundId, workflowId, idempotencyKey: 'refund' };
  await storeRefund(pool, payment, { ...keys, amountMinor: 1_000 });
  const ids = { ...calledBy(payment), refundId, workflowId, providerPaymentId };
  const send = { ...ids, amountMinor: 1_000, providerReceipt: null, send: 1 };
  const refunded = await run(() => activities.refund(send));
  const question = { ...ids, providerRefundId: null, pollIntervalMs: [1] };
  expect(await run(() => activities.lookupRefund(question))).toMatchObject({ kind: 'succeeded' });
  return refunded;
}
