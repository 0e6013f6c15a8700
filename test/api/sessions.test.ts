import { createHmac, randomBytes } from 'node:crypto';
import { createAccessTokens } from '../../api/sessions/token.ts';
import { newId } from '../../db/ids.ts';
import { openSession, updateOperator } from '../../db/operators.ts';
import { inPasswordTurn, PASSWORDS_WAITING_MAX } from '../../db/password.ts';
import { enrollOperator, openOperator, PASSWORD, PASSWORD_HASH } from './operators.ts';
import { type Answer, openTestApi, type TestApi, TOKEN_CONFIG } from './server.ts';

let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

const post = (path: string, body: object) => api.send('POST', `/api/v1/sessions${path}`, { body });
const look = (token: string | undefined) =>
  api.send('GET', '/api/v1/admin/operators', { headers: { authorization: `Bearer ${token}` } });

test('an operator signs in, refreshes and signs out', async () => {
  const { email } = await enrollOperator(api, 'admin');
  const session = await post('', { email, password: PASSWORD });
  expect(session).toMatchObject({ status: 201, body: { expires_in: 900, token_type: 'Bearer' } });
  expect((await look(session.body.access_token)).status).toBe(200);
  const next = await post('/refresh', { refresh_token: session.body.refresh_token });
  expect((await look(next.body.access_token)).status).toBe(200);
  const { refresh_token } = next.body;
  expect((await post('/end', { refresh_token })).status).toBe(204);
  expect((await post('/refresh', { refresh_token })).body.code).toBe('sign_in_refused');
});

describe('its access tokens', () => {
  const open = async (email: string) => (await post('', { email, password: PASSWORD })).body;
  const refresh = (refresh_token: unknown) => post('/refresh', { refresh_token });
  const statusesOf = async (...tokens: readonly (string | undefined)[]) =>
    (await Promise.all(tokens.map(look))).map(({ status }) => status);

  test('open nothing after signing out; another session goes on', async () => {
    const { email } = await enrollOperator(api, 'admin');
    const [first, other] = [await open(email), await open(email)];
    const { body: next } = await refresh(first.refresh_token);
    const tokens = [first.access_token, next.access_token, other.access_token];
    expect(await statusesOf(...tokens)).toEqual([200, 200, 200]);
    await post('/end', { refresh_token: next.refresh_token });
    expect(await statusesOf(...tokens)).toEqual([401, 401, 200]);
  });

  test('open nothing once a refresh token was seen twice', async () => {
    const { email } = await enrollOperator(api, 'admin');
    const [first, other] = [await open(email), await open(email)];
    const { body: next } = await refresh(first.refresh_token);
    expect((await refresh(first.refresh_token)).status).toBe(401);
    const tokens = [first.access_token, next.access_token, other.access_token];
    expect(await statusesOf(...tokens)).toEqual([401, 401, 200]);
  });
});

test('a wrong password and a wrong address are refused in the same words', async () => {
  const { email } = await enrollOperator(api, 'viewer');
  const wrong = await post('', { email, password: `${PASSWORD}!` });
  const nobody = await post('', { email: 'nobody@example.test', password: PASSWORD });
  expect(wrong).toMatchObject({ status: 401, body: { code: 'sign_in_refused' } });
  expect(nobody.body.detail).toBe(wrong.body.detail);
  expect(wrong.text + nobody.text).not.toContain(PASSWORD);
});

describe('guessing', () => {
  const signIn = (email: string, from: string, password = 'guess') =>
    api.send('POST', '/api/v1/sessions', {
      body: { email, password },
      headers: { 'x-forwarded-for': from },
    });
  const statusesOf = async (tries: number, guess: (index: number) => ReturnType<typeof signIn>) => {
    const statuses: number[] = [];
    for (let index = 0; index < tries; index += 1) statuses.push((await guess(index)).status);
    return statuses;
  };
  const TEN_TRIES = [...Array<number>(10).fill(401), 429];
  const expectToldWhen = ({ status, headers, body }: Answer) => {
    expect([status, body.code]).toEqual([429, 'rate_limited']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  };

  test('many accounts from one place is stopped', async () => {
    const from = '198.51.100.1';
    const guess = (index: number) => signIn(`a${index}@example.test`, from);
    expect(await statusesOf(11, guess)).toEqual(TEN_TRIES);
    expectToldWhen(await signIn('b@example.test', from));
  });

  test('one account from one IPv6 network is stopped; its owner still signs in', async () => {
    const { email } = await enrollOperator(api, 'admin');
    const guess = (index: number) => signIn(email, `2001:db8:0:1::${index}`);
    expect(await statusesOf(11, guess)).toEqual(TEN_TRIES);
    expect((await signIn(email, '2001:db8:0:2::1', PASSWORD)).status).toBe(201);
  });

  test('one IPv6 site is stopped as well, later; a site beside it is not', async () => {
    await api.close();
    const one = { requests: 2, per_ms: 60_000 };
    const site = { requests: 6, per_ms: 60_000 };
    api = await openTestApi({ rateLimits: { sign_in: one, sign_in_site: site } });
    // Each of its networks has two tries; a third of the same one uses up nothing of the others'.
    const guess = (index: number) => signIn('a@example.test', `2001:db8:7:${index % 3}::${index}`);
    expect(await statusesOf(9, guess)).toEqual([401, 401, 401, 401, 401, 401, 429, 429, 429]);
    expectToldWhen(await signIn('a@example.test', '2001:db8:7:99::1'));
    expect((await signIn('a@example.test', '2001:db8:8:1::1')).status).toBe(401);
    expect((await signIn('a@example.test', '203.0.113.1')).status).toBe(401);
  });

  test('one account from everywhere is stopped as well, later', async () => {
    await api.close();
    api = await openTestApi({ rateLimits: { sign_in_email: { requests: 12, per_ms: 60_000 } } });
    const { email } = await enrollOperator(api, 'admin');
    const guess = (index: number) => signIn(email, `203.0.113.${index}`);
    expect((await statusesOf(12, guess)).every((status) => status === 401)).toBe(true);
    expectToldWhen(await signIn(email.toUpperCase(), '203.0.113.99', PASSWORD));
    expect((await signIn('other@example.test', '203.0.113.99')).status).toBe(401);
  });
});

test('while many passwords are being checked, one more is told to come again', async () => {
  const { email } = await enrollOperator(api, 'admin');
  const { send: admin } = await openOperator(api, 'operator');
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  const checking = Array.from({ length: 2 + PASSWORDS_WAITING_MAX }, () =>
    inPasswordTurn(() => held),
  );
  const busy = await post('', { email, password: PASSWORD });
  expect(busy).toMatchObject({ status: 429, body: { code: 'rate_limited', retryable: true } });
  expect(Number(busy.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await admin('GET', '/api/v1/admin/merchants')).status).toBe(200);
  letGo();
  await Promise.all(checking);
  expect((await post('', { email, password: PASSWORD })).status).toBe(201);
});

const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
const [{ key }] = TOKEN_CONFIG.tokenKeys;
const forge = (header: object, claims: object, secret: Buffer = key) => {
  const body = `${encode(header)}.${encode(claims)}`;
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`;
};
const nowSeconds = Math.floor(Date.now() / 1000);
const HEADER = { alg: 'HS256', kid: 'today', typ: 'at+jwt' };
let passwordSetAt: string;
let sid: string;
const claimsOf = (sub: string, changes: object = {}) => ({
  iss: TOKEN_CONFIG.publicUrl,
  aud: 'malipo-operators',
  sub,
  iat: nowSeconds,
  sid,
  jti: 'req_1',
  password_set_at: passwordSetAt,
  exp: nowSeconds + 600,
  ...changes,
});

describe('a token', () => {
  let id: string;
  let otherSid: string;
  beforeEach(async () => {
    const other = await enrollOperator(api, 'admin', 'other@example.test');
    otherSid = (await openSession(api.pool, other.id, PASSWORD_HASH))?.sessionId ?? '';
    ({ id, password_set_at: passwordSetAt } = await enrollOperator(api, 'admin'));
    sid = (await openSession(api.pool, id, PASSWORD_HASH))?.sessionId ?? '';
  });

  test('of any key of the ring is good', async () => {
    const [, yesterday] = TOKEN_CONFIG.tokenKeys;
    const header = { ...HEADER, kid: 'yesterday' };
    expect((await look(forge(HEADER, claimsOf(id)))).status).toBe(200);
    expect((await look(forge(header, claimsOf(id), yesterday.key))).status).toBe(200);
  });

  // biome-ignore format: table, one case per line
  test.each<readonly [string, (id: string) => string]>([
    ['without a signature', (sub) => `${encode({ ...HEADER, alg: 'none' })}.${encode(claimsOf(sub))}.`],
    ['whose signature is of none, in other letters', (sub) => `${encode({ ...HEADER, alg: 'nOnE' })}.${encode(claimsOf(sub))}.`],
    ['of another algorithm', (sub) => forge({ ...HEADER, alg: 'HS512' }, claimsOf(sub))],
    ['that claims a public key', (sub) => forge({ ...HEADER, alg: 'RS256' }, claimsOf(sub))],
    ['of another key', (sub) => forge(HEADER, claimsOf(sub), randomBytes(32))],
    ['of the ring’s other key', (sub) => forge({ ...HEADER, kid: 'yesterday' }, claimsOf(sub))],
    ['with an unknown key id', (sub) => forge({ ...HEADER, kid: 'tomorrow' }, claimsOf(sub))],
    ['with a path for a key id', (sub) => forge({ ...HEADER, kid: '../../dev/null' }, claimsOf(sub), Buffer.alloc(0))],
    ['with SQL for a key id', (sub) => forge({ ...HEADER, kid: "' UNION SELECT 'x" }, claimsOf(sub), Buffer.from('x'))],
    ['that brings its own key', (sub) => forge({ ...HEADER, jwk: { kty: 'oct', k: 'eA' } }, claimsOf(sub), Buffer.from('x'))],
    ['that names a key’s address', (sub) => forge({ ...HEADER, jku: 'http://127.0.0.1/keys' }, claimsOf(sub), randomBytes(32))],
    ['of another kind', (sub) => forge({ ...HEADER, typ: 'JWT' }, claimsOf(sub))],
    ['that has expired', (sub) => forge(HEADER, claimsOf(sub, { exp: nowSeconds - 60 }))],
    ['that never expires', (sub) => forge(HEADER, claimsOf(sub, { exp: undefined }))],
    ['that is not yet good', (sub) => forge(HEADER, claimsOf(sub, { nbf: nowSeconds + 600 }))],
    ['for another audience', (sub) => forge(HEADER, claimsOf(sub, { aud: 'another' }))],
    ['of another issuer', (sub) => forge(HEADER, claimsOf(sub, { iss: 'https://evil.example.test' }))],
    ['of no session', (sub) => forge(HEADER, claimsOf(sub, { sid: undefined }))],
    ['of another’s session', (sub) => forge(HEADER, claimsOf(sub, { sid: otherSid }))],
    ['of nobody', () => forge(HEADER, claimsOf(newId('operator')))],
    ['that is no token', () => 'aaaa.bbbb.cccc'],
    ['cut short', (sub) => forge(HEADER, claimsOf(sub)).slice(0, -4)],
  ])('%s is refused', async (_what, tokenOf) => {
    expect(await look(tokenOf(id))).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
  });

  const ODD = [['a list'], [[]], 17, 1e300, -1, {}, { a: 1 }, true, null, '', '\0', '\ud800'];
  const CLAIMS = ['iss', 'aud', 'sub', 'sid', 'password_set_at', 'iat', 'exp', 'nbf', 'jti'];
  /** What is right for a date. */
  const isInOrder = (claim: string, odd: unknown) =>
    (typeof odd === 'number' && /iat|exp/.test(claim) && odd !== -1 && odd !== 17) ||
    (claim === 'iat' && (odd === 17 || odd === -1)) ||
    (claim === 'nbf' && (odd === 17 || odd === -1));

  test.each(CLAIMS)('whose %s is of another form is refused, and breaks nothing', async (claim) => {
    for (const odd of ODD.filter((it) => !isInOrder(claim, it))) {
      const { status } = await look(forge(HEADER, claimsOf(id, { [claim]: odd })));
      expect([claim, odd, status]).toEqual([claim, odd, 401]);
    }
  });

  test('counts no longer when its operator is switched off, or may no longer', async () => {
    const token = forge(HEADER, claimsOf(id));
    await updateOperator(api.pool, id, { role: 'viewer' });
    expect((await look(token)).status).toBe(403);
    await updateOperator(api.pool, id, { active: false });
    expect((await look(token)).status).toBe(401);
  });
});

test('a merchant’s key opens no operator’s proxy, nor a token a merchant’s', async () => {
  expect((await api.send('GET', '/api/v1/admin/operators')).status).toBe(401);
  const { send } = await openOperator(api, 'admin');
  expect((await send('GET', '/api/v1/payments')).status).toBe(401);
});

test('without a key no tokens are made', () => {
  expect(() => createAccessTokens({ ...TOKEN_CONFIG, tokenKeys: [] })).toThrow('at least one key');
});
