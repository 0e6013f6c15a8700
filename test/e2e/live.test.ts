import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { pickPort } from '../../sandbox/ports.ts';
import { closeClients, connect, cursorsOf, subscribe, until } from '../api/live-client.ts';
import { storePaymentIn } from '../factories.ts';
import { type ApiProcess, startApi } from './api-process.ts';
import { openShop, type Shop } from './shop.ts';

/** The live feed of real processes: a crash loses nothing, and no client costs the others. */
afterEach(closeClients);

type Follower = {
  /** Of all that it was told, in the order it came. */
  readonly cursors: string[];
  readonly connections: number[];
  stop(): void;
};

/** As docs/events.md asks of a client: after each break it goes on from its last cursor. */
function follow(url: string, token: string): Follower {
  const follower = { cursors: ['0-0'], connections: [] as number[], isOver: false };
  const run = async () => {
    while (!follower.isOver) {
      const { socket, code } = connect(url, token);
      socket.on('message', (data) => {
        const { type, event } = JSON.parse(Buffer.isBuffer(data) ? data.toString() : '{}');
        const after = follower.cursors.at(-1);
        if (type === 'welcome') socket.send(JSON.stringify({ type: 'subscribe', after }));
        if (type === 'event') follower.cursors.push(event.cursor);
      });
      follower.connections.push(await code);
      await sleep(50);
    }
  };
  void run();
  return Object.assign(follower, {
    stop() {
      follower.isOver = true;
    },
  });
}

describe('kill -9 of the API', () => {
  let shop: Shop;
  beforeAll(async () => {
    shop = await openShop();
  }, 150_000);
  afterAll(() => shop?.close(), 60_000);

  const PAYMENT = { provider: 'cpay', amount: 5_000, currency: 'KES' };
  /** Sends the same again until it is answered, as after any lost answer. */
  async function pay(): Promise<string> {
    for (const key = randomUUID(); ; ) {
      const answer = await shop.send('POST', 'payments', PAYMENT, key).catch(() => null);
      if (answer !== null && answer.status < 300) return answer.body.id;
      await sleep(100);
    }
  }

  it('twice, amid sixty payments: clients miss nothing and get nothing twice', async () => {
    const { api_url, api_key } = shop.world.details();
    const clients = [follow(api_url, api_key), follow(api_url, api_key)];
    const paying: Promise<string>[] = [];
    const payMany = (count: number) => {
      for (let made = 0; made < count; made += 1) paying.push(pay());
    };
    const isUnderWay = (count: number) => clients.every(({ cursors }) => cursors.length > count);
    for (const round of [1, 2]) {
      payMany(20);
      await until(() => isUnderWay(round * 10));
      payMany(10);
      await shop.world.kill('api', 'SIGKILL');
      await shop.world.start('api');
    }
    for (const id of await Promise.all(paying)) await shop.until(id, ['succeeded'], 60_000);
    const { rows } = await shop.db.query<{ cursor: string }>(
      "SELECT tx::text || '-' || position AS cursor FROM outgoing_events ORDER BY tx, position",
    );
    const all = rows.map(({ cursor }) => cursor);
    await until(() => clients.every(({ cursors }) => cursors.at(-1) === all.at(-1)));
    for (const client of clients) {
      client.stop();
      expect(client.cursors.slice(1)).toEqual(all);
      expect(client.connections.length).toBeGreaterThanOrEqual(2);
    }
    expect(new Set(await Promise.all(paying)).size).toBe(60);
  }, 180_000);
});

describe('clients that never read', () => {
  const CLIENTS = 30;
  // What they do not read is 1,500 MB; the collector of a busy process lets some heap stand.
  const GROWTH_BYTES_MAX = 400 * 1024 * 1024;
  let api: ApiProcess;
  let metricsPort: number;
  beforeAll(async () => {
    metricsPort = (await pickPort(0)).port;
    api = await startApi({ MALIPO_METRICS_PORT: String(metricsPort) });
  }, 90_000);
  afterAll(() => api?.close(), 30_000);

  async function countLive(): Promise<number> {
    const answer = await fetch(`http://127.0.0.1:${metricsPort}/metrics`);
    const [, count] = /^malipo_live_connections (\d+)/m.exec(await answer.text()) ?? [];
    return Number(count);
  }

  it('are cut off; the process does not grow by them, and the others hear everything', async () => {
    const metadata = Object.fromEntries(
      Array.from({ length: 20 }, (_, index) => [`field${index}`, 'x'.repeat(500)]),
    );
    const honest = await subscribe(api.url, api.apiKey);
    const deaf = await Promise.all(
      Array.from({ length: CLIENTS }, () => subscribe(api.url, api.apiKey)),
    );
    for (let made = 0; made < 50; made += 1) {
      await storePaymentIn(api.database.pool, 'created', { metadata });
    }
    await until(() => cursorsOf(honest).length === 50);
    const calmBytes = api.readBytes();
    for (const { socket } of deaf) socket.pause();
    // Fifty megabytes for each of them.
    for (let round = 0; round < 100; round += 1) {
      await api.database.queryAsOwner(
        `UPDATE payments SET wait_until = now() + interval '${round} hours'`,
      );
    }
    await until(() => cursorsOf(honest).length === 50 * 101);
    expect(api.readBytes() - calmBytes).toBeLessThan(GROWTH_BYTES_MAX);
    expect(new Set(cursorsOf(honest)).size).toBe(50 * 101);
    await until(async () => (await countLive()) === 1, 90_000);
    for (const { socket, code } of deaf) {
      socket.resume();
      expect([1006, 4408]).toContain(await code);
    }
    expect(honest.socket.readyState).toBe(honest.socket.OPEN);
    expect(api.readBytes() - calmBytes).toBeLessThan(GROWTH_BYTES_MAX);
  }, 180_000);
});
