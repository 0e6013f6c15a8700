import { enrollOperator, openOperator, PASSWORD } from './operators.ts';
import { openTestApi, type TestApi } from './server.ts';

/** An operator's own password: who may change it, and what a change ends. */
let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

const OWN = 'a pass phrase of its own';
const post = (path: string, body: object, from = '203.0.113.1') =>
  api.send('POST', `/api/v1/sessions${path}`, { body, headers: { 'x-forwarded-for': from } });
const signIn = (email: string, password: string) => post('', { email, password });
const change = (email: string, password: string, new_password: string, from?: string) =>
  post('/password', { email, password, new_password }, from);
const look = (token: string | undefined) =>
  api.send('GET', '/api/v1/admin/providers', { headers: { authorization: `Bearer ${token}` } });

test('it is changed by who knows it; sessions of before end, a new one is handed out', async () => {
  const { email } = await enrollOperator(api, 'viewer');
  const { body: before } = await signIn(email, PASSWORD);
  const changed = await change(email.toUpperCase(), PASSWORD, OWN);
  expect(changed).toMatchObject({ status: 201, body: { object: 'session', operator: { email } } });
  expect((await look(before.access_token)).status).toBe(401);
  expect((await post('/refresh', { refresh_token: before.refresh_token })).status).toBe(401);
  expect((await look(changed.body.access_token)).status).toBe(200);
  const { refresh_token } = changed.body;
  expect((await post('/refresh', { refresh_token })).status).toBe(201);
  expect((await signIn(email, PASSWORD)).status).toBe(401);
  expect((await signIn(email, OWN)).status).toBe(201);
});

test('an admin’s reset ends access tokens as well, at once', async () => {
  const { id, email } = await enrollOperator(api, 'viewer');
  const { body: before } = await signIn(email, PASSWORD);
  const admin = await openOperator(api, 'admin');
  const body = { password: OWN };
  const reset = await admin.send('PATCH', `/api/v1/admin/operators/${id}`, { body });
  expect(reset).toMatchObject({ status: 200, body: { password_set_by: admin.id } });
  expect((await look(before.access_token)).status).toBe(401);
  expect((await look((await signIn(email, OWN)).body.access_token)).status).toBe(200);
});

test('who does not know it is refused, in the words of signing in', async () => {
  const { email } = await enrollOperator(api, 'viewer');
  const words = (await signIn(email, 'a guess')).body.detail;
  for (const it of [
    await change(email, 'a guess', OWN),
    await change('nobody@example.test', OWN, PASSWORD),
  ]) {
    expect(it).toMatchObject({ status: 401, body: { code: 'sign_in_refused', detail: words } });
  }
  expect((await signIn(email, PASSWORD)).status).toBe(201);
});

test('the same once more is refused: nobody forgets it by that; so is a short one', async () => {
  const { email } = await enrollOperator(api, 'viewer');
  // The last is the same by NFKC, which is what is hashed: its first letter is a full-width one.
  for (const next of [PASSWORD, 'short', `ａ${PASSWORD.slice(1)}`]) {
    const answer = await change(email, PASSWORD, next);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(answer.body.errors).toMatchObject([{ pointer: '/new_password' }]);
  }
  expect((await signIn(email, PASSWORD)).status).toBe(201);
});

test('guessing counts as guessing at the proxy', async () => {
  await api.close();
  const rateLimits = { sign_in: { requests: 2, per_ms: 60_000 } };
  api = await openTestApi({ rateLimits });
  const { email } = await enrollOperator(api, 'viewer');
  const statuses = [await change(email, 'a guess', OWN), await signIn(email, 'a guess')];
  expect(statuses.map(({ status }) => status)).toEqual([401, 401]);
  expect((await change(email, PASSWORD, OWN)).status).toBe(429);
  await api.close();
  api = await openTestApi({ rateLimits: { sign_in_email: rateLimits.sign_in } });
  await enrollOperator(api, 'viewer');
  for (const from of ['203.0.113.2', '203.0.113.3']) await change(email, 'a guess', OWN, from);
  expect((await change(email, PASSWORD, OWN, '203.0.113.4')).status).toBe(429);
});

test('of two changes at once that know the same password, one counts', async () => {
  const { email } = await enrollOperator(api, 'viewer');
  const nexts = ['a first pass phrase', 'a second pass phrase'];
  const answers = await Promise.all(nexts.map((next) => change(email, PASSWORD, next)));
  expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([201, 401]);
  const won = answers.findIndex(({ status }) => status === 201);
  expect((await signIn(email, nexts[won] ?? '')).status).toBe(201);
});

test('it is kept, without the words that were typed', async () => {
  const { id, email } = await enrollOperator(api, 'operator');
  await change(email, 'a guess of mine', OWN);
  await change(email, PASSWORD, OWN);
  const kept = await api.database.queryAsOwner('SELECT * FROM operator_activity ORDER BY id');
  const act = { operator_id: id, action: 'changePassword', role: 'operator' };
  expect(kept).toMatchObject([
    { ...act, status: 401 },
    { ...act, status: 201, email },
  ]);
  for (const word of ['a guess of mine', PASSWORD, OWN]) {
    expect(JSON.stringify(kept)).not.toContain(word);
  }
});

test('an admin changes the others’ so, and its own in this way alone', async () => {
  const { id, send } = await openOperator(api, 'admin');
  const answer = await send('PATCH', `/api/v1/admin/operators/${id}`, { body: { password: OWN } });
  expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  expect(answer.body.detail).toContain('/api/v1/sessions/password');
  expect((await signIn('admin@example.test', PASSWORD)).status).toBe(201);
});
