import { randomBytes } from 'node:crypto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createDeliver } from '../../activities/deliver.ts';
import { insertTestDelivery } from '../../db/deliveries.ts';
import { record } from '../../db/record.ts';
import { createVault } from '../../db/vault.ts';
import { rotateSecret } from '../../db/webhook-endpoints.ts';
import { insertWebhookEvent } from '../../db/webhook-events.ts';
import type { Payment } from '../../domain/payment.ts';
import {
  MERCHANT,
  makeOutcome,
  makeRecord,
  makeWebhookEvent,
  storeEndpoint,
  storePaymentIn,
} from '../factories.ts';
import { openReceiver } from '../receiver.ts';
import { until } from '../until.ts';
import { makeStripeEvent, sign } from './callbacks.ts';
import { closeClients, subscribe } from './live-client.ts';
import { openOperator } from './operators.ts';
import { type Answer, openTestApi, type Send, type TestApi } from './server.ts';

/**
 * One sealed value that does not open, its bytes damaged or its key gone, is shown as that. What
 * stands beside it stays readable, and the log names the row, once, and never the value.
 */
const UNREADABLE = '(unreadable)';
const SHORT = `pid_${Buffer.alloc(12, 7).toString('base64url')}`;
const RECEIPT = 'UJ7A1B2C3D';
const told: string[] = [];
const VAULT = createVault([{ id: 'k1', key: randomBytes(32) }], randomBytes(32), (error) =>
  told.push(error.message),
);
/** Sealed under a hash key that nobody has any more. */
const FOREIGN = createVault([{ id: 'k1', key: randomBytes(32) }], randomBytes(32)).sealId('ws_CO');

let api: TestApi;
let admin: Send;
let damaged: Payment;
let sound: Payment;
beforeAll(async () => {
  api = await openTestApi({ adapt: (deps) => ({ ...deps, vault: VAULT }) });
  admin = (await openOperator(api, 'admin')).send;
  damaged = await storePaid(SHORT, FOREIGN);
  sound = await storePaid(VAULT.sealId('ws_CO_2'), VAULT.sealId('ws_CO_3'));
});
afterAll(() => api?.close());
beforeEach(() => {
  told.length = 0;
});

/** Paid under one id, and it seems under another as well. */
async function storePaid(providerPaymentId: string, other: string): Promise<Payment> {
  const payment = await storePaymentIn(api.pool, 'processing');
  const outcome = makeOutcome('succeeded', { providerPaymentId, receipt: RECEIPT });
  await record(api.pool, makeRecord(payment, { key: 'paid', event: 'succeeded', outcome }));
  const { event } = await insertWebhookEvent(api.pool, makeWebhookEvent());
  const unmatchedReceipt = {
    kind: 'succeeded',
    providerPaymentId: other,
    receipt: 'R0',
    money: null,
  } as const;
  const webhook = { eventId: event.id, status: 'applied', note: 'unmatched receipt' } as const;
  await record(api.pool, makeRecord(payment, { key: 'found', unmatchedReceipt, webhook }));
  return payment;
}

const merchants: Send = (...sending) => api.send(...sending);
const operators: Send = (...sending) => admin(...sending);
// biome-ignore format: table, one page per line
const PAGES: readonly (readonly [string, Send, string | (() => string)])[] = [
  ['a payment', merchants, () => `/api/v1/payments/${damaged.id}`],
  ['merchants’ list', merchants, '/api/v1/payments'],
  ['a list by reference', merchants, () => `/api/v1/payments?reference=${damaged.reference}`],
  ['its timeline', merchants, () => `/api/v1/payments/${damaged.id}/timeline`],
  ['its execution', merchants, () => `/api/v1/payments/${damaged.id}/execution`],
  ['the events', merchants, '/api/v1/events'],
  ['an operator’s payment', operators, () => `/api/v1/admin/payments/${damaged.id}`],
  ['operators’ list', operators, '/api/v1/admin/payments'],
  ['a search by receipt', operators, `/api/v1/admin/payments?receipt=${RECEIPT}`],
  ['a search by the id', operators, `/api/v1/admin/payments?provider_payment_id=${SHORT}`],
  ['money beside a payment’s own', operators, '/api/v1/admin/unmatched-receipts'],
  ['stored callbacks', operators, '/api/v1/admin/webhook-events'],
  ['the trail', operators, '/api/v1/admin/audit'],
  ['the trail as a file', operators, '/api/v1/admin/audit/export?format=csv'],
  ['payments in review', operators, '/api/v1/admin/payments/in-review'],
  ['what is stuck', operators, '/api/v1/admin/stuck'],
];
test.each(PAGES)('%s stands with a value that does not open', async (_name, send, path) => {
  const answer = await send('GET', typeof path === 'string' ? path : path());
  expect([answer.status, answer.body.code]).toEqual([200, undefined]);
});

const shown = ({ body }: Answer) =>
  Object.fromEntries(
    body.data.map((it) => [it.id, [it.provider_payment_id, Object(it.unmatched_receipts)[0]]]),
  );

test('the value is shown as unreadable, others of the same page as they are', async () => {
  for (const send of [merchants, operators]) {
    const prefix = send === merchants ? '' : 'admin/';
    expect(shown(await send('GET', `/api/v1/${prefix}payments`))).toEqual({
      [damaged.id]: [UNREADABLE, expect.objectContaining({ provider_payment_id: UNREADABLE })],
      [sound.id]: ['ws_CO_2', expect.objectContaining({ provider_payment_id: 'ws_CO_3' })],
    });
  }
});

test('money under an id that cannot be read can be decided about all the same', async () => {
  const payment = await storePaid(VAULT.sealId('ws_CO_4'), SHORT);
  const answer = await operators(
    'POST',
    `/api/v1/admin/payments/${payment.id}/unmatched-receipts`,
    {
      body: { provider_payment_id: UNREADABLE, resolution: 'kept', reason: 'seen in the portal' },
    },
  );
  expect(answer).toMatchObject({ status: 200 });
  expect(answer.body.unmatched_receipts).toMatchObject([{ status: 'kept' }]);
});

test('the live feed tells of such a payment', async () => {
  const client = await subscribe(api.url, api.apiKey);
  await api.database.queryAsOwner(
    "UPDATE payments SET waiting_for = 'lookup', wait_until = now() WHERE id = $1",
    [damaged.id],
  );
  await until(() => client.told.some(({ event }) => event?.data.id === damaged.id));
  closeClients();
});

test('the log names the row once, and never the value', async () => {
  const own = createVault([{ id: 'k1', key: randomBytes(32) }], randomBytes(32), (error) =>
    told.push(error.message),
  );
  const at = await openTestApi({ adapt: (deps) => ({ ...deps, vault: own }) });
  const { id } = await storePaymentIn(at.pool, 'processing');
  await at.database.queryAsOwner('UPDATE payments SET provider_payment_id = $1', [SHORT]);
  for (let asked = 0; asked < 3; asked += 1) {
    expect((await at.send('GET', `/api/v1/payments/${id}`)).status).toBe(200);
  }
  expect(told).toEqual([`payments.provider_payment_id/${id} cannot be opened: it is damaged`]);
  await at.close();
});

describe('a callback’s bytes', () => {
  const bodyOf = async (change: string) => {
    const { event } = await insertWebhookEvent(api.pool, makeWebhookEvent());
    await api.database.queryAsOwner(`UPDATE webhook_events SET ${change} WHERE id = $1`, [
      event.id,
    ]);
    return { event, answer: await admin('GET', `/api/v1/admin/webhook-events/${event.id}/body`) };
  };

  // biome-ignore format: table, one damage per line
  test.each([
    ['a byte changed', 'body_cipher = set_byte(body_cipher, length(body_cipher) - 1, 0)', 'it is damaged'],
    ['cut short', 'body_cipher = substring(body_cipher for 9)', 'it is damaged'],
    ['nothing left', "body_cipher = ''", 'it is damaged'],
    ['a key that is gone', "body_cipher = set_byte(body_cipher, 3, 57)", 'data key k9 is missing'],
  ])('with %s are told to be unreadable', async (_what, change, reason) => {
    const { event, answer } = await bodyOf(change);
    expect(answer).toMatchObject({ status: 409, body: { code: 'not_readable' } });
    expect(told).toEqual([expect.stringContaining(`/${event.id} cannot be opened`)]);
    expect(told[0]).toContain(reason);
    expect((await admin('GET', `/api/v1/admin/webhook-events/${event.id}`)).status).toBe(200);
  });
});

describe('of several secrets', () => {
  const configure = async (webhook_secrets: string) => {
    const { body } = await api.send('PUT', '/api/v1/provider-configs/stripe', {
      body: {
        environment: 'simulator',
        credentials: {
          base_url: 'http://127.0.0.1:1',
          secret_key: 'sk_test_ofOneMerchant',
          webhook_secrets,
        },
      },
    });
    return body.id;
  };
  const damageNewest = (table: string, column: string) =>
    api.database.queryAsOwner(
      `UPDATE ${table} SET ${column} = substring(${column} for 20) WHERE version = 2`,
    );

  test('a callback signed by a sound one is taken, by a lost one asked for again', async () => {
    const [first, second] = ['whsec_ofOneMerchantOnly', 'whsec_afterTheChange'];
    const id = await configure(first);
    await configure(second);
    await damageNewest('provider_credentials', 'credentials_cipher');
    const { workflowId } = await storePaymentIn(api.pool, 'processing', { provider: 'stripe' });
    const call = (secret: string, event: string) =>
      api.send('POST', `/api/v1/webhooks/stripe/${id}`, {
        ...sign('stripe', makeStripeEvent(event, workflowId), secret),
      });
    expect((await call(first, 'evt_1')).status).toBe(200);
    const answer = await call(second, 'evt_2');
    expect(answer).toMatchObject({ status: 503, body: { code: 'temporarily_unavailable' } });
  });

  test('a webhook goes out signed by sound ones; without any its attempt says why', async () => {
    const receiver = await openReceiver();
    const asked = { url: receiver.url, eventTypes: ['payment.created'] };
    const { endpoint } = await storeEndpoint(api.pool, asked, VAULT);
    const { id } = endpoint;
    await rotateSecret(api.pool, VAULT, id, 3_600_000);
    const limits = { posts_max: 1, posts_per_endpoint_max: 1 };
    const deps = { pool: api.pool, vault: VAULT, allowsLoopback: true };
    const activities = createDeliver(deps, limits);
    const policy = { timeout_ms: 20_000, schedule_ms: [1_000], disable_after_ms: 3_600_000 };
    const send = async () => {
      const deliveryId = await insertTestDelivery(api.pool, { id, merchantId: MERCHANT.id });
      const activity = new MockActivityEnvironment();
      await activity.run(() => activities.deliver({ deliveryId, policy })).catch(() => undefined);
      return (await api.send('GET', `/api/v1/deliveries/${deliveryId}`)).body;
    };
    await damageNewest('webhook_secrets', 'secret_cipher');
    expect(await send()).toMatchObject({ status: 'succeeded' });
    expect(String(receiver.received[0]?.headers['webhook-signature']).split(' ')).toHaveLength(1);
    await api.database.queryAsOwner("UPDATE webhook_secrets SET secret_cipher = 'x'");
    const failed = await send();
    expect(failed).toMatchObject({ status: 'pending' });
    const error = expect.stringContaining('rotate');
    expect(failed.attempts).toMatchObject([{ status_code: null, error }]);
    expect(receiver.received).toHaveLength(1);
    await receiver.close();
  });
});
