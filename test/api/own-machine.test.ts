import { randomBytes } from 'node:crypto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { NativeConnection } from '@temporalio/worker';
import { createDeliver } from '../../activities/deliver.ts';
import { readEnv } from '../../config/env.ts';
import { insertTestDelivery } from '../../db/deliveries.ts';
import { saveProviderConfig } from '../../db/provider-configs.ts';
import { createVault } from '../../db/vault.ts';
import { PROVIDER_NAMES } from '../../providers/index.ts';
import { openDeps, type WorkerDeps } from '../../worker/deps.ts';
import { MERCHANT, storeEndpoint, VAULT } from '../factories.ts';
import { keepLog } from '../kept-log.ts';
import { openReceiver, type Receiver } from '../receiver.ts';
import { temporalAddress } from '../temporal.ts';
import { openTestApi, type TestApi } from './server.ts';

/** Test money on a server: its merchants are not the ones whose machine this is. */
let api: TestApi;
beforeAll(async () => {
  api = await openTestApi({ adapt: (deps) => ({ ...deps, allowsLoopback: false }) });
});
afterAll(() => api.close());

const PATH = '/api/v1/webhook-endpoints';
const LOCAL = [
  'http://127.0.0.1:9464/metrics',
  'http://localhost:8233',
  'http://[::1]:80',
  'http://0x7f.1/',
];

test.each(LOCAL)('a webhook to %s is refused, and none is led there later', async (url) => {
  const refused = { status: 400, body: { errors: [{ pointer: '/url' }] } };
  expect(await api.send('POST', PATH, { body: { url } })).toMatchObject(refused);
  const { body } = await api.send('POST', PATH, { body: { url: 'https://shop.example.test' } });
  const moved = await api.send('PATCH', `${PATH}/${body.id}`, { body: { url } });
  expect(moved).toMatchObject(refused);
});

test('so is a simulator', async () => {
  const answer = await api.send('PUT', '/api/v1/provider-configs/cpay', {
    body: {
      environment: 'simulator',
      credentials: {
        base_url: 'http://127.0.0.1:8092',
        api_key: 'cpay_test_12345678',
        webhook_secrets: 'x'.repeat(16),
      },
    },
  });
  expect(answer).toMatchObject({ status: 400, body: { errors: [{ pointer: '/environment' }] } });
});

describe('what was stored when this machine was the merchant’s', () => {
  const keys = { data: randomBytes(32), hash: randomBytes(32) };
  let connection: NativeConnection;
  let receiver: Receiver | null = null;
  afterEach(async () => {
    await receiver?.close();
    receiver = null;
  });
  beforeAll(async () => {
    connection = await NativeConnection.connect({ address: temporalAddress() });
  });
  afterAll(() => connection.close());

  /** The worker's parts, by its environment. */
  async function withDeps(allow: string, work: (deps: WorkerDeps) => Promise<void>) {
    const env = readEnv(PROVIDER_NAMES, {
      DATABASE_URL: api.database.appUrl,
      MALIPO_ENVIRONMENT: 'sandbox',
      MALIPO_ALLOW_LOOPBACK: allow,
      MALIPO_PUBLIC_URL: 'https://pay.example.test',
      MALIPO_DATA_KEYS: `k1:${keys.data.toString('base64')}`,
      MALIPO_HASH_KEY: keys.hash.toString('base64'),
    });
    const deps = openDeps(env, connection, 'default', keepLog('warn').log);
    try {
      await work(deps);
    } finally {
      await deps.close();
    }
  }

  test.each(['', 'true'])('with MALIPO_ALLOW_LOOPBACK=%s: a webhook', async (allow) => {
    receiver = await openReceiver();
    const { endpoint } = await storeEndpoint(api.pool, { url: receiver.url });
    const deliveryId = await insertTestDelivery(api.pool, {
      id: endpoint.id,
      merchantId: MERCHANT.id,
    });
    const policy = { timeout_ms: 20_000, schedule_ms: [1_000], disable_after_ms: 3_600_000 };
    await withDeps(allow, async ({ pool, allowsLoopback }) => {
      const limits = { posts_max: 1, posts_per_endpoint_max: 1 };
      const activities = createDeliver({ pool, vault: VAULT, allowsLoopback }, limits);
      const environment = new MockActivityEnvironment();
      const send = () => activities.deliver({ deliveryId, policy });
      await environment.run(send).catch(() => undefined);
    });
    const { body } = await api.send('GET', `/api/v1/deliveries/${deliveryId}`);
    const isTaken = allow === 'true';
    expect(receiver.received).toHaveLength(isTaken ? 1 : 0);
    expect(body.attempts).toMatchObject([isTaken ? { status_code: 200 } : { response: null }]);
  });

  test.each(['', 'true'])('with MALIPO_ALLOW_LOOPBACK=%s: a simulator', async (allow) => {
    const vault = createVault([{ id: 'k1', key: keys.data }], keys.hash);
    const config = await saveProviderConfig(api.pool, vault, {
      merchantId: MERCHANT.id,
      provider: 'cpay',
      environment: 'simulator',
      active: true,
      policyOverride: {},
      credentials: {
        base_url: 'http://127.0.0.1:8092',
        api_key: 'cpay_test_12345678',
        webhook_secrets: 'x'.repeat(16),
      },
      shown: {},
      account: 'simulator',
    });
    await withDeps(allow, async (deps) => {
      const connecting = deps.clientFor('cpay', `config:${config.id}@${config.version}`);
      if (allow === 'true') await connecting;
      else await expect(connecting).rejects.toThrow('is a simulator’s, on this machine');
    });
  });
});
