import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { openShop, type Shop } from './shop.ts';

/** What merchants are told, by signed webhooks: at least once, whatever crashes. */
type Received = { readonly headers: Record<string, string>; readonly body: string };
type Hook = { readonly url: string; readonly received: Received[]; status: number; close(): void };

let shop: Shop;
let hook: Hook;
beforeAll(async () => {
  shop = await openShop();
  hook = await openHook();
}, 150_000);
afterAll(async () => {
  hook?.close();
  await shop?.close();
}, 60_000);

async function openHook(): Promise<Hook> {
  const received: Received[] = [];
  const server: Server = createServer();
  const told: Hook = { url: '', received, status: 200, close: () => server.close() };
  server.on('request', (request: IncomingMessage, response) => {
    void request.toArray().then((chunks) => {
      const headers = Object.fromEntries(
        Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
      );
      received.push({ headers, body: Buffer.concat(chunks).toString() });
      response.writeHead(told.status).end('thanks');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return Object.assign(told, { url: `http://127.0.0.1:${port}/hook` });
}

async function until<T>(read: () => Promise<T>, isIt: (value: T) => boolean): Promise<T> {
  for (let tries = 0; tries < 300; tries += 1) {
    const value = await read();
    if (isIt(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`it did not come to that: ${JSON.stringify(await read()).slice(0, 1000)}`);
}

const call = async (method: string, path: string, body?: object) => {
  const answer = await shop.send(method, path, body);
  return { status: answer.status, body: answer.body as Record<string, unknown> };
};
const create = async (body: object = {}) => {
  const made = await call('POST', 'webhook-endpoints', { url: hook.url, ...body });
  const { id, secret } = made.body;
  if (typeof id !== 'string' || typeof secret !== 'string') throw new Error('no endpoint');
  return { id, secret };
};
const listOf = async (path: string) => {
  const { body } = await call('GET', path);
  return Array.isArray(body.data) ? (body.data as Record<string, unknown>[]) : [];
};
const typesAbout = (id: string) =>
  hook.received
    .map(({ body }) => JSON.parse(body) as { type: string; data: { id: string } })
    .filter(({ data }) => data.id === id)
    .map(({ type }) => type);
const PAYMENT = { provider: 'cpay', amount: 5_000, currency: 'KES' };
const payOnce = async () => {
  const { body } = await shop.send('POST', 'payments', PAYMENT);
  return body.id;
};

afterEach(async () => {
  hook.status = 200;
  for (const { id } of await listOf('webhook-endpoints')) {
    await call('DELETE', `webhook-endpoints/${String(id)}`).catch(() => null);
  }
});

test('each status is told, signed so that the public library verifies it', async () => {
  const { secret } = await create();
  const id = await payOnce();
  await until(
    async () => typesAbout(id),
    (types) => types.includes('payment.succeeded'),
  );
  expect(new Set(typesAbout(id))).toEqual(
    new Set(['payment.created', 'payment.processing', 'payment.succeeded']),
  );
  for (const { headers, body } of hook.received) {
    expect(new Webhook(secret).verify(body, headers)).toMatchObject({ id: headers['webhook-id'] });
  }
  const ids = hook.received.map(({ headers }) => headers['webhook-id']);
  expect(new Set(ids).size).toBe(ids.length);
});

test('what is not taken is tried again, then failed, and can be sent again', async () => {
  const { id: endpoint } = await create({ event_types: ['payment.succeeded'] });
  hook.status = 500;
  const id = await payOnce();
  const [failed] = await until(
    () => listOf(`deliveries?endpoint_id=${endpoint}`),
    (found) => found[0]?.status === 'failed',
  );
  const path = `deliveries/${String(failed?.id)}`;
  const { body } = await call('GET', path);
  expect(body.attempts).toMatchObject(
    Array.from({ length: 4 }, () => ({ status_code: 500, response: 'thanks' })),
  );
  expect(typesAbout(id)).toEqual(Array.from({ length: 4 }, () => 'payment.succeeded'));
  hook.status = 200;
  expect((await call('POST', `${path}/resend`)).status).toBe(202);
  await until(
    async () => (await call('GET', path)).body,
    ({ status }) => status === 'succeeded',
  );
  const about = hook.received.filter(({ body: text }) => text.includes(id));
  expect(new Set(about.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
}, 60_000);

test('an endpoint that is gone is switched off, and says why', async () => {
  const { id } = await create({ event_types: ['endpoint.test'] });
  hook.status = 410;
  await call('POST', `webhook-endpoints/${id}/test`);
  const endpoint = await until(
    async () => (await call('GET', `webhook-endpoints/${id}`)).body,
    ({ active }) => active === false,
  );
  expect(endpoint.disabled_reason).toContain('410');
});

test('with the worker killed before the delivery it is delivered after, once known', async () => {
  const { id: endpoint } = await create({ event_types: ['payment.created', 'payment.succeeded'] });
  await shop.world.kill('worker', 'SIGKILL');
  const id = await payOnce();
  await shop.world.start('worker');
  await shop.until(id, ['succeeded'], 60_000);
  await until(
    () => listOf(`deliveries?endpoint_id=${endpoint}`),
    (found) => found.length === 2 && found.every(({ status }) => status === 'succeeded'),
  );
  expect(new Set(typesAbout(id))).toEqual(new Set(['payment.created', 'payment.succeeded']));
}, 120_000);

test('during a rotation both secrets verify; a test event goes to one endpoint', async () => {
  const { id, secret } = await create({ event_types: ['endpoint.test'] });
  const { body } = await call('POST', `webhook-endpoints/${id}/rotate-secret`);
  const before = hook.received.length;
  await call('POST', `webhook-endpoints/${id}/test`);
  await until(
    async () => hook.received.length,
    (count) => count > before,
  );
  const last = hook.received.at(-1);
  if (last === undefined) throw new Error('nothing came');
  for (const known of [secret, String(body.secret)]) {
    expect(new Webhook(known).verify(last.body, last.headers)).toMatchObject({
      type: 'endpoint.test',
    });
  }
});
