import { once } from 'node:events';
import { OPERATIONS } from '../../api/operations.ts';
import { requireDescribed } from '../described.ts';
import { until } from '../until.ts';
import { exchange, openRaw, parseAnswer, readAll, upgradeTo } from './raw.ts';
import { openTestApi, type TestApi } from './server.ts';
import { takePaymentsIn } from './takers.ts';

/** HTTP below the routes: what is not HTTP, what never arrives, and how a process ends. */
const QUICK = { headersMs: 2_000, requestMs: 2_500, lookEveryMs: 50 };

let api: TestApi;
beforeEach(async () => {
  api = await openTestApi({ timeouts: QUICK });
});
afterEach(() => api.close());

const isAlive = async () => (await api.send('GET', '/livez')).status === 200;
const HOST = 'Host: x\r\n';
const PAYMENT = { provider: 'cpay', amount: 10_000, currency: 'KES' };
const head = (path: string, ...lines: readonly string[]) =>
  `${[`POST ${path} HTTP/1.1`, 'Host: x', 'Content-Type: application/json', `Authorization: Bearer ${api.apiKey}`, 'Idempotency-Key: order-1', ...lines].join('\r\n')}\r\n\r\n`;

// biome-ignore format: table, one case per line
test.each([
  ['no HTTP at all', 'hello\r\n\r\n', 400, 'malformed_request'],
  ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400, 'malformed_request'],
  ['an unknown method', `BREW / HTTP/1.1\r\n${HOST}\r\n`, 400, 'malformed_request'],
  ['no Host', 'GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'malformed_request'],
  ['two Hosts', `GET /livez HTTP/1.1\r\n${HOST}Host: y\r\nConnection: close\r\n\r\n`, 400, 'malformed_request'],
  ['the same Host twice', `GET /livez HTTP/1.1\r\n${HOST}${HOST}Connection: close\r\n\r\n`, 400, 'malformed_request'],
  ['two Hosts in HTTP/1.0', `GET /livez HTTP/1.0\r\n${HOST}Host: y\r\n\r\n`, 400, 'malformed_request'],
  ['a Host of two names', 'GET /livez HTTP/1.1\r\nHost: x, y\r\nConnection: close\r\n\r\n', 400, 'malformed_request'],
  ['a Host with a user', 'GET /livez HTTP/1.1\r\nHost: a@b\r\nConnection: close\r\n\r\n', 400, 'malformed_request'],
  ['an upgrade with two Hosts', upgradeTo('/api/v1/live', 'Host: y'), 400, 'malformed_request'],
  ['an upgrade without a Host', upgradeTo('/api/v1/live').replace(HOST, ''), 400, 'malformed_request'],
  ['a header without a name', `GET /livez HTTP/1.1\r\n${HOST}: x\r\n\r\n`, 400, 'malformed_request'],
  ['a line feed in a header', `GET /livez HTTP/1.1\r\n${HOST}X-Request-Id: a\nSet-Cookie: b\r\n\r\n`, 400, 'malformed_request'],
  ['NUL in a header', `GET /livez HTTP/1.1\r\n${HOST}X-Request-Id: order\0-1\r\n\r\n`, 400, 'malformed_request'],
  ['two lengths', `POST /livez HTTP/1.1\r\n${HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`, 400, 'malformed_request'],
  ['a length and chunks', `POST /livez HTTP/1.1\r\n${HOST}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400, 'malformed_request'],
  ['17 KB of headers', `GET /livez HTTP/1.1\r\n${HOST}X-Much: ${'x'.repeat(17_000)}\r\n\r\n`, 431, 'headers_too_large'],
  ['17 KB of path', `GET /${'x'.repeat(17_000)} HTTP/1.1\r\n${HOST}\r\n`, 431, 'headers_too_large'],
  ['headers that do not end', `GET /livez HTTP/1.1\r\n${HOST}X-Slow: `, 408, 'request_timeout'],
  ['a wish for another host’s port', `CONNECT example.test:443 HTTP/1.1\r\n${HOST}\r\n`, 405, 'method_not_allowed'],
])('%s is answered by a problem, and the connection closed', async (_what, text, status, code) => {
  const answer = await exchange(api.url, text);
  expect(answer).toMatchObject({ status, body: { status, code } });
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  expect(answer.headers.get('x-request-id')).toBe(answer.body.request_id);
  expect(answer.headers.get('connection')).toBe('close');
  expect(await isAlive()).toBe(true);
});

/** A second request inside the body of the first: seen by us alone, or by a proxy alone. */
const HIDDEN = `GET /api/v1/health HTTP/1.1\r\n${HOST}\r\n`;
const SIZED = `Content-Length: ${HIDDEN.length}`;
const CHUNKED = 'Transfer-Encoding: chunked';
// biome-ignore format: table, one case per line
test.each([
  ['a length, then chunks', [SIZED, CHUNKED], `0\r\n\r\n${HIDDEN}`],
  ['chunks, then a length', [CHUNKED, 'Content-Length: 4'], `0\r\n\r\n${HIDDEN}`],
  ['a space before the colon', ['Transfer-Encoding : chunked', SIZED], `0\r\n\r\n${HIDDEN}`],
  ['a tab before the coding', ['Transfer-Encoding:\tchunked', SIZED], `0\r\n\r\n${HIDDEN}`],
  ['another coding', ['Transfer-Encoding: xchunked', SIZED], `0\r\n\r\n${HIDDEN}`],
  ['two codings', ['Transfer-Encoding: chunked, identity'], `0\r\n\r\n${HIDDEN}`],
  ['a coding twice', [CHUNKED, 'Transfer-Encoding: cow'], `0\r\n\r\n${HIDDEN}`],
  ['a coding in quotes', ['Transfer-Encoding: "chunked"', SIZED], `0\r\n\r\n${HIDDEN}`],
  ['a folded header', ['X-Folded: a', ` ${CHUNKED}`, SIZED], `0\r\n\r\n${HIDDEN}`],
  ['a coding after a lone line feed', [`X-Feed: a\n${CHUNKED}`, SIZED], `0\r\n\r\n${HIDDEN}`],
  ['a coding after a lone return', [`X-Return: a\r${CHUNKED}`, SIZED], `0\r\n\r\n${HIDDEN}`],
  ['two lengths', ['Content-Length: 0', SIZED], HIDDEN],
  ['two lengths in one', [`Content-Length: 0, ${HIDDEN.length}`], HIDDEN],
  ['a length with a sign', ['Content-Length: +0'], HIDDEN],
  ['a length in hex', ['Content-Length: 0x0'], HIDDEN],
  ['a length below nothing', ['Content-Length: -1'], HIDDEN],
  ['a chunk that ends in a line feed', [CHUNKED], `0\n\n${HIDDEN}`],
  ['a chunk of 2 to the 64th and nothing', [CHUNKED], `10000000000000000\r\n\r\n${HIDDEN}`],
  ['a line feed in what a chunk adds', [CHUNKED], `2;a\nb\r\n{}\r\n0\r\n\r\n${HIDDEN}`],
] as const)('no request is hidden in another: %s', async (_how, lines, body) => {
  const request = ['POST /livez HTTP/1.1', 'Host: x', ...lines].join('\r\n');
  const socket = await openRaw(api.url);
  const read = readAll(socket);
  socket.write(`${request}\r\n\r\n${body}`);
  const answers = (await read).split(/^HTTP\/1\.1 /m).slice(1);
  expect(answers).toHaveLength(1);
  expect(answers[0]).toMatch(/^400 /);
  expect(await isAlive()).toBe(true);
});

// Probes of load balancers that speak HTTP/1.0 name no host.
test.each([
  'GET /livez HTTP/1.0\r\n\r\n',
  ...['x', 'x:443', '127.0.0.1:8080', '[::1]:8080', 'pay_1.example.test'].map(
    (host) => `GET /livez HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
  ),
])('%j is answered', async (request) => {
  expect(await exchange(api.url, request)).toMatchObject({ status: 200 });
});

test.each([
  ['never comes', 'Content-Length: 100', '', 408, 'request_timeout'],
  ['stops halfway', 'Content-Length: 100', '{"provider":', 408, 'request_timeout'],
  [
    'has a chunk of no length',
    'Transfer-Encoding: chunked',
    'zz\r\n{}\r\n',
    400,
    'malformed_request',
  ],
])(
  'a payment whose body %s is refused, and none is made',
  async (_how, line, body, status, code) => {
    const path = '/api/v1/payments';
    const answer = await exchange(api.url, head(path, line) + body);
    expect(answer).toMatchObject({ status, body: { code } });
    requireDescribed({ method: 'POST', path, ...answer });
    expect(await api.database.queryAsOwner('SELECT id FROM payments')).toEqual([]);
  },
);

/** Payments wait at their provider until the returned function is called. */
function holdPayments(): () => void {
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  const take = takePaymentsIn(api.pool);
  api.engine.takePayment = async (input) => {
    await held;
    return await take(input);
  };
  return letGo;
}

test('a payment in progress gets its own answer, whatever comes after it', async () => {
  const letGo = holdPayments();
  const body = JSON.stringify(PAYMENT);
  const socket = await openRaw(api.url);
  const read = readAll(socket);
  socket.write(head('/api/v1/payments', `Content-Length: ${body.length}`) + body);
  await until(() => api.engine.started.length === 1);
  socket.write('hello\r\n\r\nhello\r\n\r\n');
  // Once this is answered, the bytes before it were read.
  expect(await isAlive()).toBe(true);
  letGo();
  expect(parseAnswer(await read)).toMatchObject({ status: 201, body: { status: 'processing' } });
});

test.each([
  [
    'a wish for HTTP/2',
    'Connection: Upgrade, HTTP2-Settings',
    'Upgrade: h2c',
    'HTTP2-Settings: AAMAAABkAAQAAP__',
  ],
  ['an expectation nobody knows', 'Expect: the unexpected'],
])('%s is passed over', async (_what, ...lines) => {
  const request = ['GET /livez HTTP/1.1', 'Host: x', ...lines].join('\r\n');
  const socket = await openRaw(api.url);
  socket.write(`${request}\r\n\r\n`);
  const [chunk] = await once(socket, 'data');
  socket.destroy();
  expect(parseAnswer(String(chunk))).toMatchObject({ status: 200, body: { status: 'ok' } });
});

test('what Node itself refuses is described for each operation', async () => {
  const much = `X-Much: ${'x'.repeat(17_000)}\r\n`;
  for (const { method, path } of OPERATIONS) {
    const answer = await exchange(
      api.url,
      `${method.toUpperCase()} ${path.replaceAll(/[{}]/g, '')} HTTP/1.1\r\n${HOST}${much}\r\n`,
    );
    expect(answer.status).toBe(431);
    requireDescribed({ method, path, ...answer });
  }
});

describe('a process that ends', () => {
  test('finishes what it has begun, and sends its clients elsewhere', async () => {
    await api.close();
    api = await openTestApi();
    const letGo = holdPayments();
    const paying = api.send('POST', '/api/v1/payments', { body: PAYMENT });
    await until(() => api.engine.started.length === 1);
    const late = await openRaw(api.url);
    const lateRead = readAll(late);
    late.write('GET /readyz HTTP/1.1\r\n');
    // Its first bytes are there when the whole process is asked to end.
    await until(async () => (await api.send('GET', '/readyz')).status === 200);
    const drained = api.drain();
    late.write(`${HOST}\r\n`);
    const notReady = parseAnswer(await lateRead);
    expect(notReady).toMatchObject({ status: 503, body: { status: 'unavailable' } });
    expect(notReady.headers.get('connection')).toBe('close');
    letGo();
    const paid = await paying;
    expect(paid).toMatchObject({ status: 201, body: { status: 'processing' } });
    expect(paid.headers.get('connection')).toBe('close');
    await drained;
    await expect(fetch(`${api.url}/livez`)).rejects.toThrow();
  });

  test('does not wait for ever for who sends nothing more', async () => {
    await api.close();
    api = await openTestApi({ timeouts: { drainMs: 300 } });
    const socket = await openRaw(api.url);
    const read = readAll(socket);
    socket.write('GET /readyz HTTP/1.1\r\n');
    expect(await isAlive()).toBe(true);
    await api.drain();
    expect(await read).toBe('');
  });
});
