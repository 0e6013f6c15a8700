import { once } from 'node:events';
import { request } from 'node:http';
import { gzipSync } from 'node:zlib';
import { hashOfPaymentWorkflowId } from '../../domain/id.ts';
import { storePaymentIn } from '../factories.ts';
import { listStored } from './callbacks.ts';
import { exchange, openRaw, parseAnswer, readAll } from './raw.ts';
import { openTestApi, type TestApi } from './server.ts';

/** Bodies as the wire brings them: with a length, in chunks, or not at all. */
let api: TestApi;
beforeEach(async () => {
  api = await openTestApi();
});
afterEach(() => api.close());

/** Sends parts one by one, without a length: Transfer-Encoding: chunked. */
async function sendChunked(path: string, parts: readonly string[], type = 'application/json') {
  const headers = { authorization: `Bearer ${api.apiKey}`, 'content-type': type };
  const sending = request(`${api.url}${path}`, { method: 'POST', headers });
  const answered = once(sending, 'response');
  for (const part of parts) sending.write(part);
  sending.end();
  const [response] = await answered;
  const text = Buffer.concat(await response.toArray()).toString();
  return { status: response.statusCode, body: JSON.parse(text) };
}

const authorize = () =>
  storePaymentIn(api.pool, 'authorized', { provider: 'cpay', captureMethod: 'manual' });

test.each([
  ['in one chunk', ['{"amount":4000}']],
  ['in many', ['{"amo', 'unt":', '4000', '}']],
])('a capture of a part that comes %s takes that part', async (_how, parts) => {
  const { id, workflowId } = await authorize();
  const answer = await sendChunked(`/api/v1/payments/${id}/capture`, parts);
  expect(answer.status).toBe(200);
  expect(api.engine.updates).toEqual([['capture', workflowId, 4_000]]);
});

test.each([
  ['no JSON', ['amount=4000'], 400, 'malformed_json'],
  ['an amount that is none', ['{"amount":"4000"}'], 400, 'invalid_request'],
  ['more than 64 KB', ['{"amount":', ' '.repeat(70_000), '4000}'], 413, 'body_too_large'],
])('a capture whose chunks hold %s takes nothing', async (_what, parts, status, code) => {
  const { id } = await authorize();
  const answer = await sendChunked(`/api/v1/payments/${id}/capture`, parts);
  expect(answer).toMatchObject({ status, body: { code } });
  expect(api.engine.updates).toEqual([]);
});

test('a capture without a body takes all', async () => {
  const { id, workflowId } = await authorize();
  expect((await api.send('POST', `/api/v1/payments/${id}/capture`)).status).toBe(200);
  expect(api.engine.updates).toEqual([['capture', workflowId, 10_000]]);
});

test.each([
  ['metadata', '{"metadata":{"__proto__":"x"}}', '/metadata/__proto__'],
  ['the body', '{"amount":1,"__proto__":{"admin":true}}', '/__proto__'],
  ['a list', '{"a":[{"__proto__":1}]}', '/a/0/__proto__'],
  ['an escaped spelling', '{"metadata":{"\\u005f_proto__":"x"}}', '/metadata/__proto__'],
])('__proto__ in %s is named as what cannot be stored', async (_where, body, pointer) => {
  const answer = await api.send('POST', '/api/v1/payments', { body });
  expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  const detail = 'is not a field that can be stored';
  expect(answer.body.errors).toEqual([{ pointer, detail }]);
});

test('other names that JavaScript knows are kept as they are', async () => {
  const metadata = { constructor: 'a', prototype: 'b', toString: 'c', hasOwnProperty: 'd' };
  const customer = { phone: '0712345678' };
  const body = { provider: 'mpesa', amount: 10_000, currency: 'KES', customer, metadata };
  const made = await api.send('POST', '/api/v1/payments', { body });
  expect(made.status).toBe(202);
  const { body: read } = await api.send('GET', `/api/v1/payments/${made.body.id}`);
  expect(read.metadata).toEqual(metadata);
});

describe('an empty body', () => {
  const store = () =>
    storePaymentIn(api.pool, 'succeeded', { provider: 'cpay', credentialsRef: 'env:cpay' });

  test('that says it is JSON is an empty object', async () => {
    const { id } = await store();
    const refund = await sendNothing(`/api/v1/payments/${id}/refunds`);
    expect(refund).toMatchObject({ status: 202, body: { amount: 10_000 } });
    const payment = await sendNothing('/api/v1/payments');
    expect(payment).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(payment.body.detail).toContain('/provider is required');
  });

  /** As `curl -X POST -H 'Content-Type: application/json'`: not even a length. */
  const sendNothing = (path: string) => {
    const headers = [
      `POST ${path} HTTP/1.1`,
      'Host: x',
      'Connection: close',
      `Authorization: Bearer ${api.apiKey}`,
      'Idempotency-Key: of-this-test',
      'Content-Type: application/json; charset=utf-8',
    ];
    return exchange(api.url, `${headers.join('\r\n')}\r\n\r\n`);
  };

  test('without a type is told what to send: money moves by it', async () => {
    const { id } = await store();
    const answer = await api.send('POST', `/api/v1/payments/${id}/refunds`);
    expect(answer).toMatchObject({ status: 415, body: { code: 'unsupported_media_type' } });
    expect(answer.body.detail).toContain('{}');
  });
});

describe('a body that is too large is told so, and its connection goes on', () => {
  const CHUNK = `10000\r\n${'x'.repeat(65_536)}\r\n`;
  const bomb = gzipSync(Buffer.alloc(50 * 1024 * 1024, ' '));

  async function sendTwo(path: string, body: Buffer | string, headers: string) {
    const socket = await openRaw(api.url);
    const read = readAll(socket);
    const lines = [
      `POST ${path} HTTP/1.1`,
      'Host: x',
      `Authorization: Bearer ${api.apiKey}`,
      'Content-Type: application/json',
      headers,
    ];
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    socket.write(body);
    socket.write('GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    const [refused = '', alive = ''] = (await read).split(/(?=HTTP\/1\.1 200)/);
    expect(parseAnswer(alive)).toMatchObject({ status: 200, body: { status: 'ok' } });
    return parseAnswer(refused);
  }
  const TOO_LARGE = { status: 413, body: { code: 'body_too_large' } };

  test.each([
    ['chunks', `${CHUNK.repeat(40)}0\r\n\r\n`, 'Transfer-Encoding: chunked'],
    ['a length', 'x'.repeat(2_000_000), 'Content-Length: 2000000'],
  ])('a callback of 2 MB, in %s', async (_how, body, header) => {
    const { workflowId } = await storePaymentIn(api.pool, 'processing');
    const hash = hashOfPaymentWorkflowId(workflowId) ?? '';
    const path = `/api/v1/webhooks/stk/${api.tokens.issue('payment', hash, 1)}`;
    expect(await sendTwo(path, body, header)).toMatchObject(TOO_LARGE);
    expect(await listStored(api)).toEqual([]);
  });

  test.each<readonly [string, Buffer | string, string]>([
    ['chunks', `${CHUNK.repeat(40)}0\r\n\r\n`, 'Transfer-Encoding: chunked'],
    ['a length', 'x'.repeat(2_000_000), 'Content-Length: 2000000'],
    ['50 KB of gzip', bomb, `Content-Length: ${bomb.length}\r\nContent-Encoding: gzip`],
  ])('a capture of megabytes, in %s', async (_how, body, headers) => {
    const { id } = await authorize();
    const answer = await sendTwo(`/api/v1/payments/${id}/capture`, body, headers);
    expect(answer).toMatchObject(TOO_LARGE);
    expect(api.engine.updates).toEqual([]);
  });
});
