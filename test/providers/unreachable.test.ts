import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Provider, ProviderClient } from '../../domain/provider.ts';
import { cpay } from '../../providers/cpay/index.ts';
import { SANDBOX as CPAY } from '../../providers/cpay/simulator.ts';
import { mpesa } from '../../providers/mpesa/index.ts';
import { SANDBOX as MPESA } from '../../providers/mpesa/simulator.ts';
import { stripe } from '../../providers/stripe/index.ts';
import { SANDBOX as STRIPE } from '../../providers/stripe/simulator.ts';
import { connect, errorOf, makeContext, makeRequest } from './contract/harness.ts';

/** A network that says "unreachable": before a connection stands it is proof, afterwards none. */
type Credentials = Readonly<Record<string, string>>;
const CASES: readonly (readonly [string, Provider, Credentials])[] = [
  ['mpesa', mpesa, MPESA.credentials],
  ['stripe', stripe, STRIPE.credentials],
  ['cpay', cpay, CPAY.credentials],
];
/** What Linux tells of a connection that stands when a router or a filter refused its packets. */
const CODES = ['EHOSTUNREACH', 'ENETUNREACH', 'ECONNREFUSED'];

/** What a client's own check of the other side says, which it makes before it sends anything. */
const CERTIFICATE_CODES = ['CERT_HAS_EXPIRED', 'SELF_SIGNED_CERT_IN_CHAIN'];

/** Holds every POST; an access token is granted. */
let server: Server;
let url: string;
beforeAll(async () => {
  server = createServer();
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (request.method === 'GET') response.end('{"access_token":"token","expires_in":"3599"}');
    else server.emit('held', request.socket.remotePort);
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

const failureOf = (code: string, syscall: string) =>
  Object.assign(new Error(`${syscall} ${code}`), { code, syscall });
/** As Node reports a host none of whose addresses could be reached. */
const failuresOf = (code: string) =>
  Object.assign(new AggregateError([1, 2].map(() => failureOf(code, 'connect'))), { code });

/** Follows the sockets that clients of this process open. */
function watchSockets(take: (socket: Socket) => void): Disposable {
  const hear = (message: unknown) => take(Object(message).socket);
  subscribe('net.client.socket', hear);
  return { [Symbol.dispose]: () => void unsubscribe('net.client.socket', hear) };
}

const payer = {
  name: 'pays',
  request: () => ({
    customer: { phone: '+254700000099', email: null, name: null },
    paymentMethod: 'pm_card_visa',
  }),
};
const charge = (client: ProviderClient) =>
  client.charge(makeRequest(payer, 'http://127.0.0.1:1/stk'), makeContext());

async function loseTheWay(client: ProviderClient, code: string) {
  const opened: Socket[] = [];
  using _watch = watchSockets((socket) => opened.push(socket));
  const charged = errorOf(charge(client));
  const [port] = await once(server, 'held');
  opened.find(({ localPort }) => localPort === port)?.destroy(failureOf(code, 'read'));
  return await charged;
}

async function findNoWay(client: ProviderClient, failure: Error) {
  using _watch = watchSockets((socket) => {
    process.nextTick(() => socket.destroy(failure));
  });
  return await errorOf(charge(client));
}

describe.each(CASES)('%s', (_name, provider, credentials) => {
  it.each(CODES)('calls %s unsent only of a connection that never stood', async (code) => {
    const client = connect(provider, { ...credentials, base_url: url });
    try {
      expect(await loseTheWay(client, code)).toMatchObject({
        kind: 'ambiguous',
        providerCode: code,
      });
      for (const failure of [failureOf(code, 'connect'), failuresOf(code)]) {
        const error = await findNoWay(client, failure);
        expect(error).toMatchObject({ kind: 'unsent', providerCode: code });
      }
    } finally {
      await client.close();
    }
  });

  it.each(CERTIFICATE_CODES)('calls %s unsent', async (code) => {
    const client = connect(provider, { ...credentials, base_url: url });
    try {
      const error = await findNoWay(client, Object.assign(new Error(code), { code }));
      expect(error).toMatchObject({ kind: 'unsent', providerCode: code });
    } finally {
      await client.close();
    }
  });
});
