import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { makeApiKey } from '../../db/api-key.ts';
import { newId } from '../../db/ids.ts';
import { ensureApiKey, ensureMerchant } from '../../db/merchants.ts';
import { openPool, type Pool } from '../../db/pool.ts';
import { type Client, closeClients, cursorsOf, subscribe } from '../api/live-client.ts';
import { storePaymentIn } from '../factories.ts';
import { until } from '../until.ts';
import { readResidentBytes } from './api-process.ts';
import { openStack, type Stack } from './stack.ts';

/**
 * The live feed of real processes, in one run: a crash loses nothing for any of five hundred
 * clients, who reads nothing costs the others nothing, and nobody hears of another merchant.
 */
/** One merchant has 100 places in a process; test/api/live.test.ts has five hundred. */
const CLIENTS = 90;
const DEAF = 30;
/** Payments of 10 KB each, and how often each changes. */
const HEAVY = 50;
const ROUNDS = 100;
/** What may wait in memory for each, and one event more. */
const UNREAD_BYTES_MAX = 256 * 1024;
const EVENT_BYTES_MAX = 12 * 1024;
/** Of 750 MB that are not read. */
const GROWTH_BYTES_MAX = 150 * 1024 * 1024;
/** On a machine that has much else to do. */
const WITHIN_MS = 90_000;

let stack: Stack;
let pool: Pool;
/** What a test that failed would do for ever. */
let isOver = false;
const followers: Follower[] = [];
beforeAll(async () => {
  // Events wait for the oldest open write of the server, which would be other tests' too.
  stack = await openStack(2, { isAlone: true });
  const databaseUrl = stack.world.details().database_url;
  pool = await openPool({ databaseUrl, size: 4, statementTimeoutMs: 10_000 });
}, 150_000);
afterAll(async () => {
  isOver = true;
  for (const follower of followers) follower.stop();
  closeClients();
  await pool?.end();
  await stack?.close();
}, 60_000);

async function enroll(): Promise<{ readonly id: string; readonly apiKey: string }> {
  const [id, apiKey] = [newId('merchant'), makeApiKey('test')];
  await ensureMerchant(pool, { id, name: 'Duka la Pili' });
  await ensureApiKey(pool, { merchantId: id, apiKey });
  return { id, apiKey };
}

/** All that a merchant should be told, in order. */
async function listCursors(merchantId: string): Promise<readonly string[]> {
  const { rows } = await stack.db.query<{ cursor: string }>(
    `SELECT tx::text || '-' || position AS cursor FROM outgoing_events
     WHERE merchant_id = $1 ORDER BY tx, position`,
    [merchantId],
  );
  return rows.map(({ cursor }) => cursor);
}

type Follower = {
  /** Of all that it was told, in the order it came. */
  readonly cursors: string[];
  /** How often it was let in and went on. */
  begun: number;
  stop(): void;
};

/** As docs/events.md asks of a client: after each break it goes on from its last cursor. */
function follow(url: string, token: string): Follower {
  let socket: WebSocket | null = null;
  let isStopped = false;
  const follower: Follower = {
    cursors: [],
    begun: 0,
    stop() {
      isStopped = true;
      socket?.terminate();
    },
  };
  const once = () =>
    new Promise<void>((resolve) => {
      const headers = { authorization: `Bearer ${token}` };
      const next = new WebSocket(`${url.replace('http', 'ws')}/api/v1/live`, { headers });
      next.on('message', (data) => {
        const { type, event } = JSON.parse(Buffer.isBuffer(data) ? data.toString() : '{}');
        const after = follower.cursors.at(-1) ?? '0-0';
        if (type === 'authenticated') next.send(JSON.stringify({ type: 'subscribe', after }));
        if (type === 'subscribed') follower.begun += 1;
        if (type === 'event') follower.cursors.push(event.cursor);
      });
      next.on('error', () => undefined);
      next.once('close', () => resolve());
      socket = next;
    });
  const run = async () => {
    while (!isStopped) {
      await once();
      await sleep(300);
    }
  };
  void run();
  followers.push(follower);
  return follower;
}

const PAYMENT = { provider: 'cpay', amount: 5_000, currency: 'KES' };
/** Sends the same again until it is answered, as after any lost answer. */
async function pay(): Promise<string> {
  for (const key = randomUUID(); !isOver; ) {
    const answer = await stack.send('POST', 'payments', PAYMENT, key).catch(() => null);
    if (answer !== null && answer.status < 300) return answer.body.id;
    await sleep(100);
  }
  throw new Error('it was not paid');
}

/**
 * Sixty payments, and the API killed twice among them.
 * @returns whose they are.
 */
async function payAndKill(isUnderWay: (round: number) => boolean): Promise<string> {
  const paying: Promise<string>[] = [];
  const payMany = (count: number) => {
    for (let made = 0; made < count; made += 1) paying.push(pay());
  };
  for (const round of [1, 2]) {
    payMany(20);
    await until(() => isUnderWay(round), WITHIN_MS);
    payMany(10);
    await stack.world.kill('api', 'SIGKILL');
    await stack.world.start('api');
  }
  const ids = await Promise.all(paying);
  expect(new Set(ids).size).toBe(60);
  for (const id of ids) await stack.until(id, ['succeeded'], WITHIN_MS);
  const { rows } = await stack.db.query<{ merchant_id: string }>(
    'SELECT DISTINCT merchant_id FROM payments WHERE id = ANY($1)',
    [ids],
  );
  expect(rows).toHaveLength(1);
  return rows[0]?.merchant_id ?? '';
}

/** The second API process, as Prometheus and the system see it. */
async function readSecond(): Promise<{ connections: number; unread: number; resident: number }> {
  const { metrics_urls, pids } = stack.world.details();
  const text = await (await fetch(metrics_urls.api_2 ?? '')).text();
  const read = (name: string) => Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1]);
  return {
    connections: read('malipo_live_connections'),
    unread: read('malipo_live_unread_bytes'),
    resident: readResidentBytes(pids.api_2 ?? 0),
  };
}

/** Clients of one merchant that stop to read, and fifty megabytes for each of them. */
async function flood(): Promise<{ readonly deaf: readonly Client[]; readonly honest: Client }> {
  const url = stack.world.apiUrls[1] ?? '';
  const { id: merchantId, apiKey } = await enroll();
  const metadata = Object.fromEntries(
    Array.from({ length: 20 }, (_, index) => [`field${index}`, 'x'.repeat(500)]),
  );
  const honest = await subscribe(url, apiKey);
  const deaf = await Promise.all(Array.from({ length: DEAF }, () => subscribe(url, apiKey)));
  for (const { socket } of deaf) socket.pause();
  const stored = Array.from({ length: HEAVY }, () =>
    storePaymentIn(pool, 'succeeded', { merchantId, metadata }),
  );
  await Promise.all(stored);
  const changeAll = async (rounds: number) => {
    const before = cursorsOf(honest).length;
    for (let round = 0; round < rounds; round += 1) {
      await stack.db.query(
        "UPDATE payments SET wait_until = now() + $1 * interval '1 hour' WHERE merchant_id = $2",
        [before + round, merchantId],
      );
    }
    await until(() => cursorsOf(honest).length === before + HEAVY * rounds, WITHIN_MS);
  };
  await until(() => cursorsOf(honest).length === HEAVY * 3, WITHIN_MS);
  // By then the process has as much heap as it likes for this much work.
  await changeAll(ROUNDS / 2);
  const calm = await readSecond();
  await changeAll(ROUNDS / 2);
  const flooded = await readSecond();
  expect(flooded.unread).toBeGreaterThan(DEAF * UNREAD_BYTES_MAX);
  expect(flooded.unread).toBeLessThan(DEAF * (UNREAD_BYTES_MAX + EVENT_BYTES_MAX));
  expect(flooded.resident - calm.resident).toBeLessThan(GROWTH_BYTES_MAX);
  expect(cursorsOf(honest)).toEqual(await listCursors(merchantId));
  return { deaf, honest };
}

async function expectCutOff(deaf: readonly Client[]): Promise<void> {
  await until(async () => (await readSecond()).connections === 1, WITHIN_MS);
  expect((await readSecond()).unread).toBe(0);
  for (const { socket, code } of deaf) {
    socket.resume();
    expect([1006, 4408]).toContain(await code);
  }
}

test('events reach all, in order and once, whoever is killed or does not read', async () => {
  const { api_url, api_key } = stack.world.details();
  const other = await enroll();
  const clients = Array.from({ length: CLIENTS }, () => follow(api_url, api_key));
  const stranger = follow(api_url, other.apiKey);
  const everybody = [...clients, stranger];
  await until(() => everybody.every(({ begun }) => begun >= 1), WITHIN_MS);
  const { deaf, honest } = await flood();
  const strange = storePaymentIn(pool, 'succeeded', { merchantId: other.id });
  const haveBegun = (round: number) => everybody.every(({ begun }) => begun >= round);
  const merchantId = await payAndKill(
    (round) => haveBegun(round) && clients.every(({ cursors }) => cursors.length > round * 10),
  );
  await strange;
  await storePaymentIn(pool, 'succeeded', { merchantId: other.id });
  const [ours, theirs] = [await listCursors(merchantId), await listCursors(other.id)];
  const hasAll = ({ cursors }: Follower, all: readonly string[]) => cursors.at(-1) === all.at(-1);
  const hearAll = () => clients.every((it) => hasAll(it, ours)) && hasAll(stranger, theirs);
  await until(() => haveBegun(3) && hearAll(), WITHIN_MS);
  for (const client of clients) expect(client.cursors).toEqual(ours);
  expect(ours.length).toBeGreaterThanOrEqual(60 * 3);
  expect(stranger.cursors).toEqual(theirs);
  expect(theirs).toHaveLength(2 * 3);
  for (const follower of everybody) follower.stop();
  await expectCutOff(deaf);
  expect(honest.socket.readyState).toBe(honest.socket.OPEN);
}, 240_000);
