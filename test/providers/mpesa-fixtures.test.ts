import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { ProviderError } from '../../domain/error.ts';
import type { ProviderClient } from '../../domain/provider.ts';
import { mpesa } from '../../providers/mpesa/index.ts';
import { connect, makeContext, makeRequest } from './contract/harness.ts';

/** What came over Daraja's wire, word for word, and what we make of it. */
type Fixture = {
  readonly http: { readonly status?: number; readonly headers?: Record<string, string> };
  readonly body: unknown;
};
const FOLDER = new URL('../../providers/mpesa/fixtures/', import.meta.url);
function read(name: string): Fixture {
  return JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8'));
}

const ID = 'ws_CO_071020261015032700000101';
const TOKEN_PATH = '/oauth/v1/generate?grant_type=client_credentials';
const PUSH_PATH = '/mpesa/stkpush/v1/processrequest';
const QUERY_PATH = '/mpesa/stkpushquery/v1/query';
const BUSY_MS = 60_000;

/** A server that gives each path the answer of one fixture, and keeps what it was sent. */
let server: Server;
let client: ProviderClient;
const answers = new Map<string, Fixture>();
const received: { readonly path: string; readonly body: string }[] = [];
async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url ?? '';
  received.push({ path, body: Buffer.concat(await request.toArray()).toString() });
  const { http, body } = answers.get(path) ?? read('oauth-success');
  const type = { 'content-type': 'application/json' };
  response.writeHead(http.status ?? 200, { ...type, ...http.headers });
  response.end(typeof body === 'string' ? body : body === null ? '' : JSON.stringify(body));
}
beforeAll(async () => {
  server = createServer();
  server.on('request', (request, response) => void answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
beforeEach(() => {
  answers.clear();
  received.length = 0;
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  client = connect(mpesa, {
    base_url: `http://127.0.0.1:${port}`,
    consumer_key: 'key',
    consumer_secret: 'secret',
    short_code: '174379',
    passkey: 'passkey',
  });
});
afterEach(() => client.close());
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

const customer = { phone: '+254700000101', email: null, name: null };
const payer = { name: 'pays', request: () => ({ customer }) };
const charge = () => client.charge(makeRequest(payer, 'https://pay.example.test'), makeContext());
const lookUp = () =>
  client.lookup(
    { providerPaymentId: ID, attemptRef: 'att_1', timeoutMs: 5_000 },
    new AbortController().signal,
  );

/** What a call ends in, whether it answers or throws. */
async function endOf(call: Promise<object>): Promise<object> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    const { kind, message, providerCode, retryAfterMs, failureCode } = error;
    return { thrown: kind, message, providerCode, retryAfterMs, failureCode };
  }
}

// biome-ignore format: table, one fixture per line
const PUSH_ANSWERS: Readonly<Record<string, object>> = {
  'stk-push-accepted': { kind: 'pending', providerPaymentId: ID, providerCode: '0' },
  'stk-push-error-invalid-callback-url': { thrown: 'misconfigured', providerCode: '400.002.02', message: expect.stringContaining('CallBackURL') },
  'stk-push-error-invalid-field': { thrown: 'misconfigured', providerCode: '400.002.02', message: expect.stringContaining('PhoneNumber') },
  'stk-push-error-invalid-token': { thrown: 'misconfigured', providerCode: '404.001.03', message: expect.stringContaining('product') },
  'stk-push-error-merchant-missing': { thrown: 'misconfigured', providerCode: '500.001.1001', message: expect.stringContaining('short_code') },
  'stk-push-error-spike-arrest-daraja': { thrown: 'rate_limited', providerCode: '500.003.02' },
  'stk-push-error-subscriber-locked': { thrown: 'unsent', providerCode: '500.001.1001', retryAfterMs: BUSY_MS, failureCode: 'payer_busy' },
  'stk-push-error-system-busy': { thrown: 'unsent', providerCode: '500.003.02', failureCode: 'provider_unavailable' },
  'stk-push-error-wrong-credentials': { thrown: 'misconfigured', providerCode: '500.001.1001', message: expect.stringContaining('passkey') },
  'error-spike-arrest-apigee': { thrown: 'rate_limited', providerCode: 'policies.ratelimit.SpikeArrestViolation' },
  'error-waf-block': { thrown: 'ambiguous', providerCode: 'http_403' },
};

// biome-ignore format: table, one fixture per line
const QUERY_ANSWERS: Readonly<Record<string, object>> = {
  'stk-query-done-success': { kind: 'succeeded', receipt: null, money: null, failure: null, providerCode: '0' },
  'stk-query-done-cancelled-1032': { kind: 'canceled', failure: { code: 'payer_canceled' }, providerCode: '1032' },
  'stk-query-done-insufficient-1': { kind: 'declined', failure: { code: 'insufficient_funds' }, providerCode: '1' },
  'stk-query-done-timeout-1037': { kind: 'declined', failure: { code: 'payer_unreachable' }, providerCode: '1037' },
  'stk-query-done-wrong-pin-2001': { kind: 'declined', failure: { code: 'wrong_pin' }, providerCode: '2001' },
  'stk-query-pending-200-errorcode': { kind: 'pending', providerCode: '500.001.1001' },
  'stk-query-pending-4999': { kind: 'pending', providerCode: '4999' },
  'stk-query-pending-500': { kind: 'pending', providerCode: '500.001.1001' },
  'stk-query-unknown-400': { kind: 'unknown', providerCode: '400.002.02' },
  'stk-query-unknown-500': { kind: 'pending', providerCode: '500.001.1001' },
  'error-spike-arrest-apigee': { thrown: 'rate_limited' },
  'error-waf-block': { thrown: 'ambiguous' },
  'stk-push-error-wrong-credentials': { thrown: 'misconfigured' },
  'stk-push-error-merchant-missing': { thrown: 'misconfigured' },
  'stk-push-error-invalid-token': { thrown: 'misconfigured', providerCode: '404.001.03' },
};

// biome-ignore format: table, one fixture per line
const TOKEN_ANSWERS: Readonly<Record<string, object>> = {
  'oauth-error-bad-auth-scheme': { thrown: 'misconfigured', providerCode: '400.008.01' },
  'oauth-error-bad-grant-type': { thrown: 'misconfigured', providerCode: '400.008.02' },
  'oauth-error-wrong-credentials': { thrown: 'misconfigured', providerCode: 'http_400', message: expect.stringContaining('consumer_secret') },
  'error-spike-arrest-apigee': { thrown: 'rate_limited' },
  'error-waf-block': { thrown: 'unsent' },
};

it.each(Object.entries(PUSH_ANSWERS))('a push answered with %s', async (name, expected) => {
  answers.set(PUSH_PATH, read(name));
  expect(await endOf(charge())).toMatchObject(expected);
});

it.each(Object.entries(QUERY_ANSWERS))('a query answered with %s', async (name, expected) => {
  answers.set(QUERY_PATH, read(name));
  expect(await endOf(lookUp())).toMatchObject(expected);
});

it.each(Object.entries(TOKEN_ANSWERS))('a token refused with %s', async (name, expected) => {
  answers.set(TOKEN_PATH, read(name));
  expect(await endOf(charge())).toMatchObject(expected);
  expect(received.map(({ path }) => path)).toEqual([TOKEN_PATH]);
});

// biome-ignore format: table, one error per line: code, message, what it proves
const OTHER_ERRORS = [
  ['400.002.05', 'Invalid Request Payload', 'misconfigured'],
  ['400.003.01', 'Invalid Access Token', 'misconfigured'],
  ['401.002.01', 'Invalid Access Token', 'misconfigured'],
  ['404.001.01', 'Resource not found', 'misconfigured'],
  ['404.001.04', 'Invalid Authentication Header', 'misconfigured'],
  ['405.001', 'Method Not Allowed', 'misconfigured'],
  ['500.001.1001', '[MerchantValidate] - Wrong credentials', 'misconfigured'],
  ['500.001.1001', '', 'ambiguous'],
  ['500.001.1001', 'Something new', 'ambiguous'],
  ['500.003.02', 'Something new', 'ambiguous'],
  ['500.003.03', 'Quota Violation', 'rate_limited'],
  ['500.003.1001', 'Internal Server Error', 'ambiguous'],
  ['777.000.01', 'Something new', 'ambiguous'],
] as const;

it.each(OTHER_ERRORS)('a push answered with %s %j proves: %s', async (code, message, thrown) => {
  const status = Number(code.slice(0, 3));
  answers.set(PUSH_PATH, { http: { status }, body: { errorCode: code, errorMessage: message } });
  expect(await endOf(charge())).toMatchObject({ thrown, providerCode: code });
});

const accepted = Object(read('stk-push-accepted').body);
it.each([
  ['a result as a number', { ...accepted, ResponseCode: 0 }, { kind: 'pending' }],
  ['another result', { ...accepted, ResponseCode: '1' }, { kind: 'declined', receipt: null }],
  ['no id', { ...accepted, CheckoutRequestID: undefined }, { thrown: 'ambiguous' }],
  ['no result', { ...accepted, ResponseCode: undefined }, { thrown: 'ambiguous' }],
  ['more than we read', { ...accepted, more: 'x'.repeat(1_100_000) }, { thrown: 'ambiguous' }],
])('a push accepted with %s', async (_what, body, expected) => {
  answers.set(PUSH_PATH, { http: {}, body });
  expect(await endOf(charge())).toMatchObject(expected);
});

it('does not take an answer about another payment', async () => {
  const { http, body } = read('stk-query-done-success');
  answers.set(QUERY_PATH, { http, body: { ...Object(body), CheckoutRequestID: 'ws_CO_another' } });
  expect(await endOf(lookUp())).toMatchObject({ thrown: 'ambiguous' });
});

const PAID = {
  kind: 'succeeded',
  receipt: 'UJ7A1B2C3D',
  money: { amountMinor: 100, currency: 'KES' },
  failure: null,
  providerCode: '0',
};
const unpaid = (kind: 'declined' | 'canceled', code: string, providerCode: string) => {
  const failure = { code, providerCode };
  return { kind, receipt: null, money: null, failure, providerCode };
};
// biome-ignore format: table, one fixture per line
const CALLBACKS: Readonly<Record<string, object>> = {
  'stk-callback-success': PAID,
  'stk-callback-success-balance-no-value': PAID,
  'stk-callback-success-masked-phone': PAID,
  'stk-callback-insufficient-1': unpaid('declined', 'insufficient_funds', '1'),
  'stk-callback-expired-1019': unpaid('declined', 'prompt_expired', '1019'),
  'stk-callback-cancelled-1032': unpaid('canceled', 'payer_canceled', '1032'),
  'stk-callback-timeout-1037': unpaid('declined', 'payer_unreachable', '1037'),
  'stk-callback-wrong-pin-2001': unpaid('declined', 'wrong_pin', '2001'),
  'stk-callback-nonnumeric-code': unpaid('declined', 'misconfigured', 'SFC_IC0003'),
};

it.each(Object.entries(CALLBACKS))('%s', (name, expected) => {
  const told = mpesa.webhook.translate(Buffer.from(JSON.stringify(read(name).body)));
  expect(told).toMatchObject({ kind: 'event', event: { providerPaymentId: ID, ...expected } });
});

const REQUESTS = {
  'stk-push-request': { path: PUSH_PATH, send: charge },
  'stk-query-request': { path: QUERY_PATH, send: lookUp },
};

it.each(Object.entries(REQUESTS))('sends the fields of %s, and no others', async (name, call) => {
  answers.set(call.path, read('error-waf-block'));
  await endOf(call.send());
  const sent = received.find(({ path }) => path === call.path);
  const expected = Object.keys(Object(read(name).body));
  expect(Object.keys(JSON.parse(sent?.body ?? '{}')).sort()).toEqual(expected.sort());
});

it('knows what to make of every fixture of STK Push and tokens', () => {
  const known = [PUSH_ANSWERS, QUERY_ANSWERS, TOKEN_ANSWERS, CALLBACKS, REQUESTS].flatMap((it) =>
    Object.keys(it),
  );
  const files = readdirSync(FOLDER).map((file) => file.replace('.json', ''));
  const ours = files.filter((name) => /^(stk|oauth|error)-/.test(name));
  expect(ours.filter((name) => !known.includes(name))).toEqual(['oauth-success']);
});
