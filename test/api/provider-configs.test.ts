import { generateKeyPairSync } from 'node:crypto';
import { openCredentials } from '../../db/provider-configs.ts';
import { TEST_CERTIFICATE } from '../../providers/mpesa/simulator/test-key.ts';
import { VAULT } from '../factories.ts';
import { openTestApi, type TestApi } from './server.ts';
import { takePaymentsIn } from './takers.ts';

/** A merchant's own accounts at the providers. */
let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
  api.engine.takePayment = takePaymentsIn(api.pool);
});
afterEach(() => api.close());

const MPESA = {
  consumer_key: 'consumer-key-of-one-merchant',
  consumer_secret: 'consumer-secret-of-one-merchant',
  short_code: '600123',
  passkey: 'passkey-of-one-merchant',
  initiator_name: 'apiop37',
  initiator_password: 'Pa55word!',
  certificate: TEST_CERTIFICATE,
};
/** A public key, and none that a password can be sealed with. */
const EC_KEY = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
  type: 'spki',
  format: 'pem',
});
const STRIPE = {
  secret_key: 'sk_test_ofOneMerchantAlone',
  webhook_secrets: 'whsec_ofOneMerchantAlone,whsec_ofTheSameMerchant',
};
const without = (...fields: readonly string[]) =>
  Object.fromEntries(Object.entries(MPESA).filter(([field]) => !fields.includes(field)));
const SECRETS = [
  MPESA.consumer_secret,
  MPESA.consumer_key,
  MPESA.passkey,
  MPESA.initiator_password,
  STRIPE.secret_key,
  ...STRIPE.webhook_secrets.split(','),
];

const path = (provider: string) => `/api/v1/provider-configs/${provider}`;
const put = (provider: string, body: object) => api.send('PUT', path(provider), { body });
const configure = (provider: string, credentials: object, more: object = {}) =>
  put(provider, { environment: 'sandbox', credentials, ...more });
const patch = (provider: string, body: object) => api.send('PATCH', path(provider), { body });
const pay = (key: string, amount = 10_000) =>
  api.send('POST', '/api/v1/payments', {
    body: { provider: 'mpesa', amount, currency: 'KES', customer: { phone: '0712345678' } },
    headers: { 'idempotency-key': key },
  });
const refOf = async ({ body }: Awaited<ReturnType<typeof pay>>) => {
  const rows = await api.database.queryAsOwner<{ credentials_ref: string }>(
    'SELECT credentials_ref FROM payments WHERE id = $1',
    [body.id],
  );
  return rows[0]?.credentials_ref;
};

test('what was put can be read, with the environment’s address', async () => {
  const saved = await configure('mpesa', MPESA, { policy_override: { callback_wait_ms: 45_000 } });
  expect(saved).toMatchObject({
    status: 200,
    body: {
      object: 'provider_config',
      provider: 'mpesa',
      environment: 'sandbox',
      active: true,
      version: 1,
      policy_override: { callback_wait_ms: 45_000 },
      credentials: { base_url: 'https://sandbox.safaricom.co.ke', short_code: '600123' },
    },
  });
  expect((await api.send('GET', path('mpesa'))).body).toEqual(saved.body);
  expect((await api.send('GET', '/api/v1/provider-configs')).body.data).toEqual([saved.body]);
});

test.each(['\n', ' ', '\u00a0', '\u200b'])(
  'what was pasted with %j on its ends is stored and shown without',
  async (odd) => {
    const entries = Object.entries(MPESA).map(([field, value]) => [field, `${odd}${value}${odd}`]);
    const clean = await configure('mpesa', MPESA);
    const saved = await configure('mpesa', Object.fromEntries(entries));
    expect(saved.status).toBe(200);
    expect(saved.body.credentials).toEqual(clean.body.credentials);
    const rows = await api.database.queryAsOwner<{ account: string }>(
      'SELECT DISTINCT account FROM provider_credentials',
    );
    expect(rows).toHaveLength(1);
    const held = await openCredentials(api.pool, VAULT, `config:${String(saved.body.id)}@2`);
    expect(held).toEqual({ ...MPESA, base_url: 'https://sandbox.safaricom.co.ke' });
  },
);

test.each(['\n', ' ', '\u00a0', '\u200b'])('a key with %j inside is refused', async (odd) => {
  const consumer_key = `consumer${odd}key`;
  const answer = await configure('mpesa', { ...MPESA, consumer_key });
  expect(answer).toMatchObject({
    status: 400,
    body: { errors: [{ pointer: '/credentials/consumer_key' }] },
  });
});

test('secrets stand in no answer, and in the database only sealed', async () => {
  const answers = [
    await configure('mpesa', MPESA),
    await configure('stripe', STRIPE),
    await configure('stripe', { ...STRIPE, secret_key: 'not a key' }),
    await put('mpesa', { environment: 'moon', credentials: MPESA }),
    await patch('mpesa', { active: false }),
    await api.send('GET', path('stripe')),
    await api.send('GET', '/api/v1/provider-configs'),
    await pay('order-1'),
  ];
  const rows = await api.database.queryAsOwner<{ row: string }>(
    `SELECT t::text || encode(credentials_cipher, 'escape') AS row FROM provider_credentials t
     UNION ALL SELECT t::text FROM provider_configs t`,
  );
  expect(rows.length).toBe(4);
  const said = [...answers.map(({ text }) => text), ...rows.map(({ row }) => row)].join('\n');
  for (const secret of SECRETS) {
    for (const spelling of [secret, Buffer.from(secret).toString('base64').slice(0, -4)]) {
      expect(said).not.toContain(spelling);
    }
  }
});

// biome-ignore format: table, one case per line
test.each<readonly [string, string, object, readonly string[]]>([
  ['nothing', 'stripe', {}, ['/credentials/secret_key', '/credentials/webhook_secrets']],
  ['a key of the wrong form', 'stripe', { ...STRIPE, secret_key: 'pk_test_12345678' }, ['/credentials/secret_key']],
  ['no whsec_', 'stripe', { ...STRIPE, webhook_secrets: 'whsec_ofTodayOnly,none' }, ['/credentials/webhook_secrets']],
  ['a field of another provider', 'stripe', { ...STRIPE, passkey: 'x' }, ['/credentials/passkey']],
  ['letters in the short code', 'mpesa', { ...MPESA, short_code: 'PAYBILL' }, ['/credentials/short_code']],
  ['a till without its number', 'mpesa', { ...MPESA, transaction_type: 'till' }, ['/credentials/till_number']],
  ['two fields of nobody', 'stripe', { ...STRIPE, a: 'x', b: 'y' }, ['/credentials/a', '/credentials/b']],
  ['another address', 'stripe', { ...STRIPE, base_url: 'https://10.0.0.1' }, ['/credentials/base_url']],
  ['a NUL', 'mpesa', { ...MPESA, passkey: 'a\u0000b' }, ['/credentials/passkey']],
  ['half of a certificate', 'mpesa', { ...MPESA, certificate: '-----BEGIN CERTIFICATE-----junk' }, ['/credentials/certificate']],
  ['a key that seals nothing', 'mpesa', { ...MPESA, certificate: EC_KEY }, ['/credentials/certificate']],
  ['no certificate of the initiator', 'mpesa', without('certificate'), ['/credentials/certificate']],
  ['an initiator’s name alone', 'mpesa', without('certificate', 'initiator_password'), ['/credentials/initiator_password', '/credentials/certificate']],
  ['a certificate alone', 'mpesa', without('initiator_name', 'initiator_password'), ['/credentials/initiator_name', '/credentials/initiator_password']],
  ['a live key in a sandbox', 'stripe', { ...STRIPE, secret_key: 'sk_live_ofOneMerchantAlone' }, ['/credentials/secret_key']],
  ['half a character', 'mpesa', { ...MPESA, passkey: 'a\ud800' }, ['/credentials/passkey']],
])('%s as credentials is refused by field', async (_what, provider, credentials, pointers) => {
  const answer = await configure(provider, credentials);
  expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  expect(answer.body.errors?.map(({ pointer }) => pointer)).toEqual(pointers);
  expect((await api.send('GET', path(provider))).status).toBe(404);
});

// biome-ignore format: table, one case per line
test.each([
  ['sandbox', 'sk_test_ofOneMerchantAlone', 200],
  ['sandbox', 'rk_live_ofOneMerchantAlone', 400],
  ['production', 'sk_test_ofOneMerchantAlone', 400],
  ['production', 'rk_test_ofOneMerchantAlone', 400],
  ['production', 'rk_live_ofOneMerchantAlone', 200],
  ['simulator', 'sk_live_ofOneMerchantAlone', 400],
  ['simulator', 'rk_test_ofOneMerchantAlone', 200],
])('%s with the key %s answers %i', async (environment, secret_key, status) => {
  const address = environment === 'simulator' ? { base_url: 'http://127.0.0.1:8091' } : {};
  const credentials = { ...STRIPE, ...address, secret_key };
  const answer = await put('stripe', { environment, credentials });
  expect(answer.status).toBe(status);
  if (status === 200) return;
  const [fault] = answer.body.errors ?? [];
  expect(fault?.pointer).toBe('/credentials/secret_key');
  expect(fault?.detail).toContain(environment);
  expect(answer.text).not.toContain(secret_key);
});

test('M-Pesa’s initiator may be left out, and its PEM may stand in one line', async () => {
  const charging = without('initiator_name', 'initiator_password', 'certificate');
  expect((await configure('mpesa', charging)).status).toBe(200);
  const certificate = TEST_CERTIFICATE.replaceAll('\n', '\\n');
  expect((await configure('mpesa', { ...MPESA, certificate })).status).toBe(200);
});

test.each([
  [
    'an address elsewhere',
    'simulator',
    { base_url: 'http://169.254.169.254' },
    '/credentials/base_url',
  ],
  ['a sandbox that CPay has not', 'sandbox', {}, '/environment'],
])('CPay with %s is refused', async (_what, environment, address, pointer) => {
  const credentials = { api_key: 'cpay_test_12345678', webhook_secrets: 'x'.repeat(16) };
  const answer = await put('cpay', { environment, credentials: { ...credentials, ...address } });
  expect(answer).toMatchObject({ status: 400, body: { errors: [{ pointer }] } });
});

// The test's deployment has CPay's simulator, Stripe itself and no account at M-Pesa.
const CPAY = { api_key: 'cpay_test_12345678', webhook_secrets: 'x'.repeat(16) };
const RUNNING = 'http://127.0.0.1:1';
test.each([
  ['left out', {}, undefined],
  ['the running one’s', { base_url: RUNNING }, undefined],
  ['another’s on this machine', { base_url: 'http://127.0.0.1:2' }, 'http://127.0.0.1:2'],
])('a simulator’s address, %s, is stored where it may not move', async (_what, address, stored) => {
  const body = { environment: 'simulator', credentials: { ...CPAY, ...address } };
  const { id, credentials } = (await put('cpay', body)).body;
  const held = await openCredentials(api.pool, VAULT, `config:${String(id)}@1`);
  expect(held?.base_url).toBe(stored);
  expect(credentials).toHaveProperty('api_key');
});

test.each([
  ['stripe', STRIPE],
  ['mpesa', MPESA],
])('%s has no simulator here, and a simulator’s account is refused', async (provider, given) => {
  const answer = await put(provider, { environment: 'simulator', credentials: given });
  expect(answer).toMatchObject({
    status: 400,
    body: { errors: [{ pointer: '/credentials/base_url' }] },
  });
  expect(answer.text).toContain(`no simulator of ${provider} runs here`);
});

/** Each may be there, and yet it is more than 4 KB together. */
const LONG = Object.fromEntries(
  Array.from({ length: 50 }, (_, nth) => [`${nth}`.padStart(64, 'x'), { who: 'nobody' }]),
);
const AT_ONCE = { who: 'later', after_ms: 1, auto: true };
test.each([
  [{ speed: 1 }, '/policy_override/speed'],
  [{ lookup: { 'a.b': 1 } }, '/policy_override/lookup/a.b'],
  [{ lookup: { 'a/b~': 1 } }, '/policy_override/lookup/a~1b~0'],
  [
    { retry: { by_provider_code: { '500.001': AT_ONCE } } },
    '/policy_override/retry/by_provider_code/500.001/after_ms',
  ],
  [{ lookup: { soft_codes: Array(21).fill('1') } }, '/policy_override/lookup/soft_codes'],
  [{ look_back_after_ms: [60_000], retry: { by_provider_code: LONG } }, '/policy_override'],
  [{ reattempt: { fallback: ['paypal'] } }, '/policy_override/reattempt/fallback'],
  [{ reattempt: { fallback: ['\u0000'] } }, '/policy_override/reattempt/fallback'],
  [{ rate_limit_per_second: 5 }, '/policy_override/rate_limit_per_second'],
  [{ review: { poll_interval_ms: [1] } }, '/policy_override/review/poll_interval_ms/0'],
  [{ lookup: { poll_interval_ms: [15_000, 1] } }, '/policy_override/lookup/poll_interval_ms/1'],
  [
    { retry: { by_code: { declined: AT_ONCE } } },
    '/policy_override/retry/by_code/declined/after_ms',
  ],
])('a policy that says %j is refused', async (policy_override, pointer) => {
  const answer = await configure('mpesa', MPESA, { policy_override });
  expect(answer).toMatchObject({ status: 400, body: { errors: [{ pointer }] } });
});

test('every fault is told at once, in the credentials and in the policy', async () => {
  const answer = await configure(
    'mpesa',
    { ...MPESA, short_code: 'x' },
    {
      policy_override: { callback_wait_ms: -1, refund: { max_sends: 99 } },
    },
  );
  expect(answer.body.errors?.map(({ pointer }) => pointer).toSorted()).toEqual([
    '/credentials/short_code',
    '/policy_override/callback_wait_ms',
    '/policy_override/refund/max_sends',
  ]);
});

test.each([
  ['GET', undefined],
  ['PUT', { environment: 'sandbox', credentials: MPESA }],
  ['PATCH', { active: true }],
])('%s of a provider that does not exist is a 404', async (method, body) => {
  const sending = body === undefined ? {} : { body };
  expect(await api.send(method, path('paypal'), sending)).toMatchObject({ status: 404 });
});

test('a merchant has its own: another one neither sees nor switches it', async () => {
  await configure('mpesa', MPESA);
  const other = await api.openMerchant();
  expect((await other.send('GET', path('mpesa'))).status).toBe(404);
  expect((await other.send('GET', '/api/v1/provider-configs')).body.data).toEqual([]);
  expect((await other.send('PATCH', path('mpesa'), { body: { active: false } })).status).toBe(404);
  expect((await api.send('GET', path('mpesa'))).body.active).toBe(true);
});

test('what is switched off takes no new payment, and still knows the earlier ones', async () => {
  await configure('mpesa', MPESA);
  const first = await pay('order-1');
  expect((await patch('mpesa', { active: false })).body).toMatchObject({
    active: false,
    version: 1,
  });
  expect(await pay('order-2')).toMatchObject({
    status: 422,
    body: { code: 'provider_inactive', errors: [{ pointer: '/provider' }] },
  });
  const replay = await pay('order-1');
  expect(replay).toMatchObject({ status: 200, body: { id: first.body.id } });
  expect(await pay('order-1', 20_000)).toMatchObject({
    status: 422,
    body: { code: 'idempotency_key_reused' },
  });
  await patch('mpesa', { active: true });
  expect((await pay('order-2')).status).toBe(201);
});

test('a payment keeps the version that it began with', async () => {
  expect(await refOf(await pay('order-0'))).toBe('env:mpesa');
  const { body } = await configure('mpesa', MPESA);
  expect(await refOf(await pay('order-1'))).toBe(`config:${body.id}@1`);
  const changed = await configure('mpesa', { ...MPESA, passkey: 'the-next-passkey' });
  expect(changed.body).toMatchObject({ id: body.id, version: 2 });
  expect(await refOf(await pay('order-2'))).toBe(`config:${body.id}@2`);
  for (const [key, ref] of [
    ['order-0', 'env:mpesa'],
    ['order-1', `config:${body.id}@1`],
  ] as const) {
    const replay = await pay(key);
    expect([replay.status, await refOf(replay)]).toEqual([200, ref]);
  }
  expect(api.engine.started.map(({ credentialsRef }) => credentialsRef)).toEqual([
    'env:mpesa',
    `config:${body.id}@1`,
    `config:${body.id}@2`,
  ]);
});

test('a change of policy refuses new payments only, never a replay', async () => {
  await configure('mpesa', MPESA, { policy_override: { reattempt: { fallback: ['stripe'] } } });
  const payment_method = 'pm_card_visa';
  const send = (key: string, more: object = {}) =>
    api.send('POST', '/api/v1/payments', {
      body: {
        provider: 'mpesa',
        amount: 10_000,
        currency: 'KES',
        customer: { phone: '0712345678' },
        payment_method,
        return_url: null,
        ...more,
      },
      headers: { 'idempotency-key': key },
    });
  const first = await send('order-1');
  expect(first.status).toBe(201);
  await configure('mpesa', MPESA);
  expect(await send('order-2')).toMatchObject({ status: 422, body: { code: 'provider_limits' } });
  expect(await send('order-1')).toMatchObject({ status: 200, body: { id: first.body.id } });
  const other = await send('order-1', { amount: 20_000 });
  expect(other).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } });
});

test('a policy that was stored before it had limits is brought within them', async () => {
  await configure('mpesa', MPESA);
  await api.database.queryAsOwner(
    `UPDATE provider_configs SET policy_override = '{"review": {"poll_interval_ms": [1, 7200000]}}'`,
  );
  await pay('order-1');
  expect(api.engine.started[0]?.policy.review.poll_interval_ms).toEqual([60_000, 7_200_000]);
});

test('what of a stored policy is no longer valid stops no payment; the rest counts', async () => {
  await configure('mpesa', MPESA);
  const policy_override = {
    speed: 1,
    late_success: 'perhaps',
    callback_wait_ms: 45_000,
    retry: { by_provider_code: { ...LONG, '': { who: 'nobody' } } },
  };
  await api.database.queryAsOwner('UPDATE provider_configs SET policy_override = $1', [
    policy_override,
  ]);
  await pay('order-1');
  const { policy } = api.engine.started[0] ?? {};
  expect(policy).toMatchObject({ callback_wait_ms: 45_000, late_success: 'review' });
  expect(Object.keys(policy?.retry?.by_provider_code ?? {})).toEqual([]);
});

test('a merchant’s policy goes with its payments, and with nobody else’s', async () => {
  await configure('mpesa', MPESA, { policy_override: { callback_wait_ms: 45_000 } });
  await pay('order-1');
  expect(api.engine.started[0]?.policy.callback_wait_ms).toBe(45_000);
  expect(JSON.stringify(api.engine.started)).not.toContain(MPESA.passkey);
});
