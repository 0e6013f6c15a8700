import { newId } from '../../db/ids.ts';
import { ROLES } from '../../domain/access.ts';
import { MERCHANT } from '../factories.ts';
import { openOperator } from './operators.ts';
import { openTestApi, type Send, type TestApi } from './server.ts';

let api: TestApi;
let admin: { readonly id: string; readonly send: Send };
beforeEach(async () => {
  api = await openTestApi();
  admin = await openOperator(api, 'admin');
});
afterEach(() => api.close());

const withKey = (key: string | undefined) => ({ headers: { authorization: `Bearer ${key}` } });
const looks = async (key: string | undefined) =>
  (await api.send('GET', '/api/v1/payments', withKey(key))).status;

test('a merchant rotates its key: the new one opens, then the old one closes', async () => {
  const made = await api.send('POST', '/api/v1/api-keys', { body: { name: 'Web shop' } });
  expect(made).toMatchObject({ status: 201, body: { name: 'Web shop', revoked_at: null } });
  const { key, id } = made.body;
  expect(await looks(key)).toBe(200);
  const list = await api.send('GET', '/api/v1/api-keys');
  expect(list.body.data.map((it) => it.id)).toContain(id);
  expect(list.text).not.toContain(key);
  const revoked = await api.send('DELETE', `/api/v1/api-keys/${id}`);
  expect(revoked.body.revoked_at).not.toBeNull();
  expect(await looks(key)).toBe(401);
  expect(await looks(String(key).replace(/.$/, 'x'))).toBe(401);
});

test('a key gives no scope that it lacks, and reaches no other merchant’s', async () => {
  const scopes = ['api_keys:write', 'payments:read'];
  const { body } = await api.send('POST', '/api/v1/api-keys', { body: { name: 'a', scopes } });
  const more = { name: 'b', scopes: ['payments:read', 'refunds:write'] };
  const answer = await api.send('POST', '/api/v1/api-keys', { body: more, ...withKey(body.key) });
  expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  expect(answer.body.detail).toContain('refunds:write');
  const same = await api.send('POST', '/api/v1/api-keys', {
    body: { name: 'c' },
    ...withKey(body.key),
  });
  expect(same.body.scopes).toEqual(scopes);
  const other = await api.openMerchant();
  expect((await other.send('DELETE', `/api/v1/api-keys/${body.id}`)).status).toBe(404);
  expect(await looks(body.key)).toBe(200);
});

test('a key ends by its time', async () => {
  const body = { name: 'a', expires_at: '2020-01-01T00:00:00Z' };
  const made = await api.send('POST', '/api/v1/api-keys', { body });
  expect(await looks(made.body.key)).toBe(401);
});

test('two admins make a merchant’s key, and one switches it off', async () => {
  const { send: second } = await openOperator(api, 'admin', 'second@example.test');
  const { body } = await admin.send('POST', '/api/v1/admin/merchants', { body: { name: 'Duka' } });
  const path = `/api/v1/admin/merchants/${body.id}`;
  const asked = await admin.send('POST', `${path}/api-keys`, { body: { name: 'First' } });
  expect([asked.status, asked.body.key]).toEqual([202, undefined]);
  const made = await second('POST', `${path}/api-keys`, { body: { name: 'First' } });
  const { key } = made.body;
  expect(await looks(key)).toBe(200);
  expect((await admin.send('GET', `${path}/api-keys`)).body.data).toHaveLength(1);
  await admin.send('PATCH', path, { body: { active: false } });
  expect(await looks(key)).toBe(401);
  await admin.send('PATCH', path, { body: { active: true } });
  expect(await looks(key)).toBe(200);
  await admin.send('DELETE', `${path}/api-keys/${made.body.id}`);
  expect(await looks(key)).toBe(401);
  const elsewhere = `/api/v1/admin/merchants/${MERCHANT.id}/api-keys/${made.body.id}`;
  expect((await admin.send('DELETE', elsewhere)).status).toBe(404);
});

test('a key that ends makes none that outlives it', async () => {
  const make = (key: string | undefined, expires_at?: string) =>
    api.send('POST', '/api/v1/api-keys', { body: { name: 'a', expires_at }, ...withKey(key) });
  const [soon, later] = ['2100-01-01T00:00:00.000Z', '2100-01-01T00:00:00.001Z'];
  const { key } = (await make(api.apiKey, soon)).body;
  expect((await make(key)).body.expires_at).toBe(soon);
  expect((await make(key, '2099-01-01T03:00:00+03:00')).body.expires_at).toBe(
    '2099-01-01T00:00:00.000Z',
  );
  const beyond = await make(key, later);
  expect(beyond).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  expect(beyond.body.detail).toContain(soon);
  expect((await make(api.apiKey)).body.expires_at).toBeNull();
});

test('the pages of merchants hold each once', async () => {
  for (let made = 0; made < 4; made += 1) await api.openMerchant();
  const seen: string[] = [];
  let next = '';
  for (let page = 0; page < 3; page += 1) {
    const { body } = await admin.send('GET', `/api/v1/admin/merchants?limit=2${next}`);
    seen.push(...body.data.map(({ id }) => id));
    next = `&cursor=${body.next_cursor}`;
  }
  expect(new Set(seen).size).toBe(5);
});

test('an operator is made, changed and switched off, and no admin changes itself', async () => {
  const body = { email: 'Juma@example.test', name: 'Juma', role: 'viewer' };
  const path = '/api/v1/admin/operators';
  const password = 'another long password';
  const made = await admin.send('POST', path, { body: { ...body, password } });
  expect(made).toMatchObject({ status: 201, body: { email: 'juma@example.test' } });
  expect(made.text).not.toContain(password);
  const again = await admin.send('POST', path, { body: { ...body, password } });
  expect(again).toMatchObject({ status: 409, body: { code: 'email_taken' } });
  const short = await admin.send('POST', path, { body: { ...body, password: 'short' } });
  expect(short.body.errors?.map(({ pointer }) => pointer)).toEqual(['/password']);
  const one = `${path}/${made.body.id}`;
  expect((await admin.send('PATCH', one, { body: { role: 'operator' } })).body.role).toBe(
    'operator',
  );
  expect((await admin.send('PATCH', one, { body: { active: false } })).body.active).toBe(false);
  const self = await admin.send('PATCH', `${path}/${admin.id}`, { body: { role: 'viewer' } });
  expect(self.status).toBe(403);
  const nobody = await admin.send('PATCH', `${path}/${newId('operator')}`, { body: {} });
  expect(nobody.status).toBe(404);
});

test('every act is kept with who, from where and how it ended; no secret is', async () => {
  const password = 'a password nobody keeps';
  const body = { email: 'a@example.test', name: 'A', role: 'viewer', password };
  const headers = { 'user-agent': 'console/1', 'x-forwarded-for': '203.0.113.9' };
  await admin.send('POST', '/api/v1/admin/operators', { body, headers });
  await admin.send('POST', '/api/v1/admin/operators', { body, headers });
  await admin.send('GET', '/api/v1/admin/merchants');
  const acts = await api.database.queryAsOwner<Record<string, unknown>>(
    'SELECT * FROM operator_activity ORDER BY id',
  );
  const who = { operator_id: admin.id, role: 'admin', action: 'adminCreateOperator' };
  const where = { remote_address: '203.0.113.9', user_agent: 'console/1' };
  expect(acts).toMatchObject([
    { ...who, ...where, status: 201 },
    { ...who, ...where, status: 409 },
  ]);
  expect(JSON.stringify(acts)).not.toContain(password);
  const list = await admin.send('GET', '/api/v1/admin/activity?limit=1');
  expect(list.body).toMatchObject({ data: [{ ...who, ...where, status: 409 }], has_more: true });
  const next = await admin.send('GET', `/api/v1/admin/activity?cursor=${list.body.next_cursor}`);
  expect(next.body).toMatchObject({ data: [{ ...who, status: 201 }], has_more: false });
  await expect(api.database.queryAsOwner('DELETE FROM operator_activity')).rejects.toThrow(
    'append',
  );
});

test.each(ROLES)('a %s may do what its role covers, and no more', async (role) => {
  const { send } = role === 'admin' ? admin : await openOperator(api, role);
  expect((await send('GET', '/api/v1/admin/merchants')).status).toBe(200);
  const made = await send('POST', '/api/v1/admin/merchants', { body: { name: 'Duka' } });
  expect(made.status).toBe(role === 'admin' ? 201 : 403);
});
