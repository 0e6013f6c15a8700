import { constants, generateKeyPairSync, privateDecrypt } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { ProviderClient } from '../../domain/provider.ts';
import { mpesa } from '../../providers/mpesa/index.ts';
import { connect, makeContext } from './contract/harness.ts';

/** Reversals and status queries as Daraja documents them, and what we make of each. */
const FOLDER = new URL('../../providers/mpesa/fixtures/', import.meta.url);
type Fixture = { readonly body: object; readonly http: { readonly request?: string } };
const read = (name: string): Fixture =>
  JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8'));

const CONVERSATION = 'a1b2-4c3d-9e8f-0a1b2c3d4e5f701234';
const failed = (code: string, providerCode: string) => ({
  kind: 'failed',
  providerRefundId: CONVERSATION,
  providerCode,
  failure: { code },
});
// biome-ignore format: table, one fixture per line: its channel, and what it says
const RESULTS: Readonly<Record<string, readonly [channel: string, says: object]>> = {
  'reversal-result-success': ['rev', { kind: 'succeeded', receipt: 'UJ7E5F6G7H', amountMinor: 100, providerRefundId: CONVERSATION }],
  'reversal-result-insufficient': ['rev', failed('insufficient_balance', '1')],
  'reversal-result-initiator-invalid': ['rev', failed('misconfigured', '2001')],
  'reversal-result-invalid-original': ['rev', failed('receipt_refused', 'R000002')],
  'reversal-result-already-reversed': ['rev', { kind: 'unknown', providerCode: 'R000001' }],
  'transaction-status-result': ['rst', { kind: 'succeeded', receipt: 'UJ7A1B2C3D', amountMinor: 100 }],
};

test.each(Object.entries(RESULTS))('%s', (name, [channel, says]) => {
  const webhook = mpesa.refundWebhooks.find((it) => it.channel === channel);
  const told = webhook?.translate(Buffer.from(JSON.stringify(read(name).body)));
  expect(told).toMatchObject({ kind: 'refund_event', event: says });
  // Names and phones of both parties stand in the bytes; none may leave in the event.
  expect(JSON.stringify(told)).not.toMatch(/DOE|254700000101/);
});

let server: Server;
let client: ProviderClient;
const received: { readonly path: string; readonly body: Record<string, unknown> }[] = [];
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
beforeAll(async () => {
  server = createServer((request, response) => {
    void request.toArray().then((chunks) => {
      const path = request.url?.split('?')[0] ?? '';
      const text = Buffer.concat(chunks).toString();
      if (text !== '') received.push({ path, body: JSON.parse(text) });
      const name = path.startsWith('/oauth') ? 'oauth-success' : 'reversal-accepted';
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(read(name).body));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  client = connect(mpesa, {
    base_url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    consumer_key: 'key',
    consumer_secret: 'secret',
    short_code: '600992',
    passkey: 'passkey',
    initiator_name: 'testapi',
    initiator_password: 'a password of this test',
    certificate: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  });
});
afterAll(async () => {
  await client.close();
  server.closeAllConnections();
  server.close();
});

const callbackUrls = Object.fromEntries(
  ['rev', 'rvt', 'rst', 'rsx'].map((channel) => [channel, `https://pay.example.test/${channel}`]),
);
const common = { workflowId: 'refund-1', callbackUrls, timeoutMs: 5_000 };
const reverse = (providerReceipt = 'UJ7A1B2C3D') =>
  client.refund?.(
    {
      ...common,
      idempotencyKey: 'pay_1/ref_1',
      amount: { amountMinor: 100, currency: 'KES' },
      providerPaymentId: 'ws_CO_1',
      providerReceipt,
      reason: 'Refund INV0001',
    },
    makeContext(),
  );
const ask = () =>
  client.lookupRefund?.(
    { ...common, providerPaymentId: 'ws_CO_1', providerRefundId: CONVERSATION },
    new AbortController().signal,
  );

test.each([
  ['reversal-request', () => reverse(), ['Occasion'], []],
  ['transaction-status-request', ask, [], ['TransactionID']],
] as const)('sends the fields of %s', async (name, send, more, without) => {
  received.length = 0;
  expect(await send()).toMatchObject({ kind: 'pending', providerRefundId: CONVERSATION });
  const { http, body } = read(name);
  const sent = received.find(({ path }) => http.request?.endsWith(path));
  const documented = Object.keys(body).filter((field) => !without.some((it) => it === field));
  expect(Object.keys(sent?.body ?? {}).toSorted()).toEqual([...documented, ...more].toSorted());
  const sealed = Buffer.from(String(sent?.body.SecurityCredential), 'base64');
  const key = { key: privateKey, padding: constants.RSA_PKCS1_PADDING };
  expect(privateDecrypt(key, sealed).toString()).toBe('a password of this test');
});

test('reverses nothing by a receipt that is empty', async () => {
  received.length = 0;
  await expect(reverse('')).rejects.toMatchObject({ kind: 'misconfigured' });
  expect(received).toEqual([]);
});

test('a reversal that names no transaction has no receipt', () => {
  const { body } = read('reversal-result-success');
  const text = JSON.stringify(body).replace('"UJ7E5F6G7H"', '""');
  const webhook = mpesa.refundWebhooks.find(({ channel }) => channel === 'rev');
  const told = webhook?.translate(Buffer.from(text));
  expect(told).toMatchObject({ event: { kind: 'succeeded', receipt: null, amountMinor: 100 } });
});

test('every fixture of reversals and status queries is held against the code', () => {
  const files = readdirSync(FOLDER).map((file) => file.replace('.json', ''));
  const ours = files.filter((name) => /^(reversal|transaction)-/.test(name));
  const known = [...Object.keys(RESULTS), 'reversal-accepted'];
  const requests = ['reversal-request', 'transaction-status-request'];
  expect(ours.toSorted()).toEqual([...known, ...requests].toSorted());
});
