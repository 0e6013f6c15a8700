import { OPERATOR_ACTIONS } from '../../api/admin/two-operators.ts';
import { OPERATIONS } from '../../api/operations.ts';
import { newId } from '../../db/ids.ts';
import type { Scope } from '../../domain/access.ts';
import { MERCHANT, storePaymentIn } from '../factories.ts';
import { openOperator, PASSWORD } from './operators.ts';
import {
  type Answer,
  openTestApi,
  type Send,
  type TestApi,
  type TestApiOptions,
} from './server.ts';

/** Who proposes does not approve: what one operator alone cannot do, whatever it tries. */
let api: TestApi;
let first: Send;
let second: Send;
const start = async (options?: TestApiOptions) => {
  api = await openTestApi(options);
  first = (await openOperator(api, 'admin')).send;
  second = (await openOperator(api, 'admin', 'second@example.test')).send;
};
afterEach(() => api.close());

test('each thing that operators may do has its row in the table', () => {
  const acts = OPERATIONS.filter(
    ({ access, method }) => access.kind === 'operator' && method !== 'get',
  );
  expect(Object.keys(OPERATOR_ACTIONS).toSorted()).toEqual(acts.map(({ id }) => id).toSorted());
  return start();
});

type Ask = (send: Send) => Promise<Answer>;
const LARGE = { amountMinor: 10_000_000, currency: 'KES' } as const;
const SECRET = 'the-secret-of-the-new-account';
const KEYS = `/api/v1/admin/merchants/${MERCHANT.id}/api-keys`;
const countRows = async (table: string) =>
  (await api.database.queryAsOwner(`SELECT id FROM ${table}`)).length;

function askForKey(scopes?: readonly Scope[]): Ask {
  return (send) => send('POST', KEYS, { body: { name: 'one more', scopes } });
}
const askForDefault: Ask = (send) =>
  send('PUT', '/api/v1/admin/provider-configs/mpesa', {
    body: {
      environment: 'sandbox',
      credentials: {
        consumer_key: 'consumer-key-of-the-new-account',
        consumer_secret: SECRET,
        short_code: '600456',
        passkey: 'passkey-of-the-new-account',
      },
    },
  });
const decide =
  (path: string): Ask =>
  (send) =>
    send('POST', `/api/v1/admin/${path}/decision`, {
      body: { decision: 'failed', reason: 'seen' },
    });
const countKeys = () => countRows('api_keys');
const countDefaults = () => countRows('provider_configs');
const countDecided = () => Promise.resolve(api.engine.decided.length);

type Case = readonly [string, () => Promise<Ask>, () => Promise<number>];
// biome-ignore format: table, one case per line
const ALONE_TOO_MUCH: readonly Case[] = [
  ['a decision about a large payment', async () => decide(`payments/${(await storePaymentIn(api.pool, 'needs_review', LARGE)).id}`), countDecided],
  ['a decision about a large refund', async () => decide(`refunds/${await storeRefundInReview()}`), countDecided],
  ['a key that gives money back', async () => askForKey(['payments:read', 'refunds:write']), countKeys],
  ['a key that says where money goes', async () => askForKey(['provider_configs:write']), countKeys],
  ['a key that may do everything', async () => askForKey(), countKeys],
  ['a default account', async () => askForDefault, countDefaults],
];

describe.each(ALONE_TOO_MUCH)('%s', (_what, prepare, countDone) => {
  test('is not done by one operator, however often, nor by its puppet', async () => {
    await start();
    const ask = await prepare();
    const before = await countDone();
    const atOnce = await Promise.all([ask(first), ask(first), ask(first)]);
    const puppet = await openPuppet();
    const answers = [...atOnce, await ask(first), await ask(puppet)];
    expect(answers.slice(0, 4).map(({ status }) => status)).toEqual([202, 202, 202, 202]);
    expect([403, 409]).toContain(answers[4]?.status);
    expect(await countDone()).toBe(before);
    const waiting = await first('GET', '/api/v1/admin/proposals');
    expect(waiting.body.data).toMatchObject([{ status: 'awaiting_second_operator' }]);
    expect(waiting.text).not.toContain(SECRET);
  });

  test('is done by two, once, also where all ask at once', async () => {
    await start();
    const ask = await prepare();
    const before = await countDone();
    const answers = await Promise.all([ask(first), ask(second), ask(first), ask(second)]);
    expect(answers.some(({ status }) => status < 202)).toBe(true);
    const done = await countDone();
    expect(done).toBeGreaterThan(before);
    // Two decisions that are the same word are told to the same workflow, which takes one.
    if (countDone !== countDecided) expect(done).toBe(before + 1);
  });

  test('is done by one where the deployment says that it has no second', async () => {
    await start({ policies: { two_operators: false } });
    const ask = await prepare();
    const before = await countDone();
    expect((await ask(first)).status).toBeLessThan(202);
    expect(await countDone()).toBe(before + 1);
  });
});

async function storeRefundInReview(): Promise<string> {
  const { id } = await storePaymentIn(api.pool, 'succeeded', LARGE);
  const made = await api.send('POST', `/api/v1/payments/${id}/refunds`, { body: {} });
  await api.database.queryAsOwner(
    `UPDATE refunds SET status = 'needs_review', review_reason = 'no_answer', amount = $1
     WHERE id = $2`,
    [LARGE.amountMinor, made.body.id],
  );
  return made.body.id;
}

/** Made by the first admin, who knows its password. */
async function openPuppet(): Promise<Send> {
  const email = 'puppet@example.test';
  const body = { email, name: 'puppet', role: 'admin', password: PASSWORD };
  await first('POST', '/api/v1/admin/operators', { body });
  const session = await api.send('POST', '/api/v1/sessions', {
    body: { email, password: PASSWORD },
  });
  const authorization = `Bearer ${session.body.access_token}`;
  return (method, path, sending = {}) =>
    api.send(method, path, { ...sending, headers: { authorization } });
}

test('a key without those scopes takes one admin, and makes none with them', async () => {
  await start();
  const made = await askForKey(['payments:read', 'api_keys:write'])(first);
  expect(made.status).toBe(201);
  const headers = { authorization: `Bearer ${made.body.key}` };
  const body = { name: 'wider', scopes: ['refunds:write'] };
  expect((await api.send('POST', '/api/v1/api-keys', { body, headers })).status).toBe(403);
});

const ALREADY = { status: 409, body: { code: 'already_agreed' } };
test('another request, another merchant or another day is no second word', async () => {
  await start();
  const other = await api.openMerchant();
  const elsewhere = KEYS.replace(MERCHANT.id, other.id);
  const body = { name: 'one more', scopes: ['refunds:write'] };
  const before = await countKeys();
  expect((await first('POST', KEYS, { body })).status).toBe(202);
  expect((await second('POST', elsewhere, { body })).status).toBe(202);
  expect((await second('POST', KEYS, { body: { ...body, name: 'Till' } })).status).toBe(202);
  expect((await first('POST', KEYS, { body })).status).toBe(202);
  await api.database.queryAsOwner("UPDATE decisions SET created_at = now() - interval '25 hours'");
  expect((await second('POST', KEYS, { body })).status).toBe(202);
  expect(await countKeys()).toBe(before);
  expect((await first('POST', KEYS, { body })).status).toBe(201);
  // What was agreed on was done, and is not done twice.
  expect(await second('POST', KEYS, { body })).toMatchObject(ALREADY);
  expect(await first('POST', KEYS, { body })).toMatchObject(ALREADY);
  expect(await countKeys()).toBe(before + 1);
});

test('what could not be done stays open, and is done when it can be', async () => {
  await start({ policies: { live_keys_max: 2 } });
  const { body: filler } = await api.send('POST', '/api/v1/api-keys', { body: { name: 'a' } });
  const ask = askForKey(['refunds:write']);
  expect((await ask(first)).status).toBe(202);
  expect(await ask(second)).toMatchObject({ status: 409, body: { code: 'limit_reached' } });
  await api.send('DELETE', `/api/v1/api-keys/${filler.id}`);
  expect((await ask(second)).status).toBe(201);
});

test('of credentials that wait nothing is stored that tells them', async () => {
  await start();
  expect((await askForDefault(first)).status).toBe(202);
  const rows = await api.database.queryAsOwner<{ row: string }>(
    'SELECT d::text AS row FROM decisions d UNION ALL SELECT a::text FROM operator_activity a',
  );
  const said = rows.map(({ row }) => row).join('\n');
  expect(said).toContain('600456');
  for (const told of [SECRET, Buffer.from(SECRET).toString('base64').slice(0, -4)]) {
    expect(said).not.toContain(told);
  }
  const saved = await askForDefault(second);
  expect(saved).toMatchObject({ status: 200, body: { version: 1 } });
  // Nobody may have heard it: the same again is the same account.
  expect((await askForDefault(first)).status).toBe(200);
  await first('PATCH', '/api/v1/admin/provider-configs/mpesa', { body: { active: false } });
  expect((await askForDefault(first)).status).toBe(202);
});

test('all admins see what one of them asked for', async () => {
  await start();
  await askForKey(['payments:read'])(first);
  await askForKey()(first);
  await first('POST', '/api/v1/admin/merchants', { body: { name: 'Duka' } });
  const replay = `/api/v1/admin/webhook-events/${newId('event')}/replay`;
  expect((await first('POST', replay)).status).toBe(415);
  expect((await first('POST', replay, { body: {} })).body.errors).toMatchObject([
    { pointer: '/reason' },
  ]);
  await first('POST', replay, { body: { reason: 'the database was put back' } });
  const acts = await second('GET', '/api/v1/admin/activity?sensitive=true');
  expect(acts.body.data.map(({ action, status }) => [action, status])).toEqual([
    ['adminReplayWebhookEvent', 404],
    ['adminReplayWebhookEvent', 400],
    ['adminReplayWebhookEvent', 415],
    ['adminCreateApiKey', 202],
    ['adminCreateApiKey', 201],
  ]);
  expect(acts.body.data[0]?.request_summary).toContain('the database was put back');
  const figures = await api.metrics.registry
    .getSingleMetric('malipo_sensitive_activity_total')
    ?.get();
  const counted = figures?.values.map(({ labels, value }) => [
    labels.action,
    labels.outcome,
    value,
  ]);
  expect(counted).toEqual(
    expect.arrayContaining([
      ['adminCreateApiKey', 'done', 1],
      ['adminCreateApiKey', 'awaits_second', 1],
      ['adminReplayWebhookEvent', 'refused', 2],
    ]),
  );
});
