import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { WebSocket } from 'ws';
import { LIVE_SETTINGS } from '../../api/live/authenticate.ts';
import { makeApiKey } from '../../db/api-key.ts';
import { hashOfPaymentWorkflowId } from '../../domain/id.ts';
import { makeCPayEvent, sign } from '../api/callbacks.ts';
import { exchange, openRaw, parseAnswer, readAll, upgradeTo } from '../api/raw.ts';
import { requireDescribed } from '../described.ts';
import { storePaymentIn } from '../factories.ts';
import { until } from '../until.ts';
import { type ApiProcess, startApi } from './api-process.ts';

/**
 * What the internet sends to a real process: each is refused with a problem, none ends the process
 * or makes it grow, and who behaves is served all the while.
 */
let api: ApiProcess;
let calmBytes: number;
let policies: string;
/** The same key from the same address again and again. */
const POLICIES = `
api:
  rate_limits:
    merchant: { requests: 100000, per_ms: 1000 }
    address: { requests: 100000, per_ms: 1000 }
`;
beforeAll(async () => {
  policies = mkdtempSync(join(tmpdir(), 'malipo-hostile-'));
  const path = join(policies, 'policies.yaml');
  writeFileSync(path, POLICIES);
  api = await startApi({ MALIPO_POLICIES: path });
  // As warm as it gets from honest requests.
  for (let round = 0; round < 20; round += 1) {
    await Promise.all(Array.from({ length: 25 }, () => post({ amount: 1 })));
  }
  calmBytes = api.readBytes();
}, 90_000);
afterAll(async () => {
  await api?.close();
  rmSync(policies, { recursive: true, force: true });
}, 30_000);

const MEGABYTE = 1024 * 1024;
/** What V8 keeps of many hostile requests at once; the bombs would be gigabytes. */
const GROWTH_BYTES_MAX = 250 * MEGABYTE;
afterEach(expectCalm);
async function expectCalm() {
  expect(api.readLog()).not.toContain('"level":"error"');
  expect(await (await fetch(`${api.url}/livez`)).json()).toEqual({ status: 'ok' });
  expect(api.readBytes() - calmBytes).toBeLessThan(GROWTH_BYTES_MAX);
}

type Odd = {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer<ArrayBuffer>;
};

/** What the reference does not describe is not even an answer. */
async function ask({ path = '/api/v1/payments', method = 'POST', headers, body }: Odd) {
  const answer = await fetch(`${api.url}${path}`, {
    method,
    ...(body === undefined ? {} : { body }),
    headers: {
      authorization: `Bearer ${api.apiKey}`,
      'content-type': 'application/json',
      'idempotency-key': randomUUID(),
      ...headers,
    },
  });
  const told = { status: answer.status, headers: answer.headers, text: await answer.text() };
  requireDescribed({ method, path, ...told });
  return { ...told, body: JSON.parse(told.text) };
}
const post = (body: object | string) =>
  ask({ body: typeof body === 'string' ? body : JSON.stringify(body) });

const PAYMENT = { provider: 'cpay', amount: 10_000, currency: 'KES' };
const LITTLE_MORE = JSON.stringify(PAYMENT).slice(0, -1);
const manyKeys = (count: number) =>
  `{${Array.from({ length: count }, (_, index) => `"k${index}":1`).join()}}`;
const nested = (levels: number) => `{"metadata":${'['.repeat(levels)}${']'.repeat(levels)}}`;
const gzip = (bytes: number, body = ' ') => gzipSync(Buffer.alloc(bytes, body));
const GZIPPED = { 'content-encoding': 'gzip' };

describe('a request is refused with a problem', () => {
  // biome-ignore format: table, one case per line
  test.each<readonly [string, number, Odd, number, string]>([
    ['a gzip bomb of 200 MB', 40, { body: gzip(200 * MEGABYTE), headers: GZIPPED }, 413, 'body_too_large'],
    ['a gzip bomb within a gzip bomb', 40, { body: gzipSync(gzip(100 * MEGABYTE)), headers: { 'content-encoding': 'gzip, gzip' } }, 415, 'unsupported_media_type'],
    ['what is no gzip', 40, { body: 'x'.repeat(1000), headers: GZIPPED }, 400, 'malformed_json'],
    ['JSON of 100 000 levels', 40, { body: nested(100_000) }, 413, 'body_too_large'],
    ['JSON of 32 000 levels', 40, { body: nested(32_000) }, 400, 'malformed_json'],
    ['two hundred thousand keys', 10, { body: manyKeys(200_000) }, 413, 'body_too_large'],
    ['6 000 keys', 40, { body: manyKeys(6_000) }, 400, 'invalid_request'],
    ['a number of 60 000 digits', 40, { body: `{"amount":${'9'.repeat(60_000)}}` }, 400, 'invalid_request'],
    ['NUL in a text', 20, { body: `${LITTLE_MORE},"description":"a\\u0000b"}` }, 400, 'invalid_request'],
    ['half of a character', 20, { body: `${LITTLE_MORE},"description":"\\ud800"}` }, 400, 'invalid_request'],
    ['line breaks in a text', 20, { body: `${LITTLE_MORE},"description":"a\\r\\nSet-Cookie: b"}` }, 400, 'invalid_request'],
    ['a prototype of its own', 20, { body: `${LITTLE_MORE},"__proto__":{"amount":1,"polluted":1}}` }, 400, 'invalid_request'],
    ['a constructor of its own', 20, { body: `${LITTLE_MORE},"constructor":{"prototype":{"polluted":1}}}` }, 400, 'invalid_request'],
    ['a prototype in metadata', 20, { body: `${LITTLE_MORE},"metadata":{"__proto__":{"polluted":1}}}` }, 400, 'invalid_request'],
    ['UTF-16', 20, { body: Buffer.from(JSON.stringify(PAYMENT), 'utf16le'), headers: { 'content-type': 'application/json; charset=utf-16' } }, 400, 'malformed_json'],
    ['a form', 20, { body: 'amount=1', headers: { 'content-type': 'application/x-www-form-urlencoded' } }, 415, 'unsupported_media_type'],
    ['line breaks in an id', 20, { path: '/api/v1/payments/a%0d%0aSet-Cookie:%20b=c', method: 'GET' }, 404, 'not_found'],
    ['NUL in an id', 20, { path: '/api/v1/payments/%00', method: 'GET' }, 404, 'not_found'],
    ['an id that is no UTF-8', 20, { path: '/api/v1/payments/%E0%A4%A', method: 'GET' }, 404, 'not_found'],
    ['headers of 20 KB', 20, { headers: { 'x-much': 'x'.repeat(20_000) } }, 431, 'headers_too_large'],
    ['an id of 8 KB', 20, { path: `/api/v1/payments/${'a'.repeat(8_000)}`, method: 'GET' }, 404, 'not_found'],
    ['a path that climbs', 20, { path: '/docs/..%2f..%2fpackage.json', method: 'GET' }, 404, 'not_found'],
    ['a query of 4 000 parts', 20, { path: `/api/v1/payments?${'a=1&'.repeat(4_000).slice(0, 15_000)}`, method: 'GET' }, 400, 'invalid_request'],
    ['a prototype in a query', 20, { path: '/api/v1/payments?__proto__[limit]=1&limit[]=1', method: 'GET' }, 400, 'invalid_request'],
    ['SQL for a cursor', 20, { path: `/api/v1/payments?cursor=${encodeURIComponent("' OR 1=1 --")}`, method: 'GET' }, 400, 'invalid_request'],
  ])('%s', async (_what, times, odd, status, code) => {
    const answers = await Promise.all(Array.from({ length: times }, () => ask(odd)));
    for (const { headers, body, text } of answers) {
      expect(body).toMatchObject({ status, code });
      expect(headers.get('content-type')).toContain('application/problem+json');
      expect(headers.get('set-cookie')).toBeNull();
      expect(text.length).toBeLessThan(20_000);
      expect(text).not.toContain('node_modules');
    }
  });

  test('and after all of them an honest one is judged as before', async () => {
    expect((await post({})).body).toMatchObject({ status: 400, code: 'invalid_request' });
    const list = await ask({ path: '/api/v1/payments', method: 'GET' });
    expect(list).toMatchObject({ status: 200, body: { data: [] } });
  });
});

test('no request takes long to read, however it is made', async () => {
  const before = api.readCpuSeconds();
  const queries = ['a=1&', 'a&', '&', 'a[]=&', '%61=%62&', 'limit=1&'];
  for (const query of queries) {
    for (const path of ['/livez', '/api/v1/payments']) {
      const long = `${path}?${query.repeat(15_000)}`.slice(0, 15_000);
      for (let sent = 0; sent < 5; sent += 1) {
        await fetch(`${api.url}${long}`, { headers: { authorization: `Bearer ${api.apiKey}` } });
      }
    }
  }
  // Sixty requests; one of a tenth of a second each would be enough to stop the process.
  expect(api.readCpuSeconds() - before).toBeLessThan(1.5);
});

test('genuine callbacks of hostile content are kept, forged ones refused', async () => {
  const payment = await storePaymentIn(api.database.pool, 'processing');
  const token = api.tokens.issue('payment', hashOfPaymentWorkflowId(payment.workflowId) ?? '', 1);
  const bodies = [
    '['.repeat(200_000),
    `{"Body":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
    manyKeys(20_000),
    '{"__proto__":{"Body":1}}',
    '\0',
    '',
  ];
  for (const body of bodies) {
    const answer = await fetch(`${api.url}/api/v1/webhooks/stk/${token}`, { method: 'POST', body });
    expect([answer.status, await answer.json()]).toEqual([200, expect.anything()]);
  }
  for (const signed of [true, false]) {
    const event = {
      ...makeCPayEvent('evt_1', 'x'),
      more: JSON.parse(`${'['.repeat(1_000)}${']'.repeat(1_000)}`),
    };
    const sending = sign('cpay', event, signed ? 'cpay-secret-of-this-test' : 'of nobody');
    const answer = await fetch(`${api.url}/api/v1/webhooks/cpay`, {
      method: 'POST',
      headers: { ...sending.headers },
      body: typeof sending.body === 'string' ? sending.body : null,
    });
    expect(answer.status).toBe(signed ? 200 : 401);
  }
  const kept = await api.database.queryAsOwner(
    'SELECT provider, duplicate_count AS repeats FROM webhook_events ORDER BY id',
  );
  // What nobody can read has one row for its payment, and is counted there.
  expect(kept).toEqual([
    { provider: 'mpesa', repeats: bodies.length - 1 },
    { provider: 'cpay', repeats: 0 },
  ]);
});

test('WebSockets that break every rule end nobody’s connection but their own', async () => {
  const honest = new WebSocket(`${api.url.replace('http', 'ws')}/api/v1/live`, {
    headers: { authorization: `Bearer ${api.apiKey}` },
  });
  const told: unknown[] = [];
  honest.on('message', (data) => told.push(data));
  await until(() => told.length === 1);
  expect((await exchange(api.url, upgradeTo('//'))).status).toBe(400);
  for (let sent = 0; sent < 200; sent += 1) {
    const socket = await openRaw(api.url);
    socket.write(upgradeTo(sent % 2 === 0 ? '/api/v1/live' : '/elsewhere'));
    if (sent % 4 < 2) socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]));
    socket.resetAndDestroy();
  }
  // More strangers than one address may have: the rest is refused before the handshake.
  const { unauthenticatedEachMax } = LIVE_SETTINGS;
  const sockets: Socket[] = [];
  const first: string[] = [];
  for (let sent = 0; sent < 150; sent += 1) {
    const socket = await openRaw(api.url);
    sockets.push(socket);
    socket.write(upgradeTo('/api/v1/live'));
    first.push(String((await once(socket, 'data'))[0]).slice(0, 12));
  }
  expect(first).toEqual([
    ...Array<string>(unauthenticatedEachMax).fill('HTTP/1.1 101'),
    ...Array<string>(150 - unauthenticatedEachMax).fill('HTTP/1.1 429'),
  ]);
  for (const socket of sockets) {
    socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]));
    socket.resetAndDestroy();
  }
  expect(honest.readyState).toBe(WebSocket.OPEN);
  honest.terminate();
});

// While those wait, others ask processes of their own.
test.concurrent('who sends slowly is told after a while, and is in nobody’s way', async () => {
  const head = 'POST /api/v1/payments HTTP/1.1\r\nHost: x\r\n';
  const key = `Authorization: Bearer ${api.apiKey}\r\n`;
  const body = `${head}${key}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{`;
  const slow = [head, body].flatMap((text) => Array.from({ length: 200 }, () => text));
  const answers = slow.map(async (text) => {
    const socket = await openRaw(api.url);
    const dripping = setInterval(() => socket.write('x'), 1_000);
    socket.once('close', () => clearInterval(dripping));
    const read = readAll(socket);
    socket.write(text);
    return parseAnswer(await read);
  });
  for (let sent = 0; sent < 20; sent += 1) {
    expect((await ask({ path: '/api/v1/payments', method: 'GET' })).status).toBe(200);
  }
  for (const answer of await Promise.all(answers)) {
    expect(answer).toMatchObject({ status: 408, body: { code: 'request_timeout' } });
    requireDescribed({ method: 'POST', path: '/api/v1/payments', ...answer });
  }
  await expectCalm();
}, 60_000);

test.concurrent.each([
  // table
  [0, ''],
  [1, ', 203.0.113.7'],
  [2, ', 203.0.113.7, 10.0.0.1'],
])(
  'behind %i proxies guessing keys is stopped, whatever addresses are made up',
  async (hops, added) => {
    const own = await startApi({ MALIPO_TRUSTED_PROXIES: String(hops) });
    const guess = async (tries: number) => {
      const answer = await fetch(`${own.url}/api/v1/payments`, {
        headers: {
          authorization: `Bearer ${makeApiKey('live')}`,
          'x-forwarded-for': `198.51.100.${tries}${added}`,
        },
      });
      return [answer.status, answer.headers.get('content-type')] as const;
    };
    const answers: (readonly [number, string | null])[] = [];
    for (let tries = 0; tries < 120; tries += 1) answers.push(await guess(tries));
    await own.close();
    const statuses = answers.map(([status]) => status);
    const stopped = statuses.indexOf(429);
    // What PostgreSQL is too slow to count is counted by the process alone, and comes on top.
    expect(stopped).toBeGreaterThanOrEqual(100);
    expect(new Set(statuses.slice(0, stopped))).toEqual(new Set([401]));
    expect(new Set(statuses.slice(stopped))).toEqual(new Set([429]));
    for (const [, type] of answers) expect(type).toContain('application/problem+json');
  },
  60_000,
);

test.concurrent('a process that is told to end answers what it has begun', async () => {
  const own = await startApi();
  const body = JSON.stringify(PAYMENT);
  const socket = await openRaw(own.url);
  const read = readAll(socket);
  const lines = [
    'POST /api/v1/payments HTTP/1.1',
    'Host: x',
    `Authorization: Bearer ${own.apiKey}`,
    'Idempotency-Key: order-1',
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n${body.slice(0, 20)}`);
  // Once this is answered, the bytes before it were read.
  expect((await fetch(`${own.url}/livez`)).status).toBe(200);
  const stopped = own.stop();
  await until(() => own.readLog().includes('the API drains'));
  await expect(fetch(`${own.url}/livez`)).rejects.toThrow();
  socket.write(body.slice(20));
  const answer = parseAnswer(await read);
  expect(answer).toMatchObject({ status: 202, body: { object: 'payment', status: 'created' } });
  expect(answer.headers.get('connection')).toBe('close');
  await stopped;
  expect(await own.exited).toEqual({ code: 0, signal: null });
  await own.close();
}, 60_000);
