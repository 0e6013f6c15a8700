import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Provider, ProviderClient } from '../../domain/provider.ts';
import { cpay } from '../../providers/cpay/index.ts';
import { SANDBOX as CPAY } from '../../providers/cpay/simulator.ts';
import { mpesa } from '../../providers/mpesa/index.ts';
import { SANDBOX as MPESA } from '../../providers/mpesa/simulator.ts';
import { stripe } from '../../providers/stripe/index.ts';
import { SANDBOX as STRIPE } from '../../providers/stripe/simulator.ts';
import { connect, errorOf, makeContext, makeRequest } from './contract/harness.ts';

/**
 * Answers that would fill our memory, hold our places, or send us elsewhere. All of them come after
 * the request was read, so what became of it is unknown: never a failure, never a success.
 */
const CHUNK = Buffer.alloc(64 * 1024, ' ');
const BODY_BYTES = 32 * 1024 * 1024;
/** What is on the way when the client hangs up: buffers of both sides, on top of the cap. */
const SENT_BYTES_MAX = 12 * 1024 * 1024;
const DRIP_EVERY_MS = 20;

let server: Server;
let sent = new Map<ServerResponse, number>();
let asked: string[] = [];
let mode: (response: ServerResponse, body: string) => void;
/** A success to whoever asks; the object is what each path's client looks for. */
const ID = 'ws_CO_071020261015032700000101';
const paidAt = (path: string) =>
  JSON.stringify({
    id: 'pi_1',
    object: /payment_intents/.test(path) ? 'payment_intent' : path.match(/refund|charge/)?.[0],
    status: 'succeeded',
    amount: 10_000,
    currency: 'KES',
    metadata: {},
    amount_received: 10_000,
    amount_captured: 10_000,
    latest_charge: 'ch_1',
    charge: 'ch_1',
    data: [],
    has_more: false,
    ResponseCode: '0',
    CheckoutRequestID: ID,
    ResultCode: '0',
    OriginatorConversationID: 'c',
  });
const TOKEN = '{"access_token":"token","expires_in":"3599"}';

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    sent.set(response, 0);
    if (request.url?.startsWith('/oauth')) return void response.end(TOKEN);
    return mode(response, paidAt(request.url ?? ''));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
beforeEach(() => {
  sent = new Map();
  asked = [];
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

const MANNERS = {
  'an answer of 32 MB': (response, body) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    const more = () => {
      for (let bytes = sent.get(response) ?? 0; bytes < BODY_BYTES && !response.destroyed; ) {
        bytes += CHUNK.length;
        sent.set(response, bytes);
        if (!response.write(CHUNK)) return void response.once('drain', more);
      }
      response.end(body);
    };
    more();
  },
  'an answer that drips without end': (response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    const drip = setInterval(() => response.write(' '), DRIP_EVERY_MS);
    response.on('close', () => clearInterval(drip));
  },
  'a redirect with the body of a success': (response, body) => {
    response.writeHead(307, { location: '/elsewhere', 'content-type': 'application/json' });
    response.end(body);
  },
} as const satisfies Record<string, typeof mode>;

const payer = {
  name: 'pays',
  request: () => ({
    customer: { phone: '+254700000101', email: null, name: null },
    paymentMethod: 'pm_card_visa',
  }),
};
const timeoutMs = 1_000;
const { signal } = new AbortController();
const names = ['rev', 'rvt', 'rst', 'rsx', 'rcp', 'rcx'];
const callbackUrls = Object.fromEntries(names.map((it) => [it, `https://x.test/${it}`]));
const refundOf = { workflowId: 'refund-1', callbackUrls, timeoutMs, providerPaymentId: 'pi_1' };
const amount = { amountMinor: 100, currency: 'KES' } as const;
const hold = { providerPaymentId: 'pi_1', idempotencyKey: 'k', timeoutMs };

const CALLS = {
  charge: (it) =>
    it.charge(makeRequest(payer, 'https://x.test/', { timeoutMs }), makeContext({ signal })),
  lookup: (it) =>
    it.lookup({ providerPaymentId: ID, attemptRef: 'payment-1/1', timeoutMs }, signal),
  capture: (it) => it.capture?.({ ...hold, amount }, signal),
  cancel: (it) => it.cancel?.(hold, signal),
  refund: (it) =>
    it.refund?.(
      { ...refundOf, idempotencyKey: 'k', amount, providerReceipt: 'R1', reason: 'Refund' },
      makeContext({ signal }),
    ),
  lookupRefund: (it) => it.lookupRefund?.({ ...refundOf, providerRefundId: 'c-1' }, signal),
  listProviderRefunds: (it) => it.listProviderRefunds?.(refundOf, signal),
} as const satisfies Record<string, (it: ProviderClient) => Promise<unknown> | undefined>;

type Credentials = Readonly<Record<string, string>>;
const PROVIDERS: readonly (readonly [string, Provider, Credentials])[] = [
  ['mpesa', mpesa, MPESA.credentials],
  ['stripe', stripe, STRIPE.credentials],
  ['cpay', cpay, CPAY.credentials],
];

let clients: readonly (readonly [string, ProviderClient])[] = [];
beforeAll(async () => {
  const { port } = server.address() as AddressInfo;
  const base_url = `http://127.0.0.1:${port}`;
  clients = PROVIDERS.map(([name, provider, credentials]) => [
    name,
    connect(provider, { ...credentials, base_url }),
  ]);
  // M-Pesa's access token comes before any call, and in a time of its own.
  mode = (response, body) => void response.end(body);
  for (const [, client] of clients) {
    await client.charge(makeRequest(payer, 'https://x.test/'), makeContext());
  }
});
afterAll(() => Promise.all(clients.map(([, client]) => client.close())));

it.each(Object.entries(MANNERS))('%s leaves every call unknown', async (_what, answering) => {
  mode = answering;
  const ends = clients.flatMap(([name, client]) =>
    Object.entries(CALLS).flatMap(([call, make]) => {
      const calling = make(client);
      return calling === undefined
        ? []
        : [errorOf(calling).then((it) => [name, call, it.kind] as const)];
    }),
  );
  const told = await Promise.all(ends);
  expect(told).toHaveLength(4 + 7 + 7);
  expect(told.filter(([, , kind]) => kind !== 'ambiguous')).toEqual([]);
  expect(Math.max(...sent.values())).toBeLessThan(SENT_BYTES_MAX);
  expect(asked).not.toContain('/elsewhere');
});

/** Who reads HTTP of others, and which test holds its cap: a new place belongs into one. */
const READERS: Readonly<Record<string, string>> = {
  'providers/shared/http.ts': 'this file',
  'providers/stripe/sdk.ts': 'this file',
  'activities/outbound.ts': 'test/activities/outbound.test.ts',
  'api/sessions/token.ts': 'test/api/external-tokens.test.ts',
};

it('no other place reads HTTP of others', () => {
  const root = join(import.meta.dirname, '..', '..');
  const rooms = ['activities', 'api', 'config', 'db', 'domain', 'providers', 'worker', 'workflows'];
  const files = rooms.flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !/simulator/.test(name))
      .map((name) => `${room}/${name}`),
  );
  const reads = /\bfetch\(|'undici'|createRemoteJWKSet|new Stripe\(|\bhttps?\.(get|request)\(/;
  const readers = files.filter((file) => reads.test(readFileSync(join(root, file), 'utf8')));
  expect(readers.toSorted()).toEqual(Object.keys(READERS).toSorted());
});
