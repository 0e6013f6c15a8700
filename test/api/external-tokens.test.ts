import { createHmac, createPublicKey } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { createAccessTokens } from '../../api/sessions/token.ts';
import { storePaymentIn } from '../factories.ts';
import { openOperator, PASSWORD } from './operators.ts';
import { openTestApi, type TestApi, TOKEN_CONFIG } from './server.ts';

/** Operators with tokens of an issuer of the deployment's own, whose keys are read over HTTP. */
const ISSUER = 'https://login.example.test';
const AUDIENCE = 'malipo';
type Signer = {
  readonly alg: string;
  readonly kid: string;
  readonly privateKey: Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];
  readonly jwk: JWK;
};
async function makeSigner(alg: string, kid: string): Promise<Signer> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  return { alg, kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' } };
}

let rsa: Signer;
let ec: Signer;
let other: Signer;
let stranger: Signer;
beforeAll(async () => {
  rsa = await makeSigner('RS256', 'rsa-1');
  ec = await makeSigner('ES256', 'ec-1');
  other = await makeSigner('RS512', 'rsa-512');
  stranger = await makeSigner('RS256', 'rsa-1');
});

let api: TestApi;
let issuer: Server;
let published: readonly Signer[];
/** How the issuer answers who asks for its keys. */
let answer: (response: ServerResponse) => void;
const publish = (response: ServerResponse, before = '') => {
  response.end(before + JSON.stringify({ keys: published.map(({ jwk }) => jwk) }));
};
beforeEach(async () => {
  published = [rsa, ec, other];
  answer = publish;
  issuer = createServer((_request, response) => answer(response));
  await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
  const address = issuer.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const jwksUrl = `http://127.0.0.1:${port}/keys`;
  const oidc = { issuer: ISSUER, audience: AUDIENCE, jwksUrl, roleClaim: 'malipo_role' };
  const accessTokens = createAccessTokens({ ...TOKEN_CONFIG, oidc });
  api = await openTestApi({ adapt: (deps) => ({ ...deps, accessTokens }) });
});
afterEach(async () => {
  await api.close();
  issuer.closeAllConnections();
  await new Promise((resolve) => issuer.close(resolve));
});

const nowSeconds = Math.floor(Date.now() / 1000);
const CLAIMS = {
  iss: ISSUER,
  aud: AUDIENCE,
  sub: 'u-17',
  email: 'asha@example.test',
  malipo_role: 'admin',
  exp: nowSeconds + 600,
};
const sign = (by: Signer, changes: object = {}, header: object = {}) =>
  new SignJWT({ ...CLAIMS, ...changes })
    .setProtectedHeader({ alg: by.alg, kid: by.kid, ...header })
    .sign(by.privateKey);
const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
/** As a shared secret: what verifiers fell for that let a token choose its algorithm. */
const signWithPublicKey = (key: string) => {
  const body = `${encode({ alg: 'HS256', kid: rsa.kid })}.${encode(CLAIMS)}`;
  return `${body}.${createHmac('sha256', key).update(body).digest('base64url')}`;
};
const pemOf = ({ jwk }: Signer) =>
  createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString();

const OPERATORS = '/api/v1/admin/operators';
const look = async (token: string, path = OPERATORS) =>
  await api.send('GET', path, { headers: { authorization: `Bearer ${token}` } });

test.each(['RS256', 'ES256'])(
  'a token signed by %s opens, with the role it claims',
  async (alg) => {
    const by = alg === 'RS256' ? rsa : ec;
    expect((await look(await sign(by))).status).toBe(200);
    expect((await look(await sign(by, { malipo_role: 'viewer' }))).status).toBe(403);
    const seen = await look(await sign(by, { malipo_role: 'viewer' }), '/api/v1/admin/merchants');
    expect(seen.status).toBe(200);
  },
);

test('an e-mail address of another form is not taken for one, and breaks nothing', async () => {
  const odd = [['a@example.test'], 17, {}, null, '', 'a\0@example.test', 'a'.repeat(1000)];
  for (const email of odd) {
    const headers = { authorization: `Bearer ${await sign(ec, { email })}` };
    const made = await api.send('POST', '/api/v1/admin/merchants', {
      body: { name: 'D' },
      headers,
    });
    expect([email, made.status]).toEqual([email, 201]);
  }
  const kept = await api.database.queryAsOwner('SELECT DISTINCT email FROM operator_activity');
  expect(kept).toEqual([{ email: 'u-17' }]);
});

test('what its bearer does is kept under the issuer’s name for it', async () => {
  await api.send('POST', '/api/v1/admin/merchants', {
    body: { name: 'Duka' },
    headers: { authorization: `Bearer ${await sign(ec)}` },
  });
  expect(await api.database.queryAsOwner('SELECT * FROM operator_activity')).toMatchObject([
    { operator_id: 'external:u-17', email: CLAIMS.email, role: 'admin', status: 201 },
  ]);
});

describe('where two operators have to agree', () => {
  const decide = async (id: string, token: string) =>
    await api.send('POST', `/api/v1/admin/payments/${id}/decision`, {
      body: { decision: 'failed', reason: 'the statement does not hold it' },
      headers: { authorization: `Bearer ${token}` },
    });
  const storeLarge = async () =>
    (await storePaymentIn(api.pool, 'needs_review', { amountMinor: 10_000_000 })).id;
  const expectRefused = async (first: string, second: string) => {
    const id = await storeLarge();
    expect((await decide(id, first)).status).toBe(202);
    const answer = await decide(id, second);
    expect(answer).toMatchObject({ status: 409, body: { code: 'invalid_decision' } });
    expect(answer.body.detail).toContain('issuer');
    expect(api.engine.decided).toEqual([]);
  };

  test('an account of ours and a token may be one person’s', async () => {
    const { token: own } = await openOperator(api, 'operator');
    const foreign = await sign(rsa);
    await expectRefused(own, foreign);
    await expectRefused(foreign, own);
  });

  test('so may an account of ours and the token that set another’s password', async () => {
    const { token: own } = await openOperator(api, 'operator');
    const session = { email: 'puppet@example.test', password: PASSWORD };
    const made = await api.send('POST', OPERATORS, {
      body: { ...session, name: 'puppet', role: 'operator' },
      headers: { authorization: `Bearer ${await sign(rsa)}` },
    });
    expect(made.status).toBe(201);
    const puppet = await api.send('POST', '/api/v1/sessions', { body: session });
    await expectRefused(own, puppet.body.access_token ?? '');
  });

  test('two of the issuer’s are two', async () => {
    const id = await storeLarge();
    expect((await decide(id, await sign(rsa))).status).toBe(202);
    expect((await decide(id, await sign(rsa, { sub: 'u-18' }))).status).toBe(200);
    expect(api.engine.decided).toMatchObject([
      { decision: { by: 'external:u-17 and external:u-18' } },
    ]);
  });
});

// biome-ignore format: table, one case per line
test.each<readonly [string, () => Promise<string> | string]>([
  ['signed by HS256 with the public key in PEM', () => signWithPublicKey(pemOf(rsa))],
  ['signed by HS256 with the public key as published', () => signWithPublicKey(JSON.stringify(rsa.jwk))],
  ['without a signature', () => `${encode({ alg: 'none', kid: rsa.kid })}.${encode(CLAIMS)}.`],
  ['of an algorithm that is not taken', () => sign(other)],
  ['of another key under the same id', () => sign(stranger)],
  ['that brings its own key', () => sign(stranger, {}, { jwk: stranger.jwk })],
  ['of a key that is not published', () => sign(stranger, {}, { kid: 'rsa-0' })],
  ['of another issuer', () => sign(rsa, { iss: 'https://evil.example.test' })],
  ['of no issuer', () => sign(rsa, { iss: undefined })],
  ['for another audience', () => sign(rsa, { aud: 'another' })],
  ['for no audience', () => sign(rsa, { aud: undefined })],
  ['that has expired', () => sign(rsa, { exp: nowSeconds - 60 })],
  ['that never expires', () => sign(rsa, { exp: undefined })],
  ['that is not yet good', () => sign(rsa, { nbf: nowSeconds + 600 })],
  ['without a role', () => sign(rsa, { malipo_role: undefined })],
  ['with an unknown role', () => sign(rsa, { malipo_role: 'root' })],
  ['with several roles', () => sign(rsa, { malipo_role: ['admin'] })],
  ['of nobody', () => sign(rsa, { sub: undefined })],
  ['of a number', () => sign(rsa, { sub: 17 })],
  ['of an empty name', () => sign(rsa, { sub: '' })],
  ['of a list of names', () => sign(rsa, { sub: ['u-17'] })],
  ['of an object for a name', () => sign(rsa, { sub: { id: 'u-17' } })],
  ['of a name that no row can hold', () => sign(rsa, { sub: 'u-17\0' })],
  ['of a name without end', () => sign(rsa, { sub: 'u'.repeat(1000) })],
])('a token %s is refused', async (_what, make) => {
  expect(await look(await make())).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
});

test('a token without a key’s id is refused where it may be of several keys', async () => {
  published = [rsa, { ...stranger, jwk: { ...stranger.jwk, kid: 'rsa-2' } }];
  expect((await look(await sign(rsa, {}, { kid: undefined }))).status).toBe(401);
});

test('a new key of the issuer counts, and one that it took back no longer', async () => {
  expect((await look(await sign(rsa))).status).toBe(200);
  published = [{ ...stranger, kid: 'rsa-2', jwk: { ...stranger.jwk, kid: 'rsa-2' } }];
  const later = Date.now() + 31_000;
  const { now } = Date;
  Date.now = () => later;
  try {
    expect((await look(await sign(stranger, {}, { kid: 'rsa-2' }))).status).toBe(200);
    expect((await look(await sign(rsa))).status).toBe(401);
  } finally {
    Date.now = now;
  }
});

// biome-ignore format: table, one case per line
test.each<readonly [string, (response: ServerResponse) => void]>([
  ['that answers nobody', (response) => response.destroy()],
  ['that answers 500', (response) => response.writeHead(500).end()],
  ['that sends its caller elsewhere', (response) => response.writeHead(302, { location: '/' }).end()],
  ['that answers a page', (response) => response.end('<html>maintenance</html>')],
  ['that answers no keys', (response) => response.end('{}')],
  ['that answers without end', (response) => publish(response, ' '.repeat(32 * 1024 * 1024))],
])('with an issuer %s its operators are told to come again, others come in', async (_what, how) => {
  answer = how;
  const away = await look(await sign(rsa));
  expect(away).toMatchObject({ status: 503, body: { code: 'temporarily_unavailable' } });
  expect(away.headers.get('retry-after')).toMatch(/^\d+$/);
  const { token } = await openOperator(api, 'admin');
  expect((await look(token)).status).toBe(200);
  expect((await look('aaaa.bbbb.cccc')).status).toBe(401);
  answer = publish;
  expect((await look(await sign(rsa))).status).toBe(200);
});

test('an issuer that goes away is not missed while its keys are fresh', async () => {
  expect((await look(await sign(rsa))).status).toBe(200);
  answer = (response) => response.destroy();
  expect((await look(await sign(ec))).status).toBe(200);
});
