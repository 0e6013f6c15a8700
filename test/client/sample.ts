import {
  type CreatePayment,
  type List,
  Malipo,
  MalipoConnectionError,
  MalipoError,
  type PaymentStatus,
  verifyWebhook,
  WebhookVerificationError,
} from '../../client/index.ts';

/**
 * A merchant's program: package.test.ts copies it beside the installed package and runs it there.
 * So it needs nothing but the client and what a browser has as well.
 */
export type Place = {
  readonly baseUrl: string;
  readonly apiKey: string;
  /** Payments that are there already: one is paid, of one the money is held. */
  readonly paidId: string;
  readonly heldId: string;
};
type Case = (malipo: Malipo, place: Place) => Promise<void>;

const BODY: CreatePayment = {
  provider: 'mpesa',
  amount: 10_000,
  currency: 'KES',
  customer: { phone: '0712345678' },
};
/** Where nobody listens; `fetch` itself refuses some ports, such as 1. */
const NOWHERE = 'http://127.0.0.1:2';
const SECRET = 'whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz';
const EVENT = { id: 'msg_1', type: 'payment.succeeded', data: { id: 'pay_1', text: 'Chai – ¥' } };
const TEXT = JSON.stringify(EVENT);
/** The compiler refuses a list that lacks a status, and would not if the types were lost. */
const HAS_ENDED: Readonly<Record<PaymentStatus, boolean>> = {
  created: false,
  processing: false,
  requires_action: false,
  authorized: false,
  needs_review: false,
  succeeded: true,
  failed: true,
  canceled: true,
};
// @ts-expect-error an amount is a number
const WRONG: CreatePayment = { provider: 'mpesa', amount: '100.00', currency: 'KES' };

// biome-ignore format: table, one row per line
const CASES: Readonly<Record<string, Case>> = {
  'payment: create': async ({ payments }) => same((await payments.create(BODY)).status, 'processing'),
  'payment: the same key is the same payment': async ({ payments }) => {
    const options = { idempotencyKey: 'order-1', waitSeconds: 0 };
    same((await payments.create(BODY, options)).id, (await payments.create(BODY, options)).id);
  },
  'payment: the same key for another body': async ({ payments }) => {
    const again = payments.create({ ...BODY, amount: 500 }, { idempotencyKey: 'order-1' });
    const { status, code, idempotencyKey } = await refusal(again);
    same([status, code, idempotencyKey], [422, 'idempotency_key_reused', 'order-1']);
  },
  'payment: what is not valid is told by field': async ({ payments }) => {
    const { code, errors } = await refusal(payments.create(WRONG));
    same([code, errors.map(({ pointer }) => pointer)], ['invalid_request', ['/amount']]);
  },
  'payment: get': async ({ payments }, { paidId }) => same((await payments.get(paidId)).amount_text, 'KES 100.00'),
  'payment: get one that is not there': async ({ payments }) => same((await refusal(payments.get('pay_1'))).code, 'not_found'),
  'payment: get by no id': async ({ payments }) => same(await nameOf(payments.get('')), 'TypeError'),
  'payment: one page': async ({ payments }) => {
    const { data, has_more } = await payments.list({ limit: 1 }).page();
    same([data.length, has_more], [1, true]);
  },
  'payment: all pages, with filters': async ({ payments }, { paidId }) => {
    const all = await readAll(payments.list({ limit: 1, status: ['succeeded', 'failed'] }));
    same(all.map(({ id, status }) => [id, HAS_ENDED[status]]), [[paidId, true]]);
  },
  'payment: cancel': async ({ payments }, { heldId }) => same((await payments.cancel(heldId)).id, heldId),
  'payment: capture': async ({ payments }, { heldId }) => same((await payments.capture(heldId, { amount: 5_000 })).id, heldId),
  'payment: capture where the provider holds nothing': async ({ payments }) => {
    const { id } = await payments.create(BODY);
    const { code, retryable } = await refusal(payments.capture(id));
    same([code, retryable], ['provider_limits', false]);
  },
  'payment: verify': async ({ payments }, { heldId }) => same(typeof (await payments.verify(heldId)).verification.asked, 'boolean'),
  'payment: timeline': async ({ payments }, { paidId }) => same((await readAll(payments.timeline(paidId)))[0]?.action, 'payment.created'),
  'payment: execution': async ({ payments }, { heldId }) => same((await payments.execution(heldId)).payment_id, heldId),
  'payment: wait for its end': async ({ payments }, { paidId }) => same((await payments.waitFor(paidId)).status, 'succeeded'),
  'payment: wait no longer than asked': async ({ payments }) => {
    const { id } = await payments.create(BODY);
    same((await payments.waitFor(id, { timeoutMs: 0 })).status, 'processing');
  },
  'refund: create, wait, get and list': async ({ refunds }, { paidId }) => {
    const { id } = await refunds.create(paidId, { amount: 4_000, reason: 'one item less' });
    const { status } = await refunds.waitFor(id);
    same([status, (await refunds.get(id)).amount], ['succeeded', 4_000]);
    same((await readAll(refunds.list(paidId))).map((it) => it.id), [id]);
  },
  'refund: too much': async ({ refunds }, { paidId }) => same((await refusal(refunds.create(paidId, { amount: 10_000 }))).code, 'refund_too_much'),
  'endpoint: create, list, update, delete': async ({ webhookEndpoints }) => {
    const { id, secret } = await webhookEndpoints.create({ url: 'https://shop.example.test/hook', event_types: ['payment.succeeded'] });
    same([secret?.slice(0, 6), (await readAll(webhookEndpoints.list())).map((it) => it.id)], ['whsec_', [id]]);
    same((await webhookEndpoints.update(id, { active: false })).active, false);
    same(await webhookEndpoints.delete(id), undefined);
  },
  'event: list and get': async ({ events }, { paidId }) => {
    const [event] = await readSome(() => events.list({ payment_id: paidId }));
    same((await events.get(event?.id ?? '')).cursor, event?.cursor);
  },
  'key: create, use, revoke': async ({ apiKeys }, { baseUrl }) => {
    const { id, key } = await apiKeys.create({ name: 'Till', scopes: ['payments:read'] });
    const till = new Malipo({ apiKey: key, baseUrl });
    same((await till.payments.list({ limit: 1 }).page()).data.length, 1);
    same((await refusal(till.payments.create(BODY))).code, 'forbidden');
    same((await apiKeys.revoke(id)).id, id);
    same((await refusal(till.payments.get('pay_1'))).code, 'unauthorized');
  },
  'account: put, get, patch, list': async ({ providerConfigs }) => {
    const credentials = { secret_key: 'sk_test_ofThisAlone', webhook_secrets: 'whsec_ofThisAlone' };
    const { id } = await providerConfigs.put('stripe', { environment: 'sandbox', credentials });
    same([(await providerConfigs.get('stripe')).id, (await providerConfigs.patch('stripe', { active: false })).active], [id, false]);
    same((await readAll(providerConfigs.list())).length, 1);
  },
  'line: no address': async (_, { apiKey }) => same(await nameOf(Promise.resolve().then(() => new Malipo({ apiKey, baseUrl: 'pay.example.com' }))), 'TypeError'),
  'line: a wrong key': async (_, { baseUrl }) => same((await refusal(new Malipo({ apiKey: 'sk_test_0', baseUrl }).payments.get('pay_1'))).status, 401),
  'line: nobody listens': async () => {
    const malipo = new Malipo({ apiKey: 'sk_test_0', baseUrl: NOWHERE, retries: 1, backoffMs: 1 });
    const error = await thrown(malipo.payments.create(BODY, { idempotencyKey: 'order-2' }));
    if (!(error instanceof MalipoConnectionError)) throw error;
    same([error.isUnsent, error.tries, error.idempotencyKey], [true, 2, 'order-2']);
  },
  'line: a page of something in between': async (_, { baseUrl }) => {
    const fetch = () => Promise.resolve(new Response('<h1>One moment</h1>', { status: 502 }));
    const malipo = new Malipo({ apiKey: 'sk_test_0', baseUrl, retries: 0, fetch });
    same(await nameOf(malipo.payments.get('pay_1')), 'MalipoConnectionError');
  },
  'line: the caller gives up': async ({ payments }) => {
    const signal = AbortSignal.abort();
    same(String(await thrown(payments.get('pay_1', { signal }))).includes('the caller gave up'), true);
  },
  'webhook: a good one': async () => same(verifyWebhook(TEXT, await sign(TEXT), SECRET).data, EVENT.data),
  'webhook: as bytes and Headers': async () => same(verifyWebhook(new TextEncoder().encode(TEXT), new Headers(await sign(TEXT)), SECRET).type, EVENT.type),
  'webhook: another body': async () => same(refused(`${TEXT} `, await sign(TEXT)), true),
  'webhook: too old': async () => same(refused(TEXT, await sign(TEXT, 360)), true),
  'webhook: no headers': async () => same(refused(TEXT, {}), true),
  'webhook: no secret': async () => same(refused(TEXT, await sign(TEXT), ''), true),
};

/** @returns the names of its cases. @throws the first that fails, with its name. */
export async function runSample(place: Place): Promise<readonly string[]> {
  const malipo = new Malipo({ apiKey: place.apiKey, baseUrl: place.baseUrl });
  for (const [name, run] of Object.entries(CASES)) {
    await run(malipo, place).catch((cause: unknown) => {
      throw new Error(`${name}: ${String(cause)}`, { cause });
    });
  }
  return Object.keys(CASES);
}

function same(seen: unknown, wanted: unknown): void {
  const [is, ought] = [JSON.stringify(seen), JSON.stringify(wanted)];
  if (is !== ought) throw new Error(`${is} is not ${ought}`);
}

async function thrown(call: Promise<unknown>): Promise<unknown> {
  const nothing = new Error('nothing was thrown');
  return call.then(
    () => nothing,
    (error: unknown) => error,
  );
}

async function nameOf(call: Promise<unknown>): Promise<string> {
  const error = await thrown(call);
  return error instanceof Error ? error.name : '';
}

async function refusal(call: Promise<unknown>): Promise<MalipoError> {
  const error = await thrown(call);
  if (error instanceof MalipoError) return error;
  throw error;
}

async function readAll<T>(list: List<T>): Promise<readonly T[]> {
  const all: T[] = [];
  for await (const item of list) all.push(item);
  return all;
}

/** Events are listed once no transaction that might come before them is open. */
async function readSome<T>(list: () => List<T>): Promise<readonly T[]> {
  for (;;) {
    const all = await readAll(list());
    if (all.length > 0) return all;
  }
}

async function sign(text: string, ageSeconds = 0): Promise<Record<string, string>> {
  const time = String(Math.floor(Date.now() / 1000) - ageSeconds);
  const bytes = (it: string) => Uint8Array.from(it, (letter) => letter.charCodeAt(0));
  const raw = bytes(atob(SECRET.slice('whsec_'.length)));
  const hmac = { name: 'HMAC', hash: 'SHA-256' };
  const key = await crypto.subtle.importKey('raw', raw, hmac, false, ['sign']);
  const signed = new TextEncoder().encode(`${EVENT.id}.${time}.${text}`);
  const made = new Uint8Array(await crypto.subtle.sign('HMAC', key, signed));
  const signature = `v1,${btoa(String.fromCharCode(...made))}`;
  return { 'webhook-id': EVENT.id, 'webhook-timestamp': time, 'webhook-signature': signature };
}

function refused(text: string, headers: Record<string, string>, secret = SECRET): boolean {
  try {
    verifyWebhook(text, headers, secret);
    return false;
  } catch (error) {
    return error instanceof WebhookVerificationError;
  }
}
