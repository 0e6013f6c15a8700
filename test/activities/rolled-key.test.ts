import { randomBytes } from 'node:crypto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createCaptureAndCancel } from '../../activities/capture-cancel.ts';
import { createLookup } from '../../activities/lookup.ts';
import { newId } from '../../db/ids.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { openCredentials, referTo, saveProviderConfig } from '../../db/provider-configs.ts';
import { attemptReference, paymentWorkflowId } from '../../domain/id.ts';
import type { ProviderClient } from '../../domain/provider.ts';
import { cpay } from '../../providers/cpay/index.ts';
import { SANDBOX, startSimulator } from '../../providers/cpay/simulator.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { MERCHANT, VAULT } from '../factories.ts';

/** A key that leaked is revoked: what is open with it goes on with the account's newest one. */
const opened = new AsyncDisposableStack();
let database: TestDatabase;
let simulator: Awaited<ReturnType<typeof startSimulator>>;
beforeAll(async () => {
  database = await openTestDatabase();
  opened.defer(() => database.close());
  await ensureMerchant(database.pool, MERCHANT);
  simulator = await startSimulator({ port: 0, apiKey: 'cpay_the_new_key' });
  opened.defer(() => simulator.close());
});
afterAll(() => opened.disposeAsync());

const clients = new Map<string, ProviderClient>();
async function clientFor(_provider: string, credentialsRef: string): Promise<ProviderClient> {
  const known = clients.get(credentialsRef);
  if (known !== undefined) return known;
  const record = await openCredentials(database.pool, VAULT, credentialsRef);
  const reading = cpay.readCredentials(record ?? {});
  if (!reading.ok) throw new Error(reading.faults.join());
  const client = cpay.connect(reading.credentials);
  opened.defer(() => client.close());
  clients.set(credentialsRef, client);
  return client;
}

async function save(apiKey: string, account = 'the account'): Promise<string> {
  const { webhook_secrets } = SANDBOX.credentials;
  const config = await saveProviderConfig(database.pool, VAULT, {
    merchantId: MERCHANT.id,
    provider: 'cpay',
    environment: 'simulator',
    active: true,
    policyOverride: {},
    credentials: { base_url: simulator.url, api_key: apiKey, webhook_secrets },
    shown: {},
    account,
  });
  return referTo(config);
}

/** A hold that was made while the old key was good. */
async function openHold() {
  const paymentId = newId('payment');
  const workflowId = paymentWorkflowId(randomBytes(16).toString('hex'));
  const newest = await clientFor('cpay', await save('cpay_the_new_key'));
  const request = {
    paymentId,
    attemptRef: attemptReference(workflowId, 1),
    workflowId,
    idempotencyKey: `${workflowId}/1/charge`,
    amount: { amountMinor: 10_000, currency: 'KES' },
    captureMethod: 'manual',
    returnUrl: null,
    reference: 'order',
    description: '',
    customer: { phone: null, email: null, name: null },
    paymentMethod: null,
    callbackUrl: 'http://127.0.0.1:1/callback',
    timeoutMs: 5_000,
  } as const;
  const dispatch = () => Promise.resolve();
  const context = { dispatch, signal: new AbortController().signal };
  const { providerPaymentId } = await newest.charge(request, context);
  const attempt = { workflowId, attemptOrdinal: 1 };
  return { paymentId, ...attempt, providerPaymentId: providerPaymentId ?? '' };
}

async function run(
  step: 'capture' | 'cancel' | 'lookup' | 'lookupRefund',
  credentialsRef: string,
  earlierHold?: Awaited<ReturnType<typeof openHold>>,
): Promise<unknown> {
  const hold = earlierHold ?? (await openHold());
  const deps = { pool: database.pool, clientFor, refundCallbackUrls: () => ({}) };
  const activities = { ...createCaptureAndCancel(deps), ...createLookup(deps) };
  const asked = { provider: 'cpay', credentialsRef, timeoutMs: 5_000, pollIntervalMs: [60_000] };
  const money = { ...hold, amountMinor: 10_000, currency: 'KES', ...asked } as const;
  const refund = { refundId: newId('refund'), workflowId: 'refund-1', providerRefundId: null };
  const calls = {
    capture: () => activities.capture(money),
    cancel: () => activities.cancel(money),
    lookup: () => activities.lookup({ ...hold, ...asked }),
    lookupRefund: () => activities.lookupRefund({ ...hold, ...asked, ...refund }),
  };
  const quiet = { logger: new DefaultLogger('ERROR') };
  return await new MockActivityEnvironment({}, quiet)
    .run(calls[step])
    .catch((error: unknown) => error);
}

// table
test.each([
  ['capture', { kind: 'succeeded' }],
  ['cancel', { kind: 'canceled' }],
  ['lookup', { kind: 'authorized' }],
  // It knows of none: an answer, and no refusal of the key.
  ['lookupRefund', { type: 'not_yet', message: expect.stringContaining('knows no refund') }],
] as const)('%s goes by the newest key when the old one is refused', async (step, expected) => {
  const revoked = await save('cpay_the_old_key');
  expect(await run(step, revoked)).toMatchObject(expected);
});

test('another account’s key is never tried', async () => {
  const revoked = await save('cpay_the_old_key', 'another account');
  expect(await run('capture', revoked)).toMatchObject({ type: 'misconfigured' });
});

test('without a newer one it stays refused', async () => {
  // The hold comes first: what is saved last is the newest.
  const hold = await openHold();
  const revoked = await save('cpay_the_old_key');
  expect(await run('capture', revoked, hold)).toMatchObject({ type: 'misconfigured' });
});
