import { newId } from '../../db/ids.ts';
import { saveProviderConfig } from '../../db/provider-configs.ts';
import { insertWebhookEvent } from '../../db/webhook-events.ts';
import { MERCHANT, makeWebhookEvent, storePaymentIn, VAULT } from '../factories.ts';
import type { TestApi } from './server.ts';

/** The id of one thing of each kind that has an address of its own, by the noun before it. */
export type Seeds = Readonly<Record<string, string>>;

/** One of each, all of {@link MERCHANT}'s. */
export async function storeOneOfEach(api: TestApi): Promise<Seeds> {
  const make = async (path: string, body: object) =>
    (await api.send('POST', `/api/v1/${path}`, { body })).body.id;
  await storeConfigs(api);
  const endpoint = await make('webhook-endpoints', { url: 'https://shop.example.test/malipo' });
  const payment = await storePaymentIn(api.pool, 'succeeded');
  const { event } = await insertWebhookEvent(
    api.pool,
    makeWebhookEvent({ workflowId: payment.workflowId }),
  );
  const first = async (path: string) =>
    (await api.send('GET', `/api/v1/${path}?limit=1`)).body.data[0]?.id ?? '';
  // The list holds events back while a transaction of another test's database is open.
  const [told] = await api.database.queryAsOwner<{ id: string }>(
    'SELECT id FROM outgoing_events WHERE payment_id = $1',
    [payment.id],
  );
  const [operator] = await api.database.queryAsOwner<{ id: string }>(
    `INSERT INTO operators (id, email, name, role, password_hash)
     SELECT 'opr_' || md5(random()::text), random() || '@example.test', 'A', 'viewer', ''
     RETURNING id`,
  );
  return {
    payments: payment.id,
    refunds: await make(`payments/${payment.id}/refunds`, { amount: 100 }),
    'webhook-endpoints': endpoint,
    events: told?.id ?? '',
    deliveries: await first('deliveries'),
    'api-keys': await make('api-keys', { name: 'Web shop', scopes: ['api_keys:write'] }),
    'webhook-events': event.id,
    merchants: MERCHANT.id,
    operators: operator?.id ?? '',
    batches: beginBatch(api),
  };
}

/** An account of the merchant's own, and the default. */
async function storeConfigs(api: TestApi): Promise<void> {
  const base_url = 'http://127.0.0.1:1';
  const credentials = {
    base_url,
    api_key: 'cpay_test_ofSeeds',
    webhook_secrets: 'a-secret-of-the-seeds',
  };
  const body = { environment: 'simulator', credentials };
  const { status, text } = await api.send('PUT', '/api/v1/provider-configs/cpay', { body });
  if (status !== 200) throw new Error(text);
  await saveProviderConfig(api.pool, VAULT, {
    merchantId: null,
    provider: 'cpay',
    environment: 'simulator',
    active: true,
    policyOverride: {},
    credentials,
    account: 'simulator',
    shown: {},
  });
}

function beginBatch({ engine }: TestApi): string {
  const id = newId('batch');
  const control = { action: 'look_up', reason: 'the provider is back', by: 'opr_1' } as const;
  engine.batches.push({ id, provider: 'cpay', control });
  return id;
}

/** Parts of a path that are no ids. */
const NAMES: Readonly<Record<string, string>> = {
  provider: 'cpay',
  channel: 'stripe',
  proof: 'none',
  code: 'rate_limited',
  file: 'start.js',
};

/** The path with what varies filled in. @throws Error for a noun without a seed. */
export function fillPath(path: string, seeds: Seeds): string {
  return path.replaceAll(/([\w-]+)\/\{(\w+)\}/g, (_, noun: string, name: string) => {
    const filled = NAMES[name] ?? seeds[noun];
    if (filled === undefined) throw new Error(`test/api/seeds.ts makes no ${noun}`);
    return `${noun}/${filled}`;
  });
}
