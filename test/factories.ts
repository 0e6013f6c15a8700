import { randomBytes } from 'node:crypto';
import { sealCustomer } from '../db/customers.ts';
import { recordDispatch } from '../db/dispatch.ts';
import { newId } from '../db/ids.ts';
import { findPayment, insertPayment, type NewPayment } from '../db/payments.ts';
import type { Pool } from '../db/pool.ts';
import { record } from '../db/record.ts';
import { insertRefund, type NewRefund } from '../db/refunds.ts';
import { sql } from '../db/sql.ts';
import { createVault, type Vault } from '../db/vault.ts';
import { insertEndpoint, type NewEndpoint } from '../db/webhook-endpoints.ts';
import { sealBody } from '../db/webhook-events.ts';
import { failure } from '../domain/error.ts';
import { paymentWorkflowId, refundWorkflowId } from '../domain/id.ts';
import type { Inconclusive, Outcome } from '../domain/outcome.ts';
import type { Payment } from '../domain/payment.ts';
import type { RecordRequest, RecordResult } from '../domain/payment-record.ts';
import type { PaymentEvent, PaymentStatus } from '../domain/payment-states.ts';
import type { ProviderPolicy } from '../domain/policy.ts';
import type { Refund, RefundRecordRequest } from '../domain/refund.ts';
import type { SealedWebhookEvent } from '../domain/webhook-event.ts';
import type { TestDatabase } from './database.ts';

export const VAULT = createVault([{ id: 'k1', key: randomBytes(32) }], randomBytes(32));

export const POLICY: ProviderPolicy = {
  charge: {
    timeout_ms: 20_000,
    deadline_ms: 600_000,
    accept_within_ms: 900_000,
    max_sends: 3,
    resend_after_ms: [15_000, 60_000],
  },
  callback_wait_ms: 30_000,
  lookup: { timeout_ms: 15_000, poll_interval_ms: [15_000, 60_000], window_ms: 600_000 },
  review: { poll_interval_ms: [3_600_000] },
  payer_action: { expires_after_ms: 30 * 60_000 },
  authorization: { expires_after_ms: 3_600_000 },
  refund: {
    timeout_ms: 1_000,
    deadline_ms: 60_000,
    accept_within_ms: 900_000,
    max_sends: 3,
    resend_after_ms: [1_000],
    result_wait_ms: 30_000,
    poll_interval_ms: [5_000, 10_000],
  },
  reattempt: { max_attempts: 1, fallback: [] },
  rate_limit_per_second: 10,
  late_success: 'review',
  confirm_callback_from_minor: null,
};

export const MERCHANT = { id: 'mer_0193e0d5a1c27d3f8c1e2b3a4d5e6f70', name: 'Duka la Mama Njeri' };

/** A payment of KES 100.00 with keys of its own, without personal data. */
export function makeNewPayment(changes: Partial<NewPayment> = {}): NewPayment {
  const id = changes.id ?? newId('payment');
  return {
    id,
    attemptId: newId('attempt'),
    merchantId: MERCHANT.id,
    idempotencyKey: `order-${id}`,
    fingerprint: 'f'.repeat(64),
    workflowId: paymentWorkflowId(randomBytes(16).toString('hex')),
    provider: 'mpesa',
    credentialsRef: 'env:mpesa',
    amountMinor: 10_000,
    currency: 'KES',
    customer: sealCustomer(VAULT, id, { id: null, phone: null, email: null, name: null }),
    paymentMethod: null,
    captureMethod: 'automatic',
    reference: 'ORDER-1234',
    description: null,
    returnUrl: null,
    metadata: {},
    policy: POLICY,
    fallbacks: [],
    cause: 'POST /api/v1/payments',
    ...changes,
  };
}

/** Stores a payment; its merchant must be there. */
export async function storePayment(
  pool: Pool,
  changes: Partial<NewPayment> = {},
): Promise<Payment> {
  return (await insertPayment(pool, makeNewPayment(changes))).payment;
}

/** What the provider says happened to KES 100.00. */
export function makeOutcome(kind: Outcome['kind'], changes: Partial<Outcome> = {}): Outcome {
  const isMoney = kind === 'succeeded' || kind === 'authorized';
  return {
    kind,
    providerPaymentId: 'ws_CO_1',
    receipt: isMoney ? 'UJ7A1B2C3D' : null,
    money: isMoney ? { amountMinor: 10_000, currency: 'KES' } : null,
    failure: isMoney ? null : failure('insufficient_funds', '1'),
    providerCode: isMoney ? '0' : '1',
    ...changes,
  };
}

export function makeInconclusive(kind: Inconclusive['kind']): Inconclusive {
  return { kind, providerPaymentId: 'ws_CO_1', providerCode: '4999', message: 'in progress' };
}

/** A bare note in a payment's ledger; give it an event to change the status. */
export function makeRecord(
  { id, attemptId }: Pick<Payment, 'id' | 'attemptId'>,
  changes: Partial<RecordRequest> = {},
): RecordRequest {
  return {
    paymentId: id,
    attemptId,
    key: `note/${randomBytes(6).toString('hex')}`,
    action: 'payment.succeeded',
    actor: 'workflow',
    cause: 'a test',
    event: null,
    outcome: null,
    providerPaymentId: null,
    reviewReason: null,
    waitingFor: null,
    waitMs: null,
    webhook: null,
    ...changes,
  };
}

export function dispatch(pool: Pool, { id, attemptId }: Payment, send = 1, nonce = 'nonce') {
  return recordDispatch(pool, { paymentId: id, attemptId, send, nonce });
}

type Step = readonly [PaymentEvent, Outcome['kind'] | null];

/** The shortest honest way from `processing` to a status. */
const WAYS: Readonly<Record<Exclude<PaymentStatus, 'created'>, readonly Step[]>> = {
  processing: [],
  requires_action: [['action_required', null]],
  authorized: [['authorized', 'authorized']],
  needs_review: [['gave_up', null]],
  succeeded: [['succeeded', 'succeeded']],
  failed: [['declined', 'declined']],
  canceled: [['canceled', 'canceled']],
};

/** Stores a payment and leads it to a status through the code that the engine uses. */
export async function storePaymentIn(
  pool: Pool,
  status: PaymentStatus,
  changes: Partial<NewPayment> = {},
): Promise<Payment> {
  const payment = await storePayment(pool, changes);
  if (status === 'created') return payment;
  await dispatch(pool, payment);
  for (const [event, kind] of WAYS[status]) {
    const receipt = await unusedReceipt(pool);
    const outcome = kind === null ? null : makeOutcome(kind, isPaidBy(kind) ? { receipt } : {});
    const reviewReason = event === 'gave_up' ? 'no_answer' : null;
    await record(pool, makeRecord(payment, { event, outcome, reviewReason }));
  }
  return payment;
}

const isPaidBy = (kind: Outcome['kind']) => kind === 'succeeded' || kind === 'authorized';

/** A receipt is of one payment: the first one has that of `makeOutcome`, each other its own. */
async function unusedReceipt(pool: Pool): Promise<string> {
  const { receipt } = makeOutcome('succeeded');
  const holder = await pool.maybeOne(sql.typeAlias('id')`
    SELECT id FROM payments WHERE provider_receipt = ${receipt} LIMIT 1`);
  if (holder === null && receipt !== null) return receipt;
  return `UJ7${randomBytes(5).toString('hex').slice(0, 7).toUpperCase()}`;
}

/** Applies one event with the outcome that goes with it. */
export function recordEvent(
  pool: Pool,
  payment: Payment,
  event: PaymentEvent,
  changes: Partial<RecordRequest> = {},
): Promise<RecordResult> {
  return record(pool, makeRecord(payment, { event, ...changes }));
}

/** A refund of KES 40.00 with keys of its own. */
export function makeNewRefund(
  { id: paymentId, merchantId }: Pick<Payment, 'id' | 'merchantId'>,
  changes: Partial<NewRefund> = {},
): NewRefund {
  const id = changes.id ?? newId('refund');
  return {
    id,
    paymentId,
    merchantId,
    idempotencyKey: `refund-${id}`,
    fingerprint: 'f'.repeat(64),
    workflowId: refundWorkflowId(randomBytes(16).toString('hex')),
    amountMinor: 4_000,
    reason: null,
    metadata: {},
    ...changes,
  };
}

/** Stores a refund. @throws Error unless it is a new one. */
export async function storeRefund(
  pool: Pool,
  payment: Pick<Payment, 'id' | 'merchantId'>,
  changes: Partial<NewRefund> = {},
): Promise<Refund> {
  const insertion = await insertRefund(pool, makeNewRefund(payment, changes));
  if (insertion.kind !== 'inserted') throw new Error(`it was ${insertion.kind}`);
  return insertion.refund;
}

/** A bare note about a refund; give it an event to change the status. */
export function makeRefundRecord(
  { id, paymentId }: Pick<Refund, 'id' | 'paymentId'>,
  changes: Partial<RefundRecordRequest> = {},
): RefundRecordRequest {
  return {
    refundId: id,
    paymentId,
    key: `${id}/settled`,
    action: 'refund.succeeded',
    actor: 'provider',
    cause: 'a test',
    event: null,
    outcome: null,
    providerRefundId: null,
    reviewReason: null,
    waitingFor: null,
    waitMs: null,
    webhook: null,
    ...changes,
  };
}

/** A verified callback as the API stores it. */
export function makeWebhookEvent(
  changes: Partial<SealedWebhookEvent> & { readonly body?: string } = {},
): SealedWebhookEvent {
  const { body = '{"Body":{}}', ...rest } = changes;
  const id = changes.id ?? newId('event');
  return {
    id,
    provider: 'mpesa',
    account: null,
    eventKey: `key-${id}`,
    status: 'received',
    workflowId: null,
    event: makeOutcome('succeeded'),
    bodyCipher: sealBody(VAULT, id, Buffer.from(body)),
    headers: { 'content-type': 'application/json' },
    verifiedBy: 'token',
    remoteAddress: '127.0.0.1',
    error: null,
    ...rest,
  };
}

/** A new endpoint, and its secret; of {@link MERCHANT} and with an address of its own by itself. */
export async function storeEndpoint(
  pool: Pool,
  changes: Partial<NewEndpoint> = {},
  vault: Vault = VAULT,
) {
  const url = `https://shop.example.test/${newId('webhook_endpoint')}`;
  const next = { merchantId: MERCHANT.id, url, description: null, eventTypes: [], ...changes };
  const made = await insertEndpoint(pool, vault, next, 1_000);
  if (made?.secret == null) throw new Error(`${next.url} is not new`);
  return { endpoint: made.endpoint, secret: made.secret };
}

/** The payment's row as it stands now. */
export async function reread(pool: Pool, { id, merchantId }: Payment): Promise<Payment> {
  const payment = await findPayment(pool, merchantId, id);
  if (payment === null) throw new Error(`${id} is gone`);
  return payment;
}

type Entry = {
  readonly key: string;
  readonly action: string;
  readonly from_status: string | null;
  readonly to_status: string | null;
  readonly cause: string;
  readonly details: Readonly<Record<string, string | number>>;
};

/** The payment's trail with the keys of its entries, which the application does not show. */
export function listEntries(
  database: TestDatabase,
  { id }: Pick<Payment, 'id'>,
): Promise<readonly Entry[]> {
  return database.queryAsOwner<Entry>(
    `SELECT key, action, from_status, to_status, cause, details FROM audit_entries
     WHERE payment_id = $1 ORDER BY seq`,
    [id],
  );
}

/** The rows of the payment's attempts. */
export function listAttempts(database: TestDatabase, { id }: Payment) {
  return database.queryAsOwner('SELECT * FROM attempts WHERE payment_id = $1', [id]);
}

/** For after each test: a receipt is of one payment, and the tests of a file share a database. */
export async function freeReceipts(database: TestDatabase): Promise<void> {
  await database.queryAsOwner('UPDATE payments SET provider_receipt = NULL');
}
