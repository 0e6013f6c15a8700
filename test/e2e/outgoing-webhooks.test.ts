import { openReceiver, type Receiver, saying } from '../receiver.ts';
import { type Merchant, openMerchant, until, verify } from './merchant.ts';
import { openStack, type Stack } from './stack.ts';

/** What merchants are told, by signed webhooks: at least once, whatever crashes. */
let stack: Stack;
let merchant: Merchant;
let receiver: Receiver;
beforeAll(async () => {
  stack = await openStack();
  merchant = openMerchant(stack);
}, 150_000);
beforeEach(async () => {
  receiver = await openReceiver();
});
afterEach(async () => {
  await merchant.leave();
  await receiver.close();
});
afterAll(() => stack?.close(), 60_000);

const STORY = ['payment.created', 'payment.processing', 'payment.succeeded'];
const about = (id: string) => receiver.received.filter(({ event }) => event.data?.id === id);
const typesAbout = (id: string) => about(id).map(({ event }) => event.type);
const idsOf = ({ received }: Receiver) => received.map(({ headers }) => headers['webhook-id']);

test('each status is told, signed so that the public library verifies it', async () => {
  const { secret } = await merchant.createEndpoint(receiver);
  const id = await merchant.pay();
  await receiver.until(() => typesAbout(id).length === STORY.length);
  expect(new Set(typesAbout(id))).toEqual(new Set(STORY));
  for (const each of receiver.received) {
    expect(verify(secret, each)).toMatchObject({
      id: each.headers['webhook-id'],
      data: { amount_text: expect.stringMatching(/^KES \d+\.00$/) },
    });
  }
  expect(new Set(idsOf(receiver)).size).toBe(receiver.received.length);
});

test('what is not taken is tried again, then failed, and can be sent again', async () => {
  const { id: endpoint } = await merchant.createEndpoint(receiver, ['payment.succeeded']);
  receiver.answer = saying(500);
  const id = await merchant.pay();
  const delivery = await merchant.untilDelivery(endpoint, ({ status }) => status === 'failed');
  expect(delivery.attempts).toMatchObject(
    Array.from({ length: 4 }, () => ({ status_code: 500, response: 'thanks' })),
  );
  expect(typesAbout(id)).toEqual(Array.from({ length: 4 }, () => 'payment.succeeded'));
  receiver.answer = saying(200);
  const path = `deliveries/${String(delivery.id)}/resend`;
  expect((await merchant.call('POST', path)).status).toBe(202);
  await merchant.untilDelivery(endpoint, ({ status }) => status === 'succeeded');
  expect(new Set(idsOf(receiver)).size).toBe(1);
}, 60_000);

test('with the worker killed before the delivery it is delivered after, once known', async () => {
  const types = ['payment.created', 'payment.succeeded'];
  const { id: endpoint } = await merchant.createEndpoint(receiver, types);
  await stack.world.kill('worker', 'SIGKILL');
  const id = await merchant.pay();
  await stack.world.start('worker');
  await stack.until(id, ['succeeded'], 60_000);
  await until(
    () => merchant.list(`deliveries?endpoint_id=${endpoint}`),
    (found) => found.length === 2 && found.every(({ status }) => status === 'succeeded'),
  );
  expect(new Set(typesAbout(id))).toEqual(new Set(types));
}, 120_000);

test('with the worker killed between the POST and its record it is sent again', async () => {
  const { id: endpoint, secret } = await merchant.createEndpoint(receiver, ['payment.succeeded']);
  const { promise: posted, resolve: hold } = Promise.withResolvers<() => void>();
  receiver.answer = (response) => hold(() => response.writeHead(200).end());
  await merchant.pay();
  const letGo = await posted;
  // Whoever would write down what became of it has to wait for this transaction.
  const lock = await stack.db.connect();
  await lock.query('BEGIN');
  await lock.query('SELECT id FROM deliveries WHERE endpoint_id = $1 FOR UPDATE', [endpoint]);
  receiver.answer = saying(200);
  letGo();
  const waiting = `SELECT pid FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND query LIKE '%UPDATE deliveries%'`;
  await until(
    () => stack.db.query(waiting),
    ({ rowCount }) => rowCount === 1,
  );
  await stack.world.kill('worker', 'SIGKILL');
  await lock.query('ROLLBACK');
  lock.release();
  await stack.world.start('worker');
  const delivery = await merchant.untilDelivery(endpoint, ({ status }) => status === 'succeeded');
  expect(delivery).toMatchObject({ attempt_count: 1, attempts: [{ status_code: 200 }] });
  const [first, second, ...more] = idsOf(receiver);
  expect([first, second, more]).toEqual([delivery.event_id, delivery.event_id, []]);
  for (const each of receiver.received) verify(secret, each);
}, 120_000);

test('what happened while an endpoint was off is told once it is recovered', async () => {
  const { id, secret } = await merchant.createEndpoint(receiver);
  const since = new Date().toISOString();
  const path = `webhook-endpoints/${id}`;
  await merchant.call('PATCH', path, { active: false });
  const paymentId = await merchant.pay();
  await stack.until(paymentId, ['succeeded']);
  await merchant.call('PATCH', path, { active: true });
  const { status, body } = await merchant.call('POST', `${path}/recover`, { since });
  expect([status, body.deliveries]).toEqual([202, STORY.length]);
  await receiver.until((received) => received.length === STORY.length);
  expect(new Set(typesAbout(paymentId))).toEqual(new Set(STORY));
  for (const each of receiver.received) verify(secret, each);
});

test('during a rotation both secrets verify; a test event goes to one endpoint', async () => {
  const { id, secret } = await merchant.createEndpoint(receiver, ['payment.succeeded']);
  const { body } = await merchant.call('POST', `webhook-endpoints/${id}/rotate-secret`);
  await merchant.call('POST', `webhook-endpoints/${id}/test`);
  await receiver.until(([one]) => one !== undefined);
  for (const each of receiver.received) {
    for (const known of [secret, String(body.secret)]) {
      expect(verify(known, each)).toMatchObject({ type: 'endpoint.test' });
    }
  }
});
