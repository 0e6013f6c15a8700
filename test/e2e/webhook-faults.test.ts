import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { pickPort } from '../../sandbox/ports.ts';
import { openReceiver, type Receiver, saying, silent } from '../receiver.ts';
import { type Merchant, openMerchant, until, verify } from './merchant.ts';
import { openStack, type Stack } from './stack.ts';

/** Endpoints at their worst: each event arrives all the same, signed, under one id. */
let stack: Stack;
let merchant: Merchant;
let receivers: Receiver[];
beforeAll(async () => {
  stack = await openStack();
  merchant = openMerchant(stack);
}, 150_000);
beforeEach(() => {
  receivers = [];
});
afterEach(async () => {
  await merchant.leave();
  for (const receiver of receivers) await receiver.close();
});
afterAll(() => stack?.close(), 60_000);

async function open(port = 0): Promise<Receiver> {
  const receiver = await openReceiver(port);
  receivers.push(receiver);
  return receiver;
}

const TYPES = ['payment.succeeded'];
const isDelivered = ({ status }: Readonly<Record<string, unknown>>) => status === 'succeeded';

/** So many POSTs came, all of the delivery's event, each verified by the public library. */
function expectReceived(receiver: Receiver, secret: string, eventId: unknown, count: number) {
  expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual(
    Array.from({ length: count }, () => eventId),
  );
  for (const each of receiver.received) {
    expect(verify(secret, each)).toMatchObject({ id: eventId, type: 'payment.succeeded' });
  }
}

test('an endpoint that is down gets it when it is up again', async () => {
  // What the system gives to anybody could be another test's while it is down.
  const down = await open((await pickPort(0)).port);
  const { id, secret } = await merchant.createEndpoint(down, TYPES);
  await down.close();
  await merchant.pay();
  await merchant.untilDelivery(id, ({ attempt_count }) => attempt_count !== 0);
  const up = await open(Number(new URL(down.url).port));
  const { event_id, attempts } = await merchant.untilDelivery(id, isDelivered);
  const refused = { status_code: null, error: 'ECONNREFUSED' };
  expect(attempts).toContainEqual(expect.objectContaining(refused));
  expectReceived(up, secret, event_id, 1);
}, 60_000);

test('an endpoint that is too slow, once, gets it again', async () => {
  const receiver = await open();
  const { id, secret } = await merchant.createEndpoint(receiver, TYPES);
  receiver.answer = silent;
  await merchant.pay();
  await receiver.until(([first]) => first !== undefined);
  receiver.answer = saying(200);
  const { event_id, attempts } = await merchant.untilDelivery(id, isDelivered);
  expect(attempts).toMatchObject([
    { status_code: null, error: 'no answer in time', response: null },
    { status_code: 200 },
  ]);
  expectReceived(receiver, secret, event_id, 2);
}, 60_000);

test('a redirect is not followed, and is tried again', async () => {
  const [receiver, elsewhere] = [await open(), await open()];
  const { id, secret } = await merchant.createEndpoint(receiver, TYPES);
  receiver.answer = (response) => {
    receiver.answer = saying(200);
    response.writeHead(302, { location: elsewhere.url }).end();
  };
  await merchant.pay();
  const { event_id, attempts } = await merchant.untilDelivery(id, isDelivered);
  expect(attempts).toMatchObject([{ status_code: 302 }, { status_code: 200 }]);
  expectReceived(receiver, secret, event_id, 2);
  expect(elsewhere.received).toEqual([]);
}, 60_000);

test('what fails twice and is then taken was tried three times', async () => {
  const receiver = await open();
  const { id, secret } = await merchant.createEndpoint(receiver, TYPES);
  const statuses = [500, 503];
  receiver.answer = (response) => saying(statuses.shift() ?? 204)(response);
  await merchant.pay();
  const { event_id, attempts } = await merchant.untilDelivery(id, isDelivered);
  expect(attempts).toMatchObject([
    { ordinal: 1, status_code: 500 },
    { ordinal: 2, status_code: 503 },
    { ordinal: 3, status_code: 204 },
  ]);
  expectReceived(receiver, secret, event_id, 3);
}, 60_000);

test('of an answer of ten megabytes two kilobytes are read and kept', async () => {
  const receiver = await open();
  const { id, secret } = await merchant.createEndpoint(receiver, TYPES);
  let bytesSent = 0;
  receiver.answer = (response) => {
    const send = () => {
      while (bytesSent < 10_000_000 && !response.destroyed) {
        bytesSent += 10_000;
        if (!response.write('x'.repeat(10_000))) return response.once('drain', send);
      }
      return response.end();
    };
    send();
  };
  await merchant.pay();
  const { event_id, attempts } = await merchant.untilDelivery(id, isDelivered);
  expect(attempts).toMatchObject([{ status_code: 200, response: 'x'.repeat(2_048) }]);
  expect(bytesSent).toBeLessThan(5_000_000);
  expectReceived(receiver, secret, event_id, 1);
}, 60_000);

test('an endpoint that is gone is switched off, and others of its merchant hear it', async () => {
  const [gone, other] = [await open(), await open()];
  gone.answer = saying(410);
  const { id } = await merchant.createEndpoint(gone, ['payment.created']);
  const { secret } = await merchant.createEndpoint(other, ['endpoint.disabled']);
  const feed = await follow();
  await merchant.pay();
  await other.until(([first]) => first !== undefined);
  const reason = 'it answered 410 Gone';
  const data = { object: 'webhook_endpoint', id, disabled_reason: reason };
  for (const each of other.received) {
    expect(verify(secret, each)).toMatchObject({ type: 'endpoint.disabled', data });
  }
  const { body } = await merchant.call('GET', `webhook-endpoints/${id}`);
  expect(body).toMatchObject({ active: false, disabled_reason: reason });
  const isOfIt = { type: 'endpoint.disabled', data: expect.objectContaining(data) };
  await until(
    async () => feed.events,
    (events) => events.some(({ type }) => type === 'endpoint.disabled'),
  );
  feed.close();
  expect(feed.events).toContainEqual(expect.objectContaining(isOfIt));
  expect(await merchant.list('events?limit=100')).toContainEqual(expect.objectContaining(isOfIt));
  const path = join(stack.world.details().logs_dir, 'worker.log');
  const isOfOff = (text: string) => text.includes('an endpoint is switched off');
  // The line may be written a moment after the others were told.
  const lines = await until(
    async () => readFileSync(path, 'utf8').split('\n'),
    (found) => found.some(isOfOff),
  );
  const line = lines.find(isOfOff);
  expect(JSON.parse(line ?? '{}')).toMatchObject({
    level: 'warn',
    endpoint_id: id,
    disabled_reason: reason,
  });
}, 60_000);

/** What the live feed tells from now on. */
async function follow() {
  const { api_url, api_key } = stack.world.details();
  const headers = { authorization: `Bearer ${api_key}` };
  const socket = new WebSocket(`${api_url.replace('http', 'ws')}/api/v1/live`, { headers });
  const events: { type: string }[] = [];
  const subscribed = new Promise<void>((resolve) => {
    socket.on('message', (text) => {
      const told = JSON.parse(Buffer.isBuffer(text) ? text.toString() : '{}');
      if (told.type === 'subscribed') resolve();
      if (told.type === 'event') events.push(told.event);
    });
  });
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'subscribe' }));
  await subscribed;
  return { events, close: () => socket.terminate() };
}

test('Prometheus reads the API and the worker, each at its own port', async () => {
  const receiver = await open();
  const { id } = await merchant.createEndpoint(receiver, TYPES);
  await merchant.pay();
  await merchant.untilDelivery(id, isDelivered);
  // No callback comes for this one, so Daraja is asked.
  await stack.until((await stack.pay(stack.phone('08'))).body.id, ['succeeded'], 60_000);
  const { metrics_urls } = stack.world.details();
  expect(Object.keys(metrics_urls).toSorted()).toEqual(['api', 'worker']);
  const read = async (url = '') => await (await fetch(url)).text();
  const api = await read(metrics_urls.api);
  expect(api).toMatch(/^malipo_http_request_duration_seconds_count\{.* [1-9]/m);
  expect(api).toMatch(/^malipo_database_up 1$/m);
  const worker = await read(metrics_urls.worker);
  expect(worker).toMatch(/^malipo_deliveries_total\{.*status="succeeded".*\} [1-9]/m);
  expect(worker).toMatch(/^malipo_polls_total\{.*answer="succeeded".*provider="mpesa".*\} [1-9]/m);
  expect(worker).toMatch(/^temporal_activity_execution_latency_count\{activity_type="charge"/m);
}, 90_000);
