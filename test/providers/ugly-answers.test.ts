import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ProviderError } from '../../domain/error.ts';
import type { Provider, ProviderClient } from '../../domain/provider.ts';
import { cpay } from '../../providers/cpay/index.ts';
import { SANDBOX as CPAY } from '../../providers/cpay/simulator.ts';
import { mpesa } from '../../providers/mpesa/index.ts';
import { SANDBOX as MPESA } from '../../providers/mpesa/simulator.ts';
import { connect, makeContext, makeRequest } from './contract/harness.ts';

/** What providers answer when they, or what stands between, write it oddly. */
type Answer = string | object;
type Script = Readonly<Record<string, Answer | readonly Answer[]>>;

/** Answers each path by its last segment; a list is used up, its last entry stays. */
let server: Server;
let script = new Map<string, Answer[]>();
let counts = new Map<string, number>();
const authorizations: string[] = [];
beforeAll(async () => {
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://127.0.0.1');
    const name = pathname.split('/').findLast((part) => script.has(part)) ?? 'token';
    counts.set(name, (counts.get(name) ?? 0) + 1);
    authorizations.push(String(request.headers.authorization));
    const answers = script.get(name) ?? [TOKEN];
    const answer = (answers.length > 1 ? answers.shift() : answers[0]) ?? '';
    const refused = typeof answer === 'object' && 'http' in answer ? answer : null;
    const body = refused !== null && 'body' in refused ? refused.body : answer;
    response.writeHead(Number(refused?.http ?? 200), { 'content-type': 'application/json' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
let client: ProviderClient | null = null;
afterEach(async () => {
  await client?.close();
  client = null;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const ID = 'ws_CO_071020261015032700000101';
const MARK = '\ufeff';
const TOKEN = { access_token: 'token', expires_in: '3599' };
const payer = {
  name: 'pays',
  request: () => ({ customer: { phone: '+254700000101', email: null, name: null } }),
};
const urls = ['rev', 'rvt', 'rst', 'rsx', 'rcp', 'rcx'].map((it) => [it, `https://x.test/${it}`]);
const callbackUrls = Object.fromEntries(urls);
const signal = new AbortController().signal;
const timeoutMs = 5_000;
const about = { workflowId: 'refund-1', callbackUrls, timeoutMs };

/** Each call of a client by the path's segment that it goes to. */
const CALLS = {
  processrequest: (it) => it.charge(makeRequest(payer, 'https://x.test/'), makeContext()),
  query: (it) => it.lookup({ providerPaymentId: ID, attemptRef: 'payment-1/1', timeoutMs }, signal),
  request: (it) =>
    it.refund?.(
      {
        ...about,
        idempotencyKey: 'pay_1/ref_1',
        amount: { amountMinor: 100, currency: 'KES' },
        providerPaymentId: ID,
        providerReceipt: 'R1',
        reason: 'Refund',
      },
      makeContext(),
    ),
  transactionstatus: (it) =>
    it.lookupRefund?.({ ...about, providerPaymentId: ID, providerRefundId: 'c-1' }, signal),
  charges: (it) => it.charge(makeRequest(payer, 'https://x.test/'), makeContext()),
} as const satisfies Record<string, (it: ProviderClient) => Promise<object> | undefined>;

type Path = keyof typeof CALLS;

async function ask(path: Path, answers: Script): Promise<object> {
  script = new Map(
    Object.entries(answers).map(([name, it]) => [name, Array.isArray(it) ? [...it] : [it]]),
  );
  counts = new Map();
  authorizations.length = 0;
  const { port } = server.address() as AddressInfo;
  const provider: Provider = path === 'charges' ? cpay : mpesa;
  const { credentials } = path === 'charges' ? CPAY : MPESA;
  client = connect(provider, { ...credentials, base_url: `http://127.0.0.1:${port}` });
  try {
    return (await CALLS[path](client)) ?? {};
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    const { kind, message, providerCode, failureCode } = error;
    return { thrown: kind, message, providerCode, failureCode };
  }
}

const push = (changes: object) => ({ ResponseCode: '0', CheckoutRequestID: ID, ...changes });
const done = (changes: object) => ({ CheckoutRequestID: ID, ResultCode: '1032', ...changes });
const taken = (changes: object) => ({
  ResponseCode: '0',
  OriginatorConversationID: 'c-1',
  ...changes,
});
const charge = (changes: object) => ({
  id: 'ch_1',
  object: 'charge',
  status: 'succeeded',
  amount: 100,
  amount_captured: 100,
  currency: 'KES',
  ...changes,
});
const PUSHED = { kind: 'pending', providerPaymentId: ID };
const CANCELED = { kind: 'canceled', providerCode: '1032' };
const TAKEN = { kind: 'pending', providerRefundId: 'c-1' };
const LOST = { thrown: 'ambiguous' };

type Odd = readonly [odd: string, path: Path, answer: Answer, says: object];
// biome-ignore format: table, one answer per line: what is odd, where, the answer, what it says
const ODD: readonly Odd[] = [
  ['a mark before it', 'processrequest', MARK + JSON.stringify(push({})), PUSHED],
  ['a number for a code', 'processrequest', push({ ResponseCode: 0 }), PUSHED],
  ['a description of another type', 'processrequest', push({ ResponseDescription: [] }), PUSHED],
  ['no code', 'processrequest', push({ ResponseCode: null }), LOST],
  ['an empty code', 'processrequest', push({ ResponseCode: '' }), LOST],
  ['no id', 'processrequest', push({ CheckoutRequestID: {} }), LOST],
  ['an error without words', 'processrequest', { http: 400, body: { errorCode: '400.002.02' } }, { thrown: 'misconfigured' }],
  ['an error with a mark', 'processrequest', { http: 400, body: `${MARK}{"errorCode":"400.002.02"}` }, { thrown: 'misconfigured' }],
  ['a fault without detail', 'processrequest', { http: 429, body: { fault: {} } }, { thrown: 'rate_limited' }],

  ['a mark before it', 'query', MARK + JSON.stringify(done({})), CANCELED],
  ['a number for a code', 'query', done({ ResultCode: 1032 }), CANCELED],
  ['a request id of another type', 'query', done({ MerchantRequestID: [] }), CANCELED],
  ['a description of another type', 'query', done({ ResultDesc: {} }), CANCELED],
  ['no code', 'query', done({ ResultCode: [] }), LOST],
  ['an empty code', 'query', done({ ResultCode: ' ' }), LOST],
  ['blanks around its code', 'query', done({ ResultCode: ' 1032' }), CANCELED],
  ['no id', 'query', done({ CheckoutRequestID: '' }), LOST],

  ['a mark before it', 'request', MARK + JSON.stringify(taken({})), TAKEN],
  ['no conversation', 'request', taken({ OriginatorConversationID: null }), { kind: 'pending', providerRefundId: null }],
  ['a number for a code', 'request', taken({ ResponseCode: 0 }), TAKEN],
  ['an empty code', 'request', taken({ ResponseCode: '' }), LOST],

  ['a mark before it', 'transactionstatus', MARK + JSON.stringify(taken({})), TAKEN],
  ['no conversation', 'transactionstatus', taken({ OriginatorConversationID: undefined }), TAKEN],

  ['a mark before it', 'charges', MARK + JSON.stringify(charge({})), { kind: 'succeeded' }],
  ['no metadata', 'charges', charge({}), { kind: 'succeeded', receipt: null }],
  ['a receipt of another type', 'charges', charge({ receipt: {} }), { kind: 'succeeded', receipt: null }],
  ['an amount of another type', 'charges', charge({ amount_captured: {} }), LOST],
];

it.each(ODD)('%s in the answer of %s', async (_odd, path, answer, says) => {
  expect(await ask(path, { [path]: answer })).toMatchObject(says);
});

// biome-ignore format: table, one token per line: what is odd, the answer, what becomes of the push
const TOKENS: readonly (readonly [odd: string, answer: Answer, says: object])[] = [
  ['a mark before it', MARK + JSON.stringify(TOKEN), PUSHED],
  ['no life', { access_token: 'token' }, PUSHED],
  ['a life of words', { ...TOKEN, expires_in: 'an hour' }, PUSHED],
  ['a line end at its end', { ...TOKEN, access_token: 'token\n' }, PUSHED],
  ['a line end inside', { ...TOKEN, access_token: 'to\nken' }, { thrown: 'unsent' }],
  ['what no header holds', { ...TOKEN, access_token: 'tøken\u200b' }, { thrown: 'unsent' }],
  ['nothing', { ...TOKEN, access_token: '' }, { thrown: 'unsent' }],
];

it.each(TOKENS)('an access token with %s', async (_odd, token, says) => {
  expect(await ask('processrequest', { token, processrequest: push({}) })).toMatchObject(says);
  if (says === PUSHED) expect(authorizations.at(-1)).toBe('Bearer token');
  else expect(counts.get('processrequest')).toBeUndefined();
});

const refused = (errorCode: string, http: number) => ({
  http,
  body: { errorCode, errorMessage: 'Invalid Access Token' },
});
const REFUSALS: Readonly<Record<string, object>> = {
  'its own code': refused('404.001.03', 404),
  'the code of older calls': refused('400.003.01', 400),
  'the code of refunds': refused('401.002.01', 401),
  'another code': refused('401.999', 401),
  'the words of what stands before it': {
    http: 401,
    body: { fault: { faultstring: 'Invalid Access Token', detail: {} } },
  },
  'a product that the app has not': {
    http: 401,
    body: {
      fault: {
        faultstring: 'Invalid API call as no apiproduct match found',
        detail: { errorcode: 'keymanagement.service.InvalidAPICallAsNoApiProductMatchFound' },
      },
    },
  },
};
const MPESA_CALLS = ['processrequest', 'query', 'request', 'transactionstatus'] as const;
const REFUSED = Object.entries(REFUSALS).flatMap(([how, refusal]) =>
  MPESA_CALLS.map((path) => [how, path, refusal] as const),
);

it.each(REFUSED)('tokens refused by %s at %s, new ones too', async (_how, path, refusal) => {
  const end = await ask(path, { [path]: refusal });
  expect(end).toMatchObject({ thrown: 'misconfigured', failureCode: 'misconfigured' });
  expect(String('message' in end && end.message)).toMatch(/product.*127\.0\.0\.1/s);
  expect(Object.fromEntries(counts)).toEqual({ token: 2, [path]: 2 });
});

it('a token refused once is taken anew, and so is the next one after two', async () => {
  const path = 'processrequest';
  const refusal = refused('404.001.03', 404);
  const answers = { [path]: [refusal, push({}), refusal, refusal, push({})] };
  expect(await ask(path, answers)).toMatchObject(PUSHED);
  if (client === null) throw new Error('there is no client');
  const charging = CALLS[path];
  await expect(charging(client)).rejects.toMatchObject({ kind: 'misconfigured' });
  expect(await charging(client)).toMatchObject(PUSHED);
  expect(counts.get('token')).toBe(4);
});
