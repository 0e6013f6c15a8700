import type { CaptureMethod } from '../domain/capture.ts';
import { type Currency, formatMoney } from '../domain/money.ts';
import type { Payment } from '../domain/payment.ts';
import type { PaymentStatus } from '../domain/payment-states.ts';
import type { ProviderPolicy } from '../domain/policy.ts';
import type { SealedCustomer } from './customers.ts';
import { newId } from './ids.ts';
import type { Connection } from './pool.ts';
import { findRestored } from './restore.ts';
import { toPayment } from './rows.ts';
import { isOverdue, PAYMENT_COLUMNS, sql } from './sql.ts';

export type NewPayment = {
  readonly id: string;
  readonly attemptId: string;
  readonly merchantId: string;
  readonly idempotencyKey: string;
  readonly fingerprint: string;
  readonly workflowId: string;
  readonly provider: string;
  readonly credentialsRef: string;
  readonly amountMinor: number;
  readonly currency: Currency;
  readonly customer: SealedCustomer;
  readonly paymentMethod: string | null;
  readonly captureMethod: CaptureMethod;
  readonly reference: string;
  readonly description: string | null;
  readonly returnUrl: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly policy: ProviderPolicy;
  readonly fallbacks: Payment['fallbacks'];
  readonly cause: string;
};

export type Insertion = { readonly inserted: boolean; readonly payment: Payment };

/**
 * Writes payment, first attempt and first audit entry in one statement, or finds the payment that
 * the merchant's idempotency key already made. The unique key decides, so any number of processes
 * may try at once.
 */
export async function insertPayment(db: Connection, next: NewPayment): Promise<Insertion> {
  const { customer } = next;
  const row = await db.maybeOne(sql.typeAlias('payment')`
    WITH p AS (
      INSERT INTO payments (id, merchant_id, idempotency_key, fingerprint, workflow_id, attempt_id,
        status, provider, credentials_ref, amount, currency, customer_id,
        phone_cipher, phone_hash, phone_masked, email_cipher, email_hash, email_masked,
        name_cipher, name_masked, payment_method, capture_method, reference, description,
        return_url, metadata, policy, fallbacks)
      VALUES (${next.id}, ${next.merchantId}, ${next.idempotencyKey}, ${next.fingerprint},
        ${next.workflowId}, ${next.attemptId}, 'created', ${next.provider}, ${next.credentialsRef},
        ${next.amountMinor}, ${next.currency}, ${customer.id},
        ${sqlBytes(customer.phoneCipher)}, ${sqlBytes(customer.phoneHash)}, ${customer.phoneMasked},
        ${sqlBytes(customer.emailCipher)}, ${sqlBytes(customer.emailHash)}, ${customer.emailMasked},
        ${sqlBytes(customer.nameCipher)}, ${customer.nameMasked},
        ${next.paymentMethod}, ${next.captureMethod}, ${next.reference}, ${next.description},
        ${next.returnUrl}, ${sql.jsonb(next.metadata)}, ${sql.jsonb(next.policy)},
        ${sql.jsonb(next.fallbacks.map(toFallbackRow))})
      ON CONFLICT DO NOTHING
      RETURNING *),
    attempt AS (
      INSERT INTO attempts (id, payment_id, ordinal, status, provider, credentials_ref)
      SELECT attempt_id, id, 1, 'prepared', provider, credentials_ref FROM p),
    entry AS (
      INSERT INTO audit_entries (id, payment_id, key, action, to_status, actor, cause, details)
      SELECT ${newId('audit')}, id, 'created', 'payment.created', status, 'merchant', ${next.cause},
        ${sql.jsonb(detailsOf(next))} FROM p)
    SELECT ${PAYMENT_COLUMNS} FROM p`);
  if (row !== null) return { inserted: true, payment: toPayment(row) };
  const earlier = await findPaymentByKey(db, next.merchantId, next.idempotencyKey);
  return { inserted: false, payment: earlier ?? (await findRestored(db, next)) };
}

/** Where somebody looks for what was asked for, the 100 times too much or too little is seen. */
function detailsOf({ amountMinor, currency, provider }: NewPayment) {
  return {
    provider,
    amount: amountMinor,
    currency,
    amount_text: formatMoney({ amountMinor, currency }),
  };
}

function toFallbackRow({ provider, credentialsRef, policy }: Payment['fallbacks'][number]) {
  return { provider, credentials_ref: credentialsRef, policy };
}

function sqlBytes(bytes: Buffer | null) {
  return bytes === null ? null : sql.binary(bytes);
}

/** One payment of a merchant; null when it is not there or another merchant's. */
export async function findPayment(
  db: Connection,
  merchantId: string,
  id: string,
): Promise<Payment | null> {
  const row = await db.maybeOne(sql.typeAlias('payment')`
    SELECT ${PAYMENT_COLUMNS} FROM payments p WHERE id = ${id} AND merchant_id = ${merchantId}`);
  return row === null ? null : toPayment(row);
}

/** Whosever it is; for operators. */
export async function findAnyPayment(db: Connection, id: string): Promise<Payment | null> {
  const row = await db.maybeOne(sql.typeAlias('payment')`
    SELECT ${PAYMENT_COLUMNS} FROM payments p WHERE id = ${id}`);
  return row === null ? null : toPayment(row);
}

/** By the merchant's idempotency key. */
export async function findPaymentByKey(
  db: Connection,
  merchantId: string,
  idempotencyKey: string,
): Promise<Payment | null> {
  const row = await db.maybeOne(sql.typeAlias('payment')`
    SELECT ${PAYMENT_COLUMNS} FROM payments p
    WHERE merchant_id = ${merchantId} AND idempotency_key = ${idempotencyKey}`);
  return row === null ? null : toPayment(row);
}

/** By workflow id, for callbacks: the provider knows neither merchant nor payment. */
export async function findPaymentByWorkflow(
  db: Connection,
  workflowId: string,
): Promise<Payment | null> {
  const row = await db.maybeOne(sql.typeAlias('payment')`
    SELECT ${PAYMENT_COLUMNS} FROM payments p WHERE workflow_id = ${workflowId}`);
  return row === null ? null : toPayment(row);
}

export type PaymentFilter = {
  /** Null: of all. */
  readonly merchantId: string | null;
  readonly statuses: readonly PaymentStatus[];
  readonly provider: string | null;
  readonly phoneHash: Buffer | null;
  readonly emailHash: Buffer | null;
  readonly customerId: string | null;
  /** To the letter: to a merchant's program `a` and `A` may be two orders. */
  readonly reference: string | null;
  readonly referenceInAnyCase: string | null;
  readonly amountMinor: number | null;
  /** The provider's, as its portal and the payer's message show it; in capitals or not. */
  readonly receipt: string | null;
  /** Of any attempt; each spelling that may be kept of it. */
  readonly providerPaymentIds: readonly string[] | null;
  readonly createdFrom: string | null;
  readonly createdBefore: string | null;
  /** Only payments older than this id; ids sort by creation time. */
  readonly beforeId: string | null;
  readonly limit: number;
};

/** Newest first, at most `limit` rows. Pages are cut by id, never by skipping rows. */
export async function listPayments(
  db: Connection,
  filter: PaymentFilter,
): Promise<readonly Payment[]> {
  const where = [sql.fragment`true`, ...columnsAsked(filter), ...placeAsked(filter)];
  const rows = await db.any(sql.typeAlias('payment')`
    SELECT ${PAYMENT_COLUMNS} FROM payments p
    WHERE ${sql.join(where, sql.fragment` AND `)}
    ORDER BY id DESC LIMIT ${filter.limit}`);
  return rows.map(toPayment);
}

function columnsAsked(filter: PaymentFilter) {
  const { statuses } = filter;
  const equal = {
    merchant_id: filter.merchantId,
    provider: filter.provider,
    phone_hash: filter.phoneHash && sql.binary(filter.phoneHash),
    email_hash: filter.emailHash && sql.binary(filter.emailHash),
    customer_id: filter.customerId,
    reference: filter.reference,
    amount: filter.amountMinor,
  };
  const inAnyCase = { reference: filter.referenceInAnyCase, provider_receipt: filter.receipt };
  const asked = [
    ...Object.entries(equal).flatMap(([name, value]) =>
      value === null ? [] : [sql.fragment`${sql.identifier(['p', name])} = ${value}`],
    ),
    ...Object.entries(inAnyCase).flatMap(([name, value]) =>
      value === null ? [] : [sql.fragment`lower(${sql.identifier(['p', name])}) = lower(${value})`],
    ),
  ];
  if (statuses.length === 0) return asked;
  return [...asked, sql.fragment`status = ANY(${sql.array([...statuses], 'text')})`];
}

function placeAsked(filter: PaymentFilter) {
  const { providerPaymentIds: ids, createdFrom, createdBefore, beforeId } = filter;
  const where: ReturnType<typeof columnsAsked> = [];
  if (ids !== null) {
    where.push(sql.fragment`id IN (SELECT payment_id FROM attempts
      WHERE provider_payment_id = ANY(${sql.array([...ids], 'text')}))`);
  }
  if (createdFrom !== null) where.push(sql.fragment`created_at >= ${createdFrom}::timestamptz`);
  if (createdBefore !== null) where.push(sql.fragment`created_at < ${createdBefore}::timestamptz`);
  if (beforeId !== null) where.push(sql.fragment`id < ${beforeId}`);
  return where;
}

/**
 * Payments that are overdue for longer than they said they would be, oldest first; those in review
 * have a queue of their own, and those that an operator holds are so on purpose. The caller asks
 * Temporal what their workflows do.
 * @param afterId goes on after this one of an earlier page.
 */
export async function listStuck(
  db: Connection,
  graceMs: number,
  limit: number,
  afterId: string | null,
): Promise<readonly Payment[]> {
  const rows = await db.any(sql.typeAlias('payment')`
    SELECT ${PAYMENT_COLUMNS} FROM payments p
    WHERE status IN ('created', 'processing', 'requires_action', 'authorized')
      AND ${isOverdue(graceMs)}
      AND (${afterId}::text IS NULL OR id > ${afterId})
    ORDER BY id LIMIT ${limit}`);
  return rows.map(toPayment);
}
