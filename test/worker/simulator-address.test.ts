import { randomBytes } from 'node:crypto';
import { NativeConnection } from '@temporalio/worker';
import { readEnv } from '../../config/env.ts';
import { createLog } from '../../config/log.ts';
import { newId } from '../../db/ids.ts';
import { ensureMerchant } from '../../db/merchants.ts';
import { referTo, saveProviderConfig } from '../../db/provider-configs.ts';
import { createVault } from '../../db/vault.ts';
import { attemptReference, paymentWorkflowId } from '../../domain/id.ts';
import { SANDBOX, startSimulator } from '../../providers/cpay/simulator.ts';
import { openDeps } from '../../worker/deps.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { MERCHANT } from '../factories.ts';
import { temporalAddress } from '../temporal.ts';

/** An account at a simulator is charged where that simulator runs, and never at the provider. */
const key = randomBytes(32);
const opened = new AsyncDisposableStack();
let database: TestDatabase;
let connection: NativeConnection;
beforeAll(async () => {
  database = await openTestDatabase();
  opened.defer(() => database.close());
  await ensureMerchant(database.pool, MERCHANT);
  connection = await NativeConnection.connect({ address: temporalAddress() });
  opened.defer(() => connection.close());
});
afterAll(() => opened.disposeAsync());

/** The worker as it starts, with or without a simulator of CPay beside it. */
function startWorker(address: string | null) {
  const env = readEnv(['stripe', 'cpay'], {
    DATABASE_URL: database.appUrl,
    MALIPO_PUBLIC_URL: 'http://127.0.0.1:1',
    MALIPO_DATA_KEYS: `k1:${key.toString('base64')}`,
    MALIPO_HASH_KEY: key.toString('base64'),
    MALIPO_ENVIRONMENT: 'sandbox',
    MALIPO_ALLOW_LOOPBACK: 'true',
    MALIPO_CPAY_BASE_URL: address ?? undefined,
  });
  return openDeps(env, connection, 'default', createLog('worker', 'silent'));
}

async function saveAccount(provider: string, credentials: Readonly<Record<string, string>>) {
  const config = await saveProviderConfig(database.pool, createVault([{ id: 'k1', key }], key), {
    merchantId: MERCHANT.id,
    provider,
    environment: 'simulator',
    active: true,
    policyOverride: {},
    credentials,
    shown: {},
    account: 'simulator',
  });
  return referTo(config);
}

function makeCharge() {
  const workflowId = paymentWorkflowId(randomBytes(16).toString('hex'));
  return {
    paymentId: newId('payment'),
    attemptRef: attemptReference(workflowId, 1),
    workflowId,
    idempotencyKey: `${workflowId}/1/charge`,
    amount: { amountMinor: 10_000, currency: 'KES' },
    captureMethod: 'automatic',
    returnUrl: null,
    reference: 'order',
    description: '',
    customer: { phone: null, email: null, name: null },
    paymentMethod: null,
    callbackUrl: 'http://127.0.0.1:1/callback',
    timeoutMs: 5_000,
  } as const;
}

test('after a start on other ports, the charge goes to the simulator that runs now', async () => {
  const reference = await saveAccount('cpay', SANDBOX.credentials);
  for (const _start of ['first', 'second']) {
    await using stack = new AsyncDisposableStack();
    const simulator = await startSimulator({ port: 0 });
    stack.defer(() => simulator.close());
    const deps = startWorker(simulator.url);
    stack.defer(() => deps.close());
    const client = await deps.clientFor('cpay', reference);
    const context = { dispatch: () => Promise.resolve(), signal: new AbortController().signal };
    await client.charge(makeCharge(), context);
    const ledger = await fetch(`${simulator.url}/simulator/ledger`);
    expect(await ledger.json()).toMatchObject({ charges: [{ amount: 10_000 }] });
  }
});

test.each([
  ['stripe', { secret_key: 'sk_test_ofOneMerchantAlone', webhook_secrets: 'whsec_ofTodayOnly' }],
  ['cpay', SANDBOX.credentials],
])('%s without a simulator is no provider’s account: it is not called', async (name, given) => {
  const reference = await saveAccount(name, given);
  const deps = startWorker(null);
  const connecting = deps.clientFor(name, reference);
  await expect(connecting).rejects.toMatchObject({ kind: 'misconfigured' });
  await expect(connecting).rejects.toThrow(`simulator of ${name}, and none runs here`);
  await deps.close();
});
