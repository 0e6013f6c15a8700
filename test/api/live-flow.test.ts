import { setTimeout as sleep } from 'node:timers/promises';
import type { LiveSettings } from '../../api/live/authenticate.ts';
import { makeApiKey } from '../../db/api-key.ts';
import { revokeApiKey } from '../../db/api-keys.ts';
import { ensureApiKey, updateMerchant } from '../../db/merchants.ts';
import { updateOperator } from '../../db/operators.ts';
import { MERCHANT, storePaymentIn } from '../factories.ts';
import { keepLog } from '../kept-log.ts';
import { until } from '../until.ts';
import {
  type Client,
  closeClients,
  connect,
  cursorsOf,
  eventsOf,
  subscribe,
  typesOf,
} from './live-client.ts';
import { countWaiting } from './locks.ts';
import { openOperator } from './operators.ts';
import { openTestApi, type TestApi } from './server.ts';

/** How events flow to those who may hear them, at whatever pace, and to nobody else. */
let api: TestApi;
const start = async (live: Partial<LiveSettings> = {}) => {
  api = await openTestApi({ live });
};
afterEach(async () => {
  closeClients();
  await api.close();
});

const say = ({ socket }: Client, wish: object) =>
  socket.send(JSON.stringify({ type: 'subscribe', ...wish }));
const listAll = async () => {
  const rows = await api.database.queryAsOwner<{ cursor: string }>(
    "SELECT tx::text || '-' || position AS cursor FROM outgoing_events ORDER BY tx, position",
  );
  return rows.map(({ cursor }) => cursor);
};
/** Changes of KES 100 payments that hold much text: some kilobytes each event. */
const METADATA = Object.fromEntries(
  Array.from({ length: 20 }, (_, index) => [`field${index}`, 'x'.repeat(500)]),
);
const storeMuch = async (payments: number, rounds: number) => {
  for (let made = 0; made < payments; made += 1) {
    await storePaymentIn(api.pool, 'created', { metadata: METADATA });
  }
  for (let round = 0; round < rounds; round += 1) {
    await api.database.queryAsOwner(
      `UPDATE payments SET wait_until = now() + interval '${round} hours'`,
    );
  }
};

describe('one key does not stall the others', () => {
  const countReads = () => countWaiting(api);
  const holdEvents = () => api.database.queryAsOwner('BEGIN; LOCK TABLE outgoing_events');
  const letGo = () => api.database.queryAsOwner('ROLLBACK');

  test('by five thousand subscriptions on one connection: it is closed', async () => {
    await start();
    const client = await subscribe(api.url, api.apiKey);
    for (let sent = 0; sent < 5_000; sent += 1) say(client, { after: '0-0' });
    expect(await client.code).toBe(4429);
  });

  test('by many a minute, each in its turn', async () => {
    await start({ subscriptionsEachMinute: 5 });
    const client = connect(api.url, api.apiKey);
    const countAnswers = () => client.told.filter(({ type }) => type === 'subscribed').length;
    for (let sent = 0; sent < 5; sent += 1) {
      await until(() => client.told.length > 0 && countAnswers() === sent);
      say(client, {});
    }
    await until(() => countAnswers() === 5);
    say(client, {});
    expect(await client.code).toBe(4429);
  });

  test('by many connections that catch up: few read at a time, and the API answers', async () => {
    await start({ readsMax: 3, readsEachMax: 2 });
    const other = await api.openMerchant();
    await storePaymentIn(api.pool, 'succeeded');
    const clients = Array.from({ length: 60 }, () => connect(api.url, api.apiKey));
    const theirs = connect(api.url, other.apiKey);
    await until(() => [...clients, theirs].every(({ told }) => told.length > 0));
    await holdEvents();
    for (const client of clients) for (let n = 0; n < 5; n += 1) say(client, { after: '0-0' });
    // Two of ours, and the feed.
    await until(async () => (await countReads()) === 3);
    say(theirs, { after: '0-0' });
    await until(async () => (await countReads()) === 4);
    for (let asked = 0; asked < 20; asked += 1) {
      expect((await api.send('GET', '/api/v1/payments')).status).toBe(200);
    }
    expect(await countReads()).toBe(4);
    await letGo();
    await until(() => clients.every((client) => typesOf(client).length === 3));
  });
});

test('a subscription gives way to the next one at once', async () => {
  await start({ readsMax: 1 });
  const watched = await storePaymentIn(api.pool, 'succeeded');
  for (let made = 0; made < 60; made += 1) await storePaymentIn(api.pool, 'succeeded');
  const client = connect(api.url, api.apiKey);
  await until(() => client.told.length > 0);
  for (let sent = 0; sent < 8; sent += 1) say(client, { after: '0-0' });
  say(client, { after: '0-0', payment_id: watched.id });
  await until(() => typesOf(client).length >= 3);
  await storePaymentIn(api.pool, 'succeeded');
  await api.database.queryAsOwner("UPDATE payments SET status = 'failed' WHERE id = $1", [
    watched.id,
  ]);
  await until(() => typesOf(client).includes('payment.failed'));
  const ids = new Set(eventsOf(client).map(({ data }) => data.id));
  expect(ids).toEqual(new Set([watched.id]));
});

describe('who may no longer hear is closed with 4401', () => {
  const QUICK = { recheckMs: 100 };
  const expectClosed = async (client: Client) => {
    expect(await client.code).toBe(4401);
    await storePaymentIn(api.pool, 'created');
    expect(eventsOf(client)).toEqual([]);
  };

  test('a key that is revoked; the merchant’s other key goes on', async () => {
    await start(QUICK);
    const apiKey = makeApiKey('test');
    const key = await ensureApiKey(api.pool, { merchantId: MERCHANT.id, apiKey });
    const [revoked, other] = [
      await subscribe(api.url, apiKey),
      await subscribe(api.url, api.apiKey),
    ];
    const asked = { merchantId: MERCHANT.id, id: key?.id ?? '', by: null };
    await revokeApiKey(api.pool, { ...asked, keepsDescendants: false });
    await expectClosed(revoked);
    await until(() => typesOf(other).includes('payment.created'));
  });

  test('a merchant that is switched off', async () => {
    await start(QUICK);
    const client = await subscribe(api.url, api.apiKey);
    await updateMerchant(api.pool, MERCHANT.id, { active: false });
    await expectClosed(client);
  });

  test('an operator that is switched off', async () => {
    await start(QUICK);
    const operator = await openOperator(api, 'viewer');
    const client = await subscribe(api.url, operator.token);
    await updateOperator(api.pool, operator.id, { active: false });
    await expectClosed(client);
  });

  test('a key that expires, at that moment', async () => {
    await start({ recheckMs: 3_600_000 });
    const apiKey = makeApiKey('test');
    const expiresAt = new Date(Date.now() + 10_000).toISOString();
    await ensureApiKey(api.pool, { merchantId: MERCHANT.id, apiKey, expiresAt });
    const client = await subscribe(api.url, apiKey);
    const years = makeApiKey('test');
    await ensureApiKey(api.pool, {
      merchantId: MERCHANT.id,
      apiKey: years,
      expiresAt: '2999-01-01T00:00:00Z',
    });
    const other = await subscribe(api.url, years);
    await expectClosed(client);
    await until(() => typesOf(other).includes('payment.created'));
  });

  test('nobody is closed because the database is away', async () => {
    await start(QUICK);
    const client = await subscribe(api.url, api.apiKey);
    // It has caught up: a read that is cut off would be told, by 1001.
    await storePaymentIn(api.pool, 'created');
    await until(() => typesOf(client).includes('payment.created'));
    await api.cutDatabase();
    let isClosed = false;
    void client.code.then(() => {
      isClosed = true;
    });
    await sleep(1_000);
    expect(isClosed).toBe(false);
  });

  test('that is one line of the log a round, however many are in', async () => {
    const { log, lines } = keepLog('warn');
    api = await openTestApi({ live: QUICK, adapt: (deps) => ({ ...deps, log }) });
    const tokens = [
      api.apiKey,
      (await api.openMerchant()).apiKey,
      (await api.openMerchant()).apiKey,
    ];
    for (const token of tokens) await subscribe(api.url, token);
    await api.cutDatabase();
    const listRounds = () =>
      lines().flatMap(({ msg, clients }) =>
        String(msg).includes('not rechecked') ? [clients] : [],
      );
    // The database may go in the midst of the first.
    await until(() => listRounds().length > 4);
    expect(new Set(listRounds().slice(1))).toEqual(new Set([tokens.length]));
  });
});

test('what happens before the feed’s first look is told to who subscribed meanwhile', async () => {
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  let isFirst = true;
  api = await openTestApi({
    adapt: (deps) => ({
      ...deps,
      pool: new Proxy(deps.pool, {
        get(pool, name) {
          // The feed's is the first question of all.
          if (name !== 'one' || !isFirst) return Reflect.get(pool, name);
          isFirst = false;
          return async (...asked: Parameters<typeof pool.one>) => {
            await held;
            return await pool.one(...asked);
          };
        },
      }),
    }),
  });
  const client = connect(api.url, api.apiKey);
  await until(() => client.told.length > 0);
  say(client, {});
  // Time enough for who does not wait to see that there is nothing to catch up with.
  await sleep(300);
  const isSubscribed = client.told.some(({ type }) => type === 'subscribed');
  await storePaymentIn(api.pool, 'succeeded');
  letGo();
  await until(() => client.told.some(({ type }) => type === 'subscribed'));
  await storePaymentIn(api.pool, 'succeeded');
  await until(() => typesOf(client).length >= (isSubscribed ? 6 : 3));
  // The list may show an event that is still on its way to the client.
  await until(async () => cursorsOf(client).at(-1) === (await listAll()).at(-1));
});

test('who catches up slowly is waited for, and gets all of it', async () => {
  await start();
  await storeMuch(60, 40);
  const client = connect(api.url, api.apiKey);
  await until(() => client.told.length > 0);
  say(client, { after: '0-0' });
  // Some 25 MB: much more than the system keeps for who does not read.
  const all = await listAll();
  for (let pauses = 1; pauses < 4; pauses += 1) {
    client.socket.pause();
    await sleep(700);
    client.socket.resume();
    await until(() => cursorsOf(client).length > pauses * 300);
  }
  await until(() => cursorsOf(client).length === all.length);
  expect(cursorsOf(client)).toEqual(all);
}, 120_000);

test('who falls behind gets all of it when it reads again; others do not wait for it', async () => {
  await start();
  const [slow, other] = [
    await subscribe(api.url, api.apiKey),
    await subscribe(api.url, api.apiKey),
  ];
  slow.socket.pause();
  await storeMuch(60, 40);
  const all = await listAll();
  await until(() => cursorsOf(other).length === all.length);
  expect(cursorsOf(other)).toEqual(all);
  slow.socket.resume();
  await until(() => cursorsOf(slow).length === all.length);
  expect(cursorsOf(slow)).toEqual(all);
}, 120_000);

describe('who reads nothing at all is let go', () => {
  test('with 4408, which it reads when it reads again', async () => {
    await start({ stallMs: 200, closeMs: 30_000 });
    const client = await subscribe(api.url, api.apiKey);
    client.socket.pause();
    await storeMuch(60, 40);
    const told = /^malipo_live_unread_bytes (\d+)/m;
    const countUnread = async () =>
      Number(told.exec(await api.metrics.registry.metrics())?.[1] ?? 0);
    await until(async () => (await countUnread()) > 256 * 1024);
    // Nothing shows from outside that it was closed.
    await sleep(1_000);
    client.socket.resume();
    expect(await client.code).toBe(4408);
    expect(cursorsOf(client).length).toBeLessThan((await listAll()).length);
  }, 120_000);

  test('and cut off soon, while it catches up and after', async () => {
    await start({ stallMs: 200, closeMs: 200 });
    await storeMuch(60, 40);
    const clients = [connect(api.url, api.apiKey), await subscribe(api.url, api.apiKey)];
    await until(() => clients.every(({ told }) => told.length > 0));
    for (const client of clients.slice(0, 1)) say(client, { after: '0-0' });
    for (const { socket } of clients) socket.pause();
    await storeMuch(0, 40);
    await until(async () => (await countLive()) === 0);
    for (const { socket } of clients) socket.resume();
    for (const { code } of clients) expect(await code).toBe(1006);
  }, 120_000);
});

test('after its listening connection was ended the feed goes on by itself', async () => {
  await start({ pollIntervalMs: 3_600_000 });
  const client = await subscribe(api.url, api.apiKey);
  // Another database's open transaction may hold events back, so it is told until it looks.
  const untilHeard = (events: number) =>
    until(async () => {
      await api.database.queryAsOwner('NOTIFY malipo_event');
      return typesOf(client).length === events;
    });
  await storePaymentIn(api.pool, 'succeeded');
  await untilHeard(3);
  const listeners = () =>
    api.database.queryAsOwner<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity
       WHERE datname = current_database() AND query = 'LISTEN "malipo_event"'`,
    );
  const [{ pid } = { pid: 0 }] = await listeners();
  await api.database.queryAsOwner('SELECT pg_terminate_backend($1)', [pid]);
  await storePaymentIn(api.pool, 'succeeded');
  await untilHeard(6);
  expect(cursorsOf(client)).toEqual(await listAll());
  expect((await listeners()).map((row) => row.pid)).not.toContain(pid);
});

async function countLive(): Promise<number> {
  const text = await api.metrics.registry.metrics();
  return Number(/^malipo_live_connections (\d+)/m.exec(text)?.[1] ?? -1);
}
