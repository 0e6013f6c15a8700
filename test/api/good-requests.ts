import { randomUUID } from 'node:crypto';
import type { Operation } from '../../api/operation.ts';
import { exampleOf } from '../../api/reference/postman.ts';
import { openSession } from '../../db/operators.ts';
import type { NewPayment } from '../../db/payments.ts';
import { record } from '../../db/record.ts';
import { insertWebhookEvent } from '../../db/webhook-events.ts';
import type { PaymentStatus } from '../../domain/payment-states.ts';
import { makeRecord, makeWebhookEvent, storeEndpoint, storePaymentIn } from '../factories.ts';
import { makeCPayEvent, sign, stkPath } from './callbacks.ts';
import { enrollOperator, PASSWORD, PASSWORD_HASH } from './operators.ts';
import { fillPath, type Seeds, storeOneOfEach } from './seeds.ts';
import { SECRETS, type Sending, type TestApi } from './server.ts';

/** A request that its operation grants with a 2xx, whoever may make it at all. */
export type GoodRequest = Sending & { readonly path: string };

/** What an operation needs beyond one of each thing and its example. */
type Special = {
  readonly seeds?: Seeds;
  /** Laid over the example. */
  readonly body?: object;
  /** In the place of all of it. */
  readonly request?: GoodRequest;
};
type Prepare = (api: TestApi) => Special | Promise<Special>;

const paymentIn =
  (status: PaymentStatus, changes: Partial<NewPayment> = {}): Prepare =>
  async ({ pool }) => ({ seeds: { payments: (await storePaymentIn(pool, status, changes)).id } });

const ownEndpoint: Prepare = async ({ pool }) => ({
  seeds: { 'webhook-endpoints': (await storeEndpoint(pool)).endpoint.id },
});
/** A merchant may have so many, and each of the above is another one. */
const withoutOwnEndpoints: Prepare = async (api) => {
  await api.database.queryAsOwner(
    "UPDATE webhook_endpoints SET deleted_at = now() WHERE url LIKE 'https://shop.example.test/whe_%'",
  );
  return {};
};

/** What a request uses up, or switches off, is made anew for each. */
const SPECIAL: Readonly<Record<string, Prepare>> = {
  createPayment: () => ({ body: { provider: 'cpay' } }),
  cancelPayment: paymentIn('processing'),
  capturePayment: paymentIn('authorized', { provider: 'stripe', captureMethod: 'manual' }),
  createRefund: paymentIn('succeeded'),
  adminDecidePayment: paymentIn('needs_review'),
  adminDecideRefund: async (api) => ({ seeds: { refunds: await reviewRefund(api) } }),
  adminResolveUnmatchedReceipt: async (api) => ({
    seeds: { payments: await storePaidTwice(api) },
    body: { provider_payment_id: 'ws_CO_0' },
  }),
  adminResolveWebhookEvent: async ({ pool }) => {
    const parked = makeWebhookEvent({ status: 'parked' });
    return { seeds: { 'webhook-events': (await insertWebhookEvent(pool, parked)).event.id } };
  },
  // A key gives no scope that it lacks, so the example's are left out.
  createApiKey: () => ({ body: { scopes: undefined } }),
  createWebhookEndpoint: withoutOwnEndpoints,
  updateWebhookEndpoint: ownEndpoint,
  deleteWebhookEndpoint: ownEndpoint,
  adminUpdateMerchant: async (api) => ({ seeds: { merchants: (await api.openMerchant()).id } }),
  adminCreateOperator: () => ({ body: { email: `${randomUUID()}@example.test` } }),
  signIn: async (api) => ({ body: { email: (await enroll(api)).email, password: PASSWORD } }),
  changePassword: async (api) => ({
    body: { email: (await enroll(api)).email, password: PASSWORD },
  }),
  refreshSession: async (api) => ({ body: await openOwnSession(api) }),
  signOut: async (api) => ({ body: await openOwnSession(api) }),
  takeCallback: () => {
    const event = makeCPayEvent(`evt_${randomUUID()}`, `payment-${'0'.repeat(32)}`);
    const signed = sign('cpay', event, SECRETS.cpay[1]);
    return { request: { path: '/api/v1/webhooks/cpay', ...signed } };
  },
  takeProvenCallback: async (api) => ({
    request: { path: stkPath(api, await storePaymentIn(api.pool, 'processing')), body: {} },
  }),
};

/** Makes requests to any operation, and what they are about. */
export async function openGoodRequests(api: TestApi) {
  const seeds = await storeOneOfEach(api);
  return async (operation: Operation): Promise<GoodRequest> => {
    const special = (await SPECIAL[operation.id]?.(api)) ?? {};
    if (special.request !== undefined) return special.request;
    const path = fillPath(operation.path, { ...seeds, ...special.seeds });
    if (operation.body === null) return { path };
    return { path, body: Object.assign({}, exampleOf(operation), special.body) };
  };
}

const enroll = (api: TestApi) => enrollOperator(api, 'viewer', `${randomUUID()}@example.test`);

async function openOwnSession(api: TestApi) {
  const session = await openSession(api.pool, (await enroll(api)).id, PASSWORD_HASH);
  return { refresh_token: session?.refreshToken };
}

async function reviewRefund(api: TestApi): Promise<string> {
  const { id } = await storePaymentIn(api.pool, 'succeeded');
  const made = await api.send('POST', `/api/v1/payments/${id}/refunds`, { body: {} });
  await api.database.queryAsOwner(
    "UPDATE refunds SET status = 'needs_review', review_reason = 'no_answer' WHERE id = $1",
    [made.body.id],
  );
  return made.body.id;
}

async function storePaidTwice({ pool }: TestApi): Promise<string> {
  const payment = await storePaymentIn(pool, 'succeeded');
  const { event } = await insertWebhookEvent(pool, makeWebhookEvent());
  const unmatchedReceipt = {
    kind: 'succeeded',
    providerPaymentId: 'ws_CO_0',
    receipt: 'R0',
    money: { amountMinor: 10_000, currency: 'KES' },
  } as const;
  const webhook = { eventId: event.id, status: 'applied', note: 'unmatched receipt' } as const;
  await record(pool, makeRecord(payment, { unmatchedReceipt, webhook }));
  return payment.id;
}
