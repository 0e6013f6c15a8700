import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Provider } from '../../domain/provider.ts';
import { cpay } from '../../providers/cpay/index.ts';
import { SANDBOX as CPAY } from '../../providers/cpay/simulator.ts';
import { mpesa } from '../../providers/mpesa/index.ts';
import { SANDBOX as MPESA } from '../../providers/mpesa/simulator.ts';
import { stripe } from '../../providers/stripe/index.ts';
import { SANDBOX as STRIPE } from '../../providers/stripe/simulator.ts';
import { connect, errorOf, makeContext, makeRequest } from './contract/harness.ts';

/** How long a provider asks us to stay away, in either of the two ways of RFC 9110. */
type Credentials = Readonly<Record<string, string>>;
const PROVIDERS: readonly (readonly [string, Provider, Credentials])[] = [
  ['mpesa', mpesa, MPESA.credentials],
  ['stripe', stripe, STRIPE.credentials],
  ['cpay', cpay, CPAY.credentials],
];

/** Grants an access token, and asks every POST to come back later. */
let server: Server;
let url: string;
let header: string | undefined;
beforeAll(async () => {
  server = createServer((request, response) => {
    const type = { 'content-type': 'application/json' };
    if (request.method === 'GET') {
      response.writeHead(200, type).end('{"access_token":"token","expires_in":"3599"}');
      return;
    }
    const pause = header === undefined ? {} : { 'retry-after': header };
    response.writeHead(429, { ...type, ...pause }).end('{"error":{"code":"rate_limited"}}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

const payer = {
  name: 'pays',
  request: () => ({
    customer: { phone: '+254700000099', email: null, name: null },
    paymentMethod: 'pm_card_visa',
  }),
};

/** A date of tomorrow asks for more than anybody is given, whatever the time it takes to ask. */
const TOMORROW = new Date(Date.now() + 86_400_000).toUTCString();
const HEADERS: readonly (readonly [string | undefined, number | null])[] = [
  ['7', 7_000],
  ['86400', 300_000],
  [TOMORROW, 300_000],
  ['', null],
  ['soon', null],
  [undefined, null],
];

describe.each(PROVIDERS)('%s', (_name, provider, credentials) => {
  it.each(HEADERS)('asked to come back after %j waits %j ms', async (said, retryAfterMs) => {
    header = said;
    const client = connect(provider, { ...credentials, base_url: url });
    try {
      const request = makeRequest(payer, 'http://127.0.0.1:1/callback');
      const error = await errorOf(client.charge(request, makeContext()));
      expect(error).toMatchObject({ kind: 'rate_limited', retryAfterMs });
    } finally {
      await client.close();
    }
  });
});
