import { createHash, randomBytes } from 'node:crypto';
import { newId } from '../../db/ids.ts';
import { openBody } from '../../db/webhook-events.ts';
import type { Payment } from '../../domain/payment.ts';
import { storePaymentIn, storeRefund, VAULT } from '../factories.ts';
import { listStored, makeStkCallback, makeStripeEvent, sign, stkPath } from './callbacks.ts';
import { openTestApi, SECRETS, type TestApi, type TestApiOptions } from './server.ts';

/** Who can prove a callback fills neither the database nor anybody else’s place in it. */
let api: TestApi;
afterEach(() => api.close());
const start = async (options: TestApiOptions = {}) => {
  api = await openTestApi(options);
};

const [, SECRET] = SECRETS.stripe;
const signed = (event: object, secret: string = SECRET, under = '') =>
  api.send('POST', `/api/v1/webhooks/stripe${under}`, sign('stripe', event, secret));
const tell = async (payment: Payment, body: object | string) =>
  (await api.send('POST', stkPath(api, payment), { body })).status;
const processing = () => storePaymentIn(api.pool, 'processing');
const MUCH = 100_000;
const KEPT = 16 * 1024;

test('genuine ones are counted by account, and beyond that they are to come again', async () => {
  await start({ rateLimits: { callback_account: { requests: 3, per_ms: 60_000 } } });
  const merchant = await api.openMerchant();
  const { body } = await merchant.send('PUT', '/api/v1/provider-configs/stripe', {
    body: {
      environment: 'sandbox',
      credentials: { secret_key: 'sk_test_ofOneMerchant', webhook_secrets: 'whsec_ofItsOwn' },
    },
  });
  const flood = () => signed(makeStripeEvent(newId('event'), 'x'), 'whsec_ofItsOwn', `/${body.id}`);
  const statuses: number[] = [];
  for (let sent = 0; sent < 5; sent += 1) statuses.push((await flood()).status);
  expect(statuses).toEqual([200, 200, 200, 429, 429]);
  expect(Number((await flood()).headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await signed(makeStripeEvent('evt_1', 'x'))).status).toBe(200);
  expect(await listStored(api)).toHaveLength(4);
  expect(await api.metrics.registry.metrics()).toMatch(
    /malipo_callbacks_total\{channel="stripe",fate="limited"\} 3/,
  );
});

test('those of a token by that token alone, before the body is read', async () => {
  await start({ rateLimits: { callback_token: { requests: 2, per_ms: 60_000 } } });
  const [leaked, other] = [await processing(), await processing()];
  for (const status of [200, 200, 429, 429]) {
    const receipt = randomBytes(5).toString('hex');
    expect(await tell(leaked, makeStkCallback({ receipt }))).toBe(status);
  }
  expect(await tell(other, makeStkCallback({ receipt: 'UJ7OTHER00' }))).toBe(200);
});

const padded = (event: object) => ({ ...event, padding: 'x'.repeat(MUCH) });
// table
test.each([
  ['what nobody can read', 'malformed', KEPT],
  ['what is nothing to us', 'ignored', KEPT],
  ['what tells of money', 'money', null],
] as const)('of %s (%s) so much is kept: %s', async (_what, kind, kept) => {
  await start();
  const event = makeStripeEvent('evt_1', (await processing()).workflowId);
  const sent = {
    malformed: padded({ id: 'evt_1', type: 'payment_intent.succeeded' }),
    ignored: padded({ ...event, type: 'customer.created' }),
    money: padded(event),
  }[kind];
  const text = JSON.stringify(sent);
  expect((await signed(sent)).status).toBe(200);
  const [stored] = await listStored(api);
  if (stored === undefined) throw new Error('nothing was kept');
  const body = openBody(VAULT, stored.id, stored.body_cipher).toString();
  expect(body).toBe(text.slice(0, kept ?? text.length));
  if (kept === null) return expect(stored.error).not.toContain('SHA-256');
  const digest = createHash('sha256').update(text).digest('hex');
  expect(stored.error).toContain(`of ${text.length} bytes the first 16384 are kept`);
  expect(stored.error).toContain(`SHA-256 ${digest}`);
});

describe('what nobody can read', () => {
  test('has one row for a token, is counted, and makes the payment ask a few times', async () => {
    await start();
    const payment = await processing();
    for (let sent = 0; sent < 6; sent += 1)
      expect(await tell(payment, `no JSON ${sent}`)).toBe(200);
    expect(await listStored(api)).toMatchObject([{ status: 'parked', duplicate_count: 5 }]);
    const ids = api.engine.delivered.map(({ event }) => event.eventId);
    expect(new Set(ids).size).toBe(3);
    expect(ids).toHaveLength(3);
    // The payer’s own callback is another one.
    expect(await tell(payment, makeStkCallback())).toBe(200);
    expect(await listStored(api)).toHaveLength(2);
  });

  test('has one row for an account, and one for each payment of it', async () => {
    await start();
    const event = makeStripeEvent('evt_1', '');
    const odd = (workflow: string, nth: number) => {
      const metadata = { malipo_workflow: workflow };
      const object = { ...event.data.object, status: `melted-${nth}`, metadata };
      return { ...event, id: `evt_${nth}`, data: { object } };
    };
    const changes = { provider: 'stripe', credentialsRef: 'env:stripe' };
    const { workflowId } = await storePaymentIn(api.pool, 'processing', changes);
    for (let nth = 0; nth < 4; nth += 1) {
      await signed(odd(`payment-${String(nth).repeat(32)}`, nth));
      await signed(odd(workflowId, nth));
      await signed({ id: `evt_${nth}`, type: 'payment_intent.succeeded' });
    }
    const stored = await listStored(api);
    expect(stored.map((it) => [it.payment_id !== null, it.duplicate_count])).toEqual([
      [false, 7],
      [true, 3],
    ]);
  });
});

describe('where the policies say from where M-Pesa calls', () => {
  const from = (address: string) => ({ 'x-forwarded-for': address });

  // table
  test.each([
    ['196.201.212.69', ['196.201.212.0/24'], 200],
    ['196.201.215.69', ['196.201.212.0/24'], 404],
    ['196.201.215.69', ['196.201.212.0/24', '196.201.215.69'], 200],
    ['::ffff:196.201.212.69', ['196.201.212.0/24'], 200],
    ['196.201.212.69:4711', ['196.201.212.0/24'], 200],
    ['2001:db8::7', ['196.201.212.0/24', '2001:db8::/32'], 200],
    ['2001:db9::7', ['196.201.212.0/24', '2001:db8::/32'], 404],
    ['196.201.212.69', ['::/0'], 404],
  ] as const)('a callback from %s (%j) is answered %s', async (address, networks, answer) => {
    await start({ policies: { callback_addresses: { mpesa: [...networks] } } });
    const sending = { body: makeStkCallback(), headers: from(address) };
    const told = await api.send('POST', stkPath(api, await processing()), sending);
    expect(told.status).toBe(answer);
    expect(await listStored(api)).toHaveLength(answer === 200 ? 1 : 0);
    const metrics = await api.metrics.registry.metrics();
    expect(/channel="stk",fate="foreign"\} 1/.test(metrics)).toBe(answer === 404);
    // Of the others nothing is said.
    expect((await signed(makeStripeEvent('evt_1', 'x'))).status).toBe(200);
  });
});

describe('the token of what has ended', () => {
  const endedAgo = (payment: Payment, days: number) =>
    api.database.queryAsOwner(
      `UPDATE payments SET completed_at = now() - $2 * interval '1 day' WHERE id = $1`,
      [payment.id, days],
    );

  // table
  test.each([
    ['a payment that ended lately', 'failed', 6.9, 200],
    ['one that ended long ago', 'failed', 7.1, 404],
    ['one that was paid long ago', 'succeeded', 7.1, 404],
    ['one in review for long', 'needs_review', null, 200],
    ['one that is open for long', 'processing', null, 200],
  ] as const)('of %s (%s, %s days) is answered %s', async (_what, status, days, answer) => {
    await start();
    const payment = await storePaymentIn(api.pool, status);
    if (days !== null) await endedAgo(payment, days);
    else
      await api.database.queryAsOwner(`UPDATE payments SET created_at = now() - interval '1 year'`);
    expect(await tell(payment, makeStkCallback({ receipt: 'UJ7LATE000' }))).toBe(answer);
    expect(await listStored(api)).toHaveLength(answer === 200 ? 1 : 0);
    const expired = /channel="stk",fate="expired"\} 1/;
    const metrics = await api.metrics.registry.metrics();
    expect(expired.test(metrics)).toBe(answer === 404);
  });

  test('lives as long as the provider may yet be asked about it, and a day', async () => {
    await start();
    const payment = await storePaymentIn(api.pool, 'failed');
    await endedAgo(payment, 10.5);
    await api.database.queryAsOwner(
      `UPDATE payments SET policy = policy || '{"look_back_after_ms": [864000000]}'`,
    );
    expect(await tell(payment, makeStkCallback())).toBe(200);
    await endedAgo(payment, 11.1);
    expect(await tell(payment, makeStkCallback({ receipt: 'UJ7LATE000' }))).toBe(404);
  });

  test('of a refund goes by the refund’s own end', async () => {
    await start();
    const payment = await storePaymentIn(api.pool, 'succeeded');
    await endedAgo(payment, 30);
    const refund = await storeRefund(api.pool, payment);
    const token = api.tokens.issue('refund', refund.workflowId.slice('refund-'.length), 1);
    const result = { Result: { ResultCode: 2001, OriginatorConversationID: 'AG_1' } };
    const path = `/api/v1/webhooks/rev/${token}`;
    expect((await api.send('POST', path, { body: result })).status).toBe(200);
    await api.database.queryAsOwner(`UPDATE refunds SET status = 'failed',
      completed_at = now() - interval '8 days'`);
    expect((await api.send('POST', path, { body: result })).status).toBe(404);
  });

  test('of a row that is gone is taken: nobody knows when that ended', async () => {
    await start();
    const path = `/api/v1/webhooks/stk/${api.tokens.issue('payment', 'ab'.repeat(16), 1)}`;
    expect((await api.send('POST', path, { body: makeStkCallback() })).status).toBe(200);
  });
});
