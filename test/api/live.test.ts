import { once } from 'node:events';
import { WebSocket } from 'ws';
import { makeApiKey } from '../../db/api-key.ts';
import { ensureApiKey } from '../../db/merchants.ts';
import { MERCHANT, storePaymentIn } from '../factories.ts';
import { until } from '../until.ts';
import * as live from './live-client.ts';
import { type Client, closeClients, cursorsOf, eventsOf, typesOf } from './live-client.ts';
import { openOperator } from './operators.ts';
import { openTestApi, type TestApi } from './server.ts';

/** The live feed: every event, in order, to those whose it is, and nothing lost over a gap. */
let api: TestApi;
beforeEach(async () => {
  api = await openTestApi({ live: { connectionsEachMax: 1_000 } });
});
afterEach(async () => {
  closeClients();
  await api.close();
});

const connect = (token: string | null = api.apiKey): Client => live.connect(api.url, token);
const subscribe = (wish: object = {}, token = api.apiKey) => live.subscribe(api.url, token, wish);
const STORY = ['payment.created', 'payment.processing', 'payment.succeeded'];

test('a payment’s story arrives as it happens, to its merchant and to operators only', async () => {
  const operator = await subscribe({}, (await openOperator(api, 'viewer')).token);
  const other = await api.openMerchant();
  const mine = await subscribe();
  const theirs = await subscribe({}, other.apiKey);
  await storePaymentIn(api.pool, 'succeeded');
  await until(() => typesOf(mine).length === 3);
  expect(typesOf(mine)).toEqual(STORY);
  await until(() => typesOf(operator).length === 3);
  expect(typesOf(operator)).toEqual(STORY);
  expect(eventsOf(theirs)).toEqual([]);
});

test('one payment may be watched alone', async () => {
  const watched = await storePaymentIn(api.pool, 'processing');
  const client = await subscribe({ payment_id: watched.id });
  await storePaymentIn(api.pool, 'succeeded');
  await api.database.queryAsOwner("UPDATE payments SET status = 'failed' WHERE id = $1", [
    watched.id,
  ]);
  await until(() => typesOf(client).includes('payment.failed'));
  expect(new Set(eventsOf(client).map(({ data }) => data.id))).toEqual(new Set([watched.id]));
});

test('who comes back with its last cursor has missed nothing, and gets nothing twice', async () => {
  const first = await subscribe();
  await storePaymentIn(api.pool, 'processing');
  await until(() => typesOf(first).length === 2);
  first.socket.terminate();
  const after = eventsOf(first).at(-1)?.cursor;
  for (let made = 0; made < 150; made += 1) await storePaymentIn(api.pool, 'created');
  const second = await subscribe({ after });
  const live = storePaymentIn(api.pool, 'created');
  await until(() => typesOf(second).length === 151);
  await live;
  const rows = await api.database.queryAsOwner<{ cursor: string }>(
    "SELECT tx::text || '-' || position AS cursor FROM outgoing_events ORDER BY tx, position",
  );
  const seen = [...cursorsOf(first), ...cursorsOf(second)];
  expect(seen).toEqual(rows.map(({ cursor }) => cursor));
}, 60_000);

test('five hundred clients all see the same story in order', async () => {
  const clients = Array.from({ length: 500 }, () => connect());
  await until(() => clients.every(({ told }) => told.length > 0));
  for (const { socket } of clients) socket.send('{"type":"subscribe"}');
  await until(() => clients.every(({ told }) => told.length > 1));
  await storePaymentIn(api.pool, 'succeeded');
  await until(() => clients.every((client) => typesOf(client).length === 3));
  const [first] = clients;
  for (const client of clients) {
    expect(eventsOf(client)).toEqual(first === undefined ? [] : eventsOf(first));
  }
}, 60_000);

test('a browser says who it is in its first message', async () => {
  const client = connect(null);
  await once(client.socket, 'open');
  client.socket.send(JSON.stringify({ type: 'authenticate', token: api.apiKey }));
  client.socket.send('{"type":"subscribe"}');
  await until(() => client.told.some(({ type }) => type === 'subscribed'));
});

test.each([
  ['an unknown key', makeApiKey('test')],
  ['no token of ours', 'eyJhbGciOiJub25lIn0.e30.'],
])('%s is refused', async (_what, token) => {
  expect(await connect(token).code).toBe(4401);
});

test('a key that may not read payments is refused', async () => {
  const apiKey = makeApiKey('test');
  await ensureApiKey(api.pool, { merchantId: MERCHANT.id, apiKey, scopes: ['refunds:write'] });
  expect(await connect(apiKey).code).toBe(4401);
});

test.each(['', '{', '[]', '{"type":"subscribe","after":"x"}', '{"type":"dance"}'])(
  '%j is no message',
  async (text) => {
    const client = connect();
    await until(() => client.told.length > 0);
    client.socket.send(text);
    expect(await client.code).toBe(4400);
  },
);

test('to subscribe without having said who one is, is refused', async () => {
  const client = connect(null);
  await once(client.socket, 'open');
  client.socket.send('{"type":"subscribe"}');
  expect(await client.code).toBe(4401);
});

test('another path takes no upgrade', async () => {
  const socket = new WebSocket(`${api.url.replace('http', 'ws')}/api/v1/other`);
  const [error] = await once(socket, 'error');
  expect(String(error)).toContain('404');
});

test('with the database away nobody is let in, and the process lives', async () => {
  await api.cutDatabase();
  expect(await connect().code).toBe(1001);
  expect((await api.send('GET', '/livez')).status).toBe(200);
});
