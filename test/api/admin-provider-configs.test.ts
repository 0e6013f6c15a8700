import { openCredentials } from '../../db/provider-configs.ts';
import { MERCHANT, VAULT } from '../factories.ts';
import { openOperator } from './operators.ts';
import { openTestApi, type Send, type TestApi } from './server.ts';
import { takePaymentsIn } from './takers.ts';

/** The accounts at providers that operators keep: the default of merchants without their own. */
let api: TestApi;
let admin: Send;
/** Who agrees to what the admin asks for. */
let second: Send;
beforeEach(async () => {
  api = await openTestApi();
  api.engine.takePayment = takePaymentsIn(api.pool);
  admin = (await openOperator(api, 'admin')).send;
  second = (await openOperator(api, 'admin', 'second@example.test')).send;
});
afterEach(() => api.close());

const MPESA = {
  consumer_key: 'consumer-key-of-the-deployment',
  consumer_secret: 'consumer-secret-of-the-deployment',
  short_code: '600456',
  passkey: 'passkey-of-the-deployment',
};
const SECRETS = [MPESA.consumer_key, MPESA.consumer_secret, MPESA.passkey];
const LIST = '/api/v1/admin/provider-configs';
const path = (provider: string) => `${LIST}/${provider}`;
const putDefault = async (body: object = {}, send = admin) => {
  const sending = { body: { environment: 'sandbox', credentials: MPESA, ...body } };
  const answer = await send('PUT', path('mpesa'), sending);
  return answer.status === 202 ? await second('PUT', path('mpesa'), sending) : answer;
};
const putOwn = (send: Send) =>
  send('PUT', '/api/v1/provider-configs/mpesa', {
    body: { environment: 'sandbox', credentials: { ...MPESA, short_code: '600123' } },
  });
const payBy = (send: Send, key: string) =>
  send('POST', '/api/v1/payments', {
    body: { provider: 'mpesa', amount: 10_000, currency: 'KES', customer: { phone: '0712345678' } },
    headers: { 'idempotency-key': key },
  });
const refs = () => api.engine.started.map(({ credentialsRef }) => credentialsRef);

test('a merchant without its own pays by the default, with its policy', async () => {
  const other = await api.openMerchant();
  expect((await payBy(api.send, 'order-0')).status).toBe(201);
  const saved = await putDefault({ policy_override: { callback_wait_ms: 45_000 } });
  expect(saved).toMatchObject({
    status: 200,
    body: {
      object: 'provider_config',
      merchant_id: null,
      provider: 'mpesa',
      environment: 'sandbox',
      active: true,
      version: 1,
      credentials: { base_url: 'https://sandbox.safaricom.co.ke', short_code: '600456' },
      policy_override: { callback_wait_ms: 45_000 },
    },
  });
  const own = await putOwn(other.send);
  expect((await payBy(api.send, 'order-1')).status).toBe(201);
  expect((await payBy(other.send, 'order-1')).status).toBe(201);
  const common = `config:${saved.body.id}@1`;
  expect(refs()).toEqual(['env:mpesa', common, `config:${own.body.id}@1`]);
  expect(api.engine.started[1]?.policy.callback_wait_ms).toBe(45_000);
  expect(await openCredentials(api.pool, VAULT, common)).toMatchObject(MPESA);
});

test('a change is a new version, and open payments keep the one they began with', async () => {
  await putDefault();
  await payBy(api.send, 'order-1');
  const changed = await putDefault({ credentials: { ...MPESA, passkey: 'the-next-passkey' } });
  expect(changed.body).toMatchObject({ version: 2 });
  await payBy(api.send, 'order-2');
  expect(refs()).toEqual([`config:${changed.body.id}@1`, `config:${changed.body.id}@2`]);
});

test('switched off, merchants without their own are refused, and told whom to ask', async () => {
  const other = await api.openMerchant();
  await putOwn(other.send);
  await putDefault();
  const off = await admin('PATCH', path('mpesa'), { body: { active: false } });
  expect(off.body).toMatchObject({ active: false, version: 1, merchant_id: null });
  expect(await payBy(api.send, 'order-1')).toMatchObject({
    status: 422,
    body: { code: 'provider_inactive', detail: expect.stringContaining('ask those who run') },
  });
  expect((await payBy(other.send, 'order-1')).status).toBe(201);
  await admin('PATCH', path('mpesa'), { body: { active: true } });
  expect((await payBy(api.send, 'order-1')).status).toBe(201);
});

test('the pages hold each configuration once, or those of one merchant', async () => {
  const merchants = [
    await api.openMerchant(),
    await api.openMerchant(),
    { id: MERCHANT.id, send: api.send },
  ];
  for (const { send } of merchants) await putOwn(send);
  await putDefault();
  const seen: unknown[] = [];
  let next = '';
  for (let page = 0; page < 2; page += 1) {
    const { body } = await admin('GET', `${LIST}?limit=2${next}`);
    seen.push(...body.data.map(({ merchant_id }) => merchant_id));
    expect(body.has_more).toBe(page === 0);
    next = `&cursor=${body.next_cursor}`;
  }
  expect(seen).toEqual([null, ...merchants.map(({ id }) => id).toReversed()]);
  const one = await admin('GET', `${LIST}?merchant_id=${MERCHANT.id}`);
  expect(one.body.data.map(({ merchant_id }) => merchant_id)).toEqual([MERCHANT.id]);
  expect((await admin('GET', `${LIST}?cursor=bm9uZQ`)).status).toBe(400);
});

test('a merchant neither sees the default nor switches it', async () => {
  await putDefault();
  const own = '/api/v1/provider-configs';
  expect((await api.send('GET', own)).body.data).toEqual([]);
  expect((await api.send('GET', `${own}/mpesa`)).status).toBe(404);
  expect((await api.send('PATCH', `${own}/mpesa`, { body: { active: false } })).status).toBe(404);
  expect((await putOwn(api.send)).body.version).toBe(1);
  const { body } = await admin('GET', LIST);
  expect(body.data.map(({ active, version }) => [active, version])).toEqual([
    [true, 1],
    [true, 1],
  ]);
});

test('secrets stand in no answer, in no act and in the database only sealed', async () => {
  const answers = [
    await putDefault(),
    await putDefault({ credentials: { ...MPESA, short_code: 'x' } }),
    await putDefault({ environment: 'moon' }),
    await admin('PATCH', path('mpesa'), { body: { active: true } }),
    await admin('GET', LIST),
    await payBy(api.send, 'order-1'),
    await admin('GET', '/api/v1/admin/activity'),
  ];
  expect(answers[4]?.text).toContain('600456');
  expect(answers[6]?.text).toContain('adminPutProviderConfig');
  const rows = await api.database.queryAsOwner<{ row: string }>(
    `SELECT t::text || encode(credentials_cipher, 'escape') AS row FROM provider_credentials t
     UNION ALL SELECT t::text FROM provider_configs t
     UNION ALL SELECT t::text FROM operator_activity t
     UNION ALL SELECT t::text FROM decisions t`,
  );
  const said = [...answers.map(({ text }) => text), ...rows.map(({ row }) => row)].join('\n');
  for (const secret of SECRETS) {
    for (const spelling of [secret, Buffer.from(secret).toString('base64').slice(0, -4)]) {
      expect(said).not.toContain(spelling);
    }
  }
});

test.each([
  ['short_code', { credentials: { ...MPESA, short_code: 'PAYBILL' } }, '/credentials/short_code'],
  [
    'base_url',
    { credentials: { ...MPESA, base_url: 'https://10.0.0.1' } },
    '/credentials/base_url',
  ],
  ['policy', { policy_override: { speed: 1 } }, '/policy_override/speed'],
])('a default with a wrong %s is refused by field', async (_what, body, pointer) => {
  expect(await putDefault(body)).toMatchObject({ status: 400, body: { errors: [{ pointer }] } });
  expect((await admin('GET', LIST)).body.data).toEqual([]);
});

test('what is not there is a 404, and only an admin changes what is', async () => {
  const active = { body: { active: false } };
  expect((await admin('PATCH', path('mpesa'), active)).status).toBe(404);
  expect((await admin('PATCH', path('paypal'), active)).status).toBe(404);
  const body = { environment: 'sandbox', credentials: MPESA };
  expect((await admin('PUT', path('paypal'), { body })).status).toBe(404);
  await putDefault();
  const { send } = await openOperator(api, 'operator');
  expect((await putDefault({}, send)).status).toBe(403);
  expect((await send('PATCH', path('mpesa'), active)).status).toBe(403);
  expect((await send('GET', LIST)).body.data).toHaveLength(1);
});
