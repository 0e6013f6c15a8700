import { z } from 'zod';
import { OPERATIONS } from '../../api/operations.ts';
import type { Pool } from '../../db/pool.ts';
import { enrollOperator, openOperator, PASSWORD } from './operators.ts';
import { openTestApi, type TestApi } from './server.ts';

/** What is kept of operators: what they did, signing in and out, and what they were refused. */
let api: TestApi;
/** Set by a test: the end of an act cannot be written down. */
let isEndLost: boolean;
beforeEach(async () => {
  isEndLost = false;
  api = await openTestApi({ adapt: (deps) => ({ ...deps, pool: losingEnds(deps.pool) }) });
});
afterEach(() => api.close());

function losingEnds(pool: Pool): Pool {
  const query: Pool['query'] = (asked, ...values) =>
    isEndLost && asked.sql.includes('UPDATE operator_activity')
      ? Promise.reject(new Error('lost'))
      : pool.query(asked, ...values);
  return { ...pool, query };
}

const FROM = { 'x-forwarded-for': '203.0.113.9', 'user-agent': 'console/1' };
const WHERE = { remote_address: '203.0.113.9', user_agent: 'console/1' };
const post = (path: string, body: object) =>
  api.send('POST', `/api/v1/sessions${path}`, { body, headers: FROM });
const listKept = () =>
  api.database.queryAsOwner<Record<string, unknown>>('SELECT * FROM operator_activity ORDER BY id');

test('signing in and out is kept, the rotation of tokens is not', async () => {
  const { id, email } = await enrollOperator(api, 'operator');
  const session = await post('', { email: email.toUpperCase(), password: PASSWORD });
  const next = await post('/refresh', { refresh_token: session.body.refresh_token });
  await post('/end', { refresh_token: next.body.refresh_token });
  const who = { operator_id: id, email, role: 'operator', ...WHERE };
  const kept = await listKept();
  expect(kept).toMatchObject([
    { ...who, action: 'signIn', status: 201, request_id: session.headers.get('x-request-id') },
    { ...who, action: 'signOut', status: 204 },
  ]);
  const secrets = [PASSWORD, session.body.refresh_token, next.body.refresh_token];
  for (const secret of secrets) expect(JSON.stringify(kept)).not.toContain(secret);
});

test('who could not sign in is kept, without the words that were typed', async () => {
  const { id, email } = await enrollOperator(api, 'admin');
  await post('', { email, password: 'not the password' });
  await post('', { email: 'hunter2-typed-here@example.test', password: 'a guess' });
  const kept = await listKept();
  const action = 'signIn';
  expect(kept).toMatchObject([
    { operator_id: id, email: 'a•••@example.test', role: 'admin', action, status: 401, ...WHERE },
    { operator_id: 'nobody', email: 'h•••@example.test', role: null, action, status: 401 },
  ]);
  expect(JSON.stringify(kept)).not.toMatch(/not the password|a guess|hunter2/);
});

test('a refresh token that comes a second time is kept, one of nobody is not', async () => {
  const { id, email } = await enrollOperator(api, 'viewer');
  const { refresh_token } = (await post('', { email, password: PASSWORD })).body;
  await post('/refresh', { refresh_token });
  expect((await post('/refresh', { refresh_token })).status).toBe(401);
  expect((await post('/refresh', { refresh_token: 'rt_of-nobody' })).status).toBe(401);
  expect((await post('/end', { refresh_token: 'rt_of-nobody' })).status).toBe(204);
  expect(await listKept()).toMatchObject([
    { action: 'signIn', status: 201 },
    { action: 'refreshSession', operator_id: id, email: 'viewer@example.test', status: 401 },
  ]);
});

test('what an operator may not do is kept, whether it would change or show something', async () => {
  const { id, send } = await openOperator(api, 'viewer');
  const merchants = '/api/v1/admin/merchants';
  await send('GET', merchants);
  await send('POST', merchants, { body: { name: 'Duka' }, headers: FROM });
  await send('GET', '/api/v1/admin/operators');
  await send('POST', '/api/v1/payments', { body: {} });
  const kept = await listKept();
  const who = { operator_id: id, role: 'viewer', status: 403 };
  expect(kept).toMatchObject([
    { ...who, action: 'adminCreateMerchant', target: null, ...WHERE },
    { ...who, action: 'adminListOperators' },
  ]);
  const list = await send('GET', '/api/v1/admin/activity');
  expect(list.body.data).toMatchObject([{ status: 403 }, { status: 403 }]);
});

test('a search by phone or e-mail is kept, and the person in it is not', async () => {
  const { id, send } = await openOperator(api, 'viewer');
  const payments = '/api/v1/admin/payments';
  await send('GET', `${payments}?status=processing&reference=254712345678`);
  expect(await listKept()).toEqual([]);
  await send('GET', `${payments}?phone=%2B254%20712%20345678&status=failed`, { headers: FROM });
  await send('GET', `${payments}?email=asha%40example.com`);
  await send('GET', `${payments}?phone=0712345678&phone=0798765432`);
  await send('GET', `${payments}?phone=`);
  const kept = await listKept();
  const who = { operator_id: id, role: 'viewer', action: 'adminListPayments', target: null };
  expect(kept).toMatchObject([
    {
      ...who,
      ...WHERE,
      status: 200,
      details: { request_summary: '{"phone":"•••678","status":"failed"}' },
    },
    { ...who, status: 200, details: { request_summary: '{"email":"a•••@example.com"}' } },
    { ...who, status: 400, details: { request_summary: '{"phone":"•••432"}' } },
    { ...who },
  ]);
  expect(JSON.stringify(kept)).not.toMatch(/712 ?345|798765|asha/);
});

// Who adds a search by a person gives it one of the names that are kept.
test('the fields that name a person in operators’ searches are known', () => {
  const asked = OPERATIONS.filter(({ access }) => access.kind === 'operator').flatMap(
    ({ query }) => (query instanceof z.ZodObject ? Object.keys(query.shape) : []),
  );
  const personal = new Set(asked.filter((name) => /phone|mail|msisdn|^name|customer_n/.test(name)));
  expect([...personal].toSorted()).toEqual(['email', 'phone']);
});

test('a name that is too long is cut between two letters', async () => {
  const { send } = await openOperator(api, 'viewer');
  const start = 'x'.repeat(99);
  const path = `/api/v1/admin/operators/${encodeURIComponent(`${start}🦒`)}`;
  expect((await send('PATCH', path, { body: { name: 'Amina' } })).status).toBe(403);
  expect(await listKept()).toMatchObject([{ target: `${start}\ufffd`, status: 403 }]);
});

test('so is what came too fast, was no JSON or held a card number', async () => {
  const slow = { operator: { requests: 3, per_ms: 60_000 } };
  const own = await openTestApi({ rateLimits: slow });
  try {
    const { send } = await openOperator(own, 'admin');
    const merchants = '/api/v1/admin/merchants';
    await send('POST', merchants, { body: '{"name":' });
    await send('POST', merchants, { body: { name: '4242 4242 4242 4242' } });
    await send('GET', merchants);
    expect((await send('POST', merchants, { body: { name: 'Duka' } })).status).toBe(429);
    expect((await send('GET', merchants)).status).toBe(429);
    const kept = await own.database.queryAsOwner('SELECT * FROM operator_activity ORDER BY id');
    const action = 'adminCreateMerchant';
    const statuses = [400, 422, 429].map((status) => ({ action, status }));
    expect(kept).toMatchObject(statuses);
    expect(JSON.stringify(kept)).not.toMatch(/4242 *4242/);
  } finally {
    await own.close();
  }
});

test('each part of the path is kept: which key was revoked, and whose', async () => {
  const { send } = await openOperator(api, 'admin');
  const { body: merchant } = await send('POST', '/api/v1/admin/merchants', { body: { name: 'D' } });
  const keys = `/api/v1/admin/merchants/${merchant.id}/api-keys`;
  const { body: key } = await send('POST', keys, {
    body: { name: 'First', scopes: ['payments:read'] },
  });
  await send('DELETE', `${keys}/${key.id}`);
  const params = { id: merchant.id, key_id: key.id };
  const list = await send('GET', `/api/v1/admin/activity?target=${merchant.id}`);
  expect(list.body.data).toMatchObject([
    { action: 'adminRevokeApiKey', target: merchant.id, params, status: 200 },
    {
      action: 'adminCreateApiKey',
      params: { id: merchant.id },
      request_summary: '{"name":"First","scopes":["payments:read"]}',
    },
  ]);
  const { text } = await send('GET', '/api/v1/admin/activity/export?format=jsonl');
  expect(text).toContain(key.id);
});

test('what was done counts as done, though its end could not be written down', async () => {
  const { send } = await openOperator(api, 'admin');
  isEndLost = true;
  const made = await send('POST', '/api/v1/admin/merchants', { body: { name: 'Duka' } });
  expect(made).toMatchObject({ status: 201, body: { name: 'Duka' } });
  const refused = await send('PATCH', '/api/v1/admin/merchants/mer_x', { body: {} });
  expect(refused).toMatchObject({ status: 404, body: { code: 'not_found' } });
  expect(await listKept()).toMatchObject([{ status: null }, { status: null }]);
});
