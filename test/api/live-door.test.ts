import { once } from 'node:events';
import type { LiveSettings } from '../../api/live/authenticate.ts';
import { makeApiKey } from '../../db/api-key.ts';
import { storePaymentIn } from '../factories.ts';
import { until } from '../until.ts';
import { type Client, closeClients, connect, subscribe, typesOf } from './live-client.ts';
import { openOperator } from './operators.ts';
import { exchange, openRaw, parseAnswer, readAll, upgradeTo } from './raw.ts';
import { openTestApi, type TestApi, type TestApiOptions } from './server.ts';

/** Who comes in to the live feed, how many of them, and what nobody may bring down with it. */
let api: TestApi;
const start = async (live: Partial<LiveSettings> = {}, options: TestApiOptions = {}) => {
  api = await openTestApi({ ...options, live });
};
afterEach(async () => {
  closeClients();
  await api.close();
});

const PATH = '/api/v1/live';
const isAlive = async () => (await api.send('GET', '/livez')).status === 200;
const isWelcome = ({ told }: Client) => told.some(({ type }) => type === 'authenticated');
const comeIn = async (token: string | null = api.apiKey, from?: string) => {
  const client = connect(api.url, token, from);
  await (token === null ? once(client.socket, 'open') : until(() => isWelcome(client)));
  return client;
};
/** A client's frame of zero payload is masked; this one breaks every rule of RFC 6455. */
const BAD_FRAME = Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);

describe('without any key nobody ends the process', () => {
  beforeEach(() => start());

  test.each([
    ['of no address', upgradeTo('//'), 400, 'malformed_request'],
    ['of a broken address', upgradeTo('http://['), 400, 'malformed_request'],
    ['of another path', upgradeTo('/api/v1/other'), 404, 'not_found'],
    ['of another path by another name', upgradeTo(`/x/..${PATH}/..`), 404, 'not_found'],
    [
      'without a key of its own',
      upgradeTo(PATH).replace(/Sec-WebSocket-Key.*\r\n/, ''),
      400,
      'malformed_request',
    ],
    [
      'of a version nobody speaks',
      upgradeTo(PATH).replace('Version: 13', 'Version: 99'),
      400,
      'malformed_request',
    ],
  ])('an upgrade %s is answered', async (_what, request, status, code) => {
    const answer = await exchange(api.url, request);
    expect(answer).toMatchObject({ status, body: { status, code } });
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(await isAlive()).toBe(true);
  });

  test.each(['/api/v1/other', PATH])('an upgrade of %s that is reset at once', async (path) => {
    for (let tries = 0; tries < 50; tries += 1) {
      const socket = await openRaw(api.url);
      socket.write(upgradeTo(path));
      socket.resetAndDestroy();
    }
    expect(await isAlive()).toBe(true);
  });

  test('a frame that breaks the protocol is closed with 1002, one too long with 1009', async () => {
    const broken = connect(api.url, null);
    const [{ socket }] = await once(broken.socket, 'upgrade');
    socket.write(BAD_FRAME);
    expect(await broken.code).toBe(1002);
    const long = await comeIn();
    long.socket.send('x'.repeat(9_000));
    expect(await long.code).toBe(1009);
    expect(await isAlive()).toBe(true);
  });
});

test('where no place is for who says nothing, it is told so before the handshake', async () => {
  await start({ unauthenticatedMax: 0 });
  const socket = await openRaw(api.url);
  const read = readAll(socket);
  socket.write(Buffer.concat([Buffer.from(upgradeTo(PATH)), BAD_FRAME]));
  const answer = parseAnswer(await read);
  expect(answer).toMatchObject({ status: 503, body: { code: 'temporarily_unavailable' } });
  expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
  await comeIn();
});

test('a full house of strangers keeps nobody out, also not who says its name later', async () => {
  await start({ unauthenticatedMax: 3, unauthenticatedEachMax: 2 });
  const from = ['203.0.113.1', '203.0.113.1', '203.0.113.2'];
  const silent: Client[] = [];
  for (const address of from) silent.push(await comeIn(null, address));
  const { token } = await openOperator(api, 'viewer');
  await comeIn(token, '203.0.113.3');
  await comeIn(api.apiKey, '203.0.113.3');
  // Who has been silent the longest makes room.
  const late = await comeIn(null, '203.0.113.4');
  expect(await silent[0]?.code).toBe(1006);
  late.socket.send(JSON.stringify({ type: 'authenticate', token: api.apiKey }));
  await until(() => isWelcome(late));
  // Its place and that of the first are free again, in the count of its address as well.
  await comeIn(null, '203.0.113.1');
  expect(silent.slice(1).map(({ socket }) => socket.readyState)).toEqual([1, 1]);
});

test('strangers of one address are few; others, and who has said its name, come in', async () => {
  await start({ unauthenticatedEachMax: 2 });
  const [first] = [await comeIn(null, '203.0.113.1'), await comeIn(null, '203.0.113.1')];
  const more = () => exchange(api.url, upgradeTo(PATH, 'X-Forwarded-For: 203.0.113.1'));
  const answer = await more();
  expect(answer).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  await comeIn(null, '203.0.113.2');
  await comeIn(api.apiKey, '203.0.113.1');
  first.socket.send(JSON.stringify({ type: 'authenticate', token: api.apiKey }));
  await until(() => isWelcome(first));
  await comeIn(null, '203.0.113.1');
  expect((await more()).status).toBe(429);
});

describe('a full house', () => {
  const codeOf = (token: string) => connect(api.url, token).code;
  const sayLater = async (token: string) => {
    const client = await comeIn(null);
    client.socket.send(JSON.stringify({ type: 'authenticate', token }));
    return await client.code;
  };

  test('of one merchant is no other’s, and no operator’s', async () => {
    await start({ connectionsEachMax: 2 });
    await comeIn();
    const leaving = await comeIn();
    expect([await codeOf(api.apiKey), await sayLater(api.apiKey)]).toEqual([4429, 4429]);
    await comeIn((await api.openMerchant()).apiKey);
    await comeIn((await openOperator(api, 'viewer')).token);
    leaving.socket.close();
    await leaving.code;
    await until(async () => {
      const client = connect(api.url, api.apiKey);
      await until(() => isWelcome(client) || client.socket.readyState === client.socket.CLOSED);
      return isWelcome(client);
    });
  });

  test('of all merchants is no operator’s, and the other way round', async () => {
    await start({ merchantConnectionsMax: 1, operatorConnectionsMax: 1 });
    const { token } = await openOperator(api, 'viewer');
    const { token: other } = await openOperator(api, 'admin');
    const second = await api.openMerchant();
    await comeIn();
    await comeIn(token);
    expect([await codeOf(second.apiKey), await sayLater(second.apiKey)]).toEqual([1013, 1013]);
    expect([await codeOf(other), await sayLater(other)]).toEqual([1013, 1013]);
  });

  test('of one operator is no other’s', async () => {
    await start({ operatorConnectionsEachMax: 1 });
    const { token } = await openOperator(api, 'viewer');
    await comeIn(token);
    expect(await codeOf(token)).toBe(4429);
    await comeIn((await openOperator(api, 'admin')).token);
  });
});

test('guesses are counted by address, by either way to say who one is', async () => {
  const refused = { requests: 4, per_ms: 60_000 };
  await start({}, { rateLimits: { refused } });
  const guess = () => connect(api.url, makeApiKey('test'), '203.0.113.1').code;
  const guessLater = async () => {
    const client = await comeIn(null, '203.0.113.1');
    client.socket.send(JSON.stringify({ type: 'authenticate', token: makeApiKey('test') }));
    return await client.code;
  };
  const codes = [await guess(), await guessLater(), await guess(), await guessLater()];
  expect(codes).toEqual([4401, 4401, 4401, 4401]);
  expect(await guessLater()).toBe(4429);
  const token = `Authorization: Bearer ${makeApiKey('test')}`;
  const answer = await exchange(api.url, upgradeTo(PATH, token, 'X-Forwarded-For: 203.0.113.1'));
  expect(answer).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
  const headers = { authorization: 'Bearer nothing', 'x-forwarded-for': '203.0.113.1' };
  expect((await api.send('GET', '/api/v1/payments', { headers })).status).toBe(429);
  await comeIn(api.apiKey, '203.0.113.1');
});

test('guesses are counted by IPv6 site as well, together with those over HTTP', async () => {
  await start({}, { rateLimits: { refused_site: { requests: 3, per_ms: 60_000 } } });
  const guess = (network: number) =>
    connect(api.url, makeApiKey('test'), `2001:db8:7:${network}::1`).code;
  expect([await guess(1), await guess(2)]).toEqual([4401, 4401]);
  const from = (address: string) =>
    api.send('GET', '/api/v1/payments', {
      headers: { authorization: 'Bearer nothing', 'x-forwarded-for': address },
    });
  expect((await from('2001:db8:7:3::1')).status).toBe(401);
  expect((await from('2001:db8:7:4::1')).status).toBe(429);
  const client = await comeIn(null, '2001:db8:7:5::1');
  client.socket.send(JSON.stringify({ type: 'authenticate', token: makeApiKey('test') }));
  expect(await client.code).toBe(4429);
  expect((await from('2001:db8:8:1::1')).status).toBe(401);
});

test('connecting counts as a request of the address', async () => {
  await start({}, { rateLimits: { address: { requests: 3, per_ms: 60_000 } } });
  for (let tries = 0; tries < 3; tries += 1) await comeIn(null, '203.0.113.1');
  const answer = await exchange(api.url, upgradeTo(PATH, 'X-Forwarded-For: 203.0.113.1'));
  expect(answer).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
});

test('who does not say who it is, is let go', async () => {
  await start({ authenticateMs: 100 });
  expect(await (await comeIn(null)).code).toBe(4401);
});

test('who does not answer a ping until the next is let go, others stay', async () => {
  await start({ heartbeatMs: 1_000 });
  const silent = await comeIn();
  const other = await subscribe(api.url, api.apiKey);
  const pings: unknown[] = [];
  other.socket.on('ping', (data) => pings.push(data));
  silent.socket.pong = () => undefined;
  silent.socket.pause();
  await until(async () => (await countLive()) === 1);
  await until(() => pings.length > 1);
  await storePaymentIn(api.pool, 'created');
  await until(() => typesOf(other).includes('payment.created'));
});

test('at the end of the process each is told to connect again', async () => {
  await start({ closeMs: 200 });
  const client = await comeIn();
  // It never reads that it is over.
  const deaf = await comeIn();
  deaf.socket.pause();
  await api.drain();
  expect(await client.code).toBe(1001);
});

async function countLive(): Promise<number> {
  const text = await api.metrics.registry.metrics();
  return Number(/^malipo_live_connections (\d+)/m.exec(text)?.[1] ?? -1);
}
