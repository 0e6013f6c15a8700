import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROVIDER_NAMES, PROVIDERS } from '../../providers/index.ts';
import { loadSimulator } from '../../sandbox/simulators.ts';
import { payByCard } from './cards.ts';
import { openShop, type Shop } from './shop.ts';

/** After a full run nothing secret or personal stands anywhere in clear, however it is spelled. */
let shop: Shop;
/** Secrets of this run. */
const made: Record<string, string> = {};
const PHONE = '254712340071';
const EMAIL = 'amina.wanjiru@example.test';
const OWN_SECRET = 'sk_test_ofThisMerchantAlone';

beforeAll(async () => {
  shop = await openShop();
  const { simulators } = shop.world.details();
  await shop.send('PUT', 'provider-configs/stripe', {
    environment: 'simulator',
    credentials: {
      base_url: simulators.stripe?.url,
      secret_key: OWN_SECRET,
      webhook_secrets: 'whsec_ofThisMerchantAlone',
    },
  });
  const hook = await shop.send('POST', 'webhook-endpoints', { url: 'http://127.0.0.1:9/hook' });
  made['an endpoint’s secret'] = String(hook.body.secret);
  const { email, password } = shop.world.details().operator;
  const session = await shop.send('POST', 'sessions', { email, password });
  made['an access token'] = String(session.body.access_token);
  made['a refresh token'] = String(session.body.refresh_token);
  made['an operator’s password'] = password;
  const { body } = await shop.pay(PHONE, { key: 'order-1' });
  await shop.until(body.id, ['succeeded']);
  await shop.send('POST', `payments/${body.id}/refunds`, { amount: 4_000 });
  for (const provider of PROVIDER_NAMES) {
    const { needs, amounts } = PROVIDERS[provider].capabilities;
    if (needs.length > 0) continue;
    const [currency] = Object.keys(amounts);
    const customer = { email: EMAIL, name: 'Amina W' };
    const paid = await shop.send('POST', 'payments', {
      provider,
      amount: 5_000,
      currency,
      customer,
    });
    await shop.send('POST', `payments/${paid.body.id}/refunds`, {});
  }
  await payByCard(shop, 'stripe');
  await shop.send('PATCH', 'provider-configs/stripe', { active: false });
  await payByCard(shop, 'stripe', { payment_method: '4242424242424242' });
  await new Promise((resolve) => setTimeout(resolve, 4_000));
}, 180_000);
afterAll(() => shop?.close(), 60_000);

const SECRETS: Readonly<Record<string, string>> = {
  ...(await listSandboxSecrets()),
  'a merchant’s own key of Stripe': OWN_SECRET,
  'a merchant’s own webhook secret': 'whsec_ofThisMerchantAlone',
  'the payer’s phone': PHONE,
  'the payer’s e-mail': EMAIL,
  'a card number': '4242424242424242',
};

/** What each provider does not count among the fields that may be shown. */
async function listSandboxSecrets(): Promise<Readonly<Record<string, string>>> {
  const lists = PROVIDER_NAMES.map(async (name) => {
    const shown: readonly string[] = PROVIDERS[name].shownFields;
    const { SANDBOX } = await loadSimulator(name);
    const fields = Object.entries(SANDBOX.credentials).filter(([field]) => !shown.includes(field));
    return fields.map(([field, secret]) => [`${field} of ${name}`, secret] as const);
  });
  return Object.fromEntries((await Promise.all(lists)).flat());
}

it('looks for a secret of each provider', () => {
  const names = PROVIDER_NAMES.filter((name) => {
    return Object.keys(SECRETS).some((secret) => secret.endsWith(` of ${name}`));
  });
  expect(names).toEqual(PROVIDER_NAMES);
});

/** As it is, in base64 at each of the three offsets, and URL-encoded. */
function spellings(secret: string): readonly string[] {
  const base64 = [0, 1, 2].map((offset) => {
    const text = Buffer.from(`${'x'.repeat(offset)}${secret}`).toString('base64');
    return text.slice(offset === 0 ? 0 : 4, -4);
  });
  return [secret, encodeURIComponent(secret), ...base64];
}

/** Daraja's own ids end in nine digits of the phone, after a time that may look like the rest. */
function expectNone(place: string, said: string): void {
  const text = said.replace(/ws_CO_\d+/g, '');
  const found = Object.entries({ ...SECRETS, ...made, 'our API key': shop.world.details().api_key })
    .filter(([, secret]) => spellings(secret).some((spelling) => text.includes(spelling)))
    .map(([name]) => `${name} in ${place}`);
  expect(found).toEqual([]);
}

it('nothing stands in the logs', () => {
  const { logs_dir } = shop.world.details();
  for (const file of readdirSync(logs_dir)) {
    expectNone(file, readFileSync(join(logs_dir, file), 'utf8'));
  }
});

it('nothing stands in any row of the database', async () => {
  const tables = await shop.db.query<{ name: string }>(
    "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'",
  );
  for (const { name } of tables.rows) {
    const rows = await shop.db.query<{ row: string }>(`SELECT t::text AS row FROM "${name}" t`);
    expectNone(name, rows.rows.map(({ row }) => row).join('\n'));
  }
  expect(tables.rows.length).toBeGreaterThan(5);
  for (const secret of Object.values(made)) expect(secret.length).toBeGreaterThan(8);
});

it('nothing stands in any history', async () => {
  let count = 0;
  for await (const { workflowId } of shop.temporal.workflow.list()) {
    const history = await shop.temporal.workflow.getHandle(workflowId).fetchHistory();
    const payloads: string[] = [];
    // A payload's bytes are shown in base64; what is in them is read as text.
    const text = JSON.stringify(history, (key, value: unknown) => {
      if (key !== 'data' || typeof value !== 'string') return value;
      payloads.push(Buffer.from(value, 'base64').toString());
      return null;
    });
    expect(payloads.join('\n')).toMatch(/"(paymentId|deliveryId|unstarted_after_ms)"/);
    expectNone(workflowId, `${text}\n${payloads.join('\n')}`);
    count += 1;
  }
  expect(count).toBeGreaterThanOrEqual(5);
});

it('nothing stands in the command line of any process', () => {
  const pids = Object.values(shop.world.details().pids).join(',');
  expectNone('ps', execFileSync('ps', ['-ww', '-o', 'args=', '-p', pids]).toString());
});
