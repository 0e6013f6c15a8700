import { z } from 'zod';
import type { RecordRequest } from '../domain/payment-record.ts';
import { next, PAYMENT_STATUSES, type PaymentStatus } from '../domain/payment-states.ts';
import type { Refund, RefundRecordRequest } from '../domain/refund.ts';
import { nextRefund } from '../domain/refund-states.ts';
import type { Connection } from './pool.ts';
import { sql } from './sql.ts';

type Place = { readonly id: string; readonly provider: string; readonly credentials_ref: string };

const holderRow = z.object({ id: z.string(), status: z.enum(PAYMENT_STATUSES) });

/**
 * The other payment of the same provider and account that has this receipt; null when none has. One
 * that ended without money does not count: a person may have found whose the money is.
 */
export async function findReceiptHolder(
  db: Connection,
  { id, provider, credentials_ref }: Place,
  receipt: string,
): Promise<z.infer<typeof holderRow> | null> {
  // People copy receipts from messages; M-Pesa’s have capitals only.
  const spellings = sql.array([receipt, receipt.toUpperCase()], 'text');
  return await db.maybeOne(sql.type(holderRow)`
    SELECT id, status FROM payments
    WHERE lower(provider_receipt) = lower(${receipt}) AND provider_receipt = ANY(${spellings})
      AND id <> ${id} AND provider = ${provider}
      AND split_part(credentials_ref, '@', 1) = split_part(${credentials_ref}, '@', 1)
      AND status NOT IN ('failed', 'canceled')
    ORDER BY id LIMIT 1`);
}

/**
 * A receipt stands for money that came once, so it pays for one payment. What tells of a second one
 * by the same receipt is no proof: a person has to look, and the receipt stays with the first. To
 * be asked with the payment's row locked; two payments with one receipt go one after the other, and
 * a unique index stands behind that.
 * @returns the request as it counts, or `refused` for an operator's decision, who can name another.
 */
export async function heldAgainstReceipts(
  db: Connection,
  payment: Place & { readonly status: PaymentStatus; readonly provider_receipt: string | null },
  request: RecordRequest,
): Promise<RecordRequest | 'refused'> {
  const isMoney = request.event === 'succeeded' || request.event === 'authorized';
  if (!isMoney) return request;
  // The one that the row has already stays in it, whatever is told now.
  const told = request.outcome?.receipt ?? null;
  const receipts = new Set([payment.provider_receipt, told].filter((it) => it !== null));
  if (PAID_BY_ITS_RECEIPT[payment.status] && payment.provider_receipt !== null) {
    receipts.delete(payment.provider_receipt);
  }
  for (const receipt of [...receipts].sort()) {
    await lockReceipt(db, `${payment.provider} ${accountOf(payment)}`, receipt);
    const holder = await findReceiptHolder(db, payment, receipt);
    if (holder === null) continue;
    if (request.actor === 'operator') return 'refused';
    return inDoubt(payment.status, request, `its receipt ${receipt} is of ${holder.id} already`);
  }
  return request;
}

/** Whether the row's receipt is known to be the payment's: then it is not asked about again. */
const PAID_BY_ITS_RECEIPT = {
  created: false,
  processing: false,
  requires_action: false,
  authorized: true,
  needs_review: false,
  succeeded: true,
  failed: false,
  canceled: false,
} as const satisfies Record<PaymentStatus, boolean>;

function accountOf({ credentials_ref }: Pick<Place, 'credentials_ref'>): string {
  return credentials_ref.split('@')[0] ?? credentials_ref;
}

/** Until the end of the transaction nobody else decides whose this receipt is. */
async function lockReceipt(db: Connection, account: string, receipt: string): Promise<void> {
  await db.query(sql.typeAlias('none')`
    SELECT FROM pg_advisory_xact_lock(hashtextextended(${`receipt ${account} ${receipt}`}, 0))`);
}

function inDoubt(status: PaymentStatus, request: RecordRequest, note: string): RecordRequest {
  const { webhook } = request;
  const told = {
    ...request,
    cause: `${note}; ${request.cause}`,
    outcome: null,
    providerPaymentId: request.providerPaymentId ?? request.outcome?.providerPaymentId ?? null,
    webhook: webhook === null ? null : ({ ...webhook, status: 'parked', note } as const),
  };
  // One that has its money keeps it; the callback lies before operators all the same.
  if (status === 'succeeded') return { ...told, action: 'payment.callback_refused', event: null };
  const canGiveUp = next(status, 'gave_up').kind !== 'refused';
  return {
    ...told,
    action: 'payment.review_needed',
    event: canGiveUp ? 'gave_up' : request.event,
    reviewReason: 'contradiction',
    waitingFor: 'review',
  };
}

/**
 * Whether another payment has the receipt that was learned for this one. To be asked with the
 * payment's row locked.
 */
export async function isReceiptTaken(
  db: Connection,
  paymentId: string,
  receipt: string,
): Promise<boolean> {
  const place = await db.one(sql.type(placeRow)`
    SELECT id, provider, credentials_ref FROM payments WHERE id = ${paymentId}`);
  await lockReceipt(db, `${place.provider} ${accountOf(place)}`, receipt);
  return (await findReceiptHolder(db, place, receipt)) !== null;
}

const placeRow = z.object({ id: z.string(), provider: z.string(), credentials_ref: z.string() });

/**
 * The same for refunds: the receipt of a reversal proves one refund of an account.
 * @returns the request as it counts, or `refused` for an operator's decision.
 */
export async function heldAgainstRefundReceipts(
  db: Connection,
  refund: Pick<Refund, 'id' | 'status' | 'providerReceipt'>,
  request: RefundRecordRequest,
): Promise<RefundRecordRequest | 'refused'> {
  const receipt = refund.providerReceipt ?? request.outcome?.receipt ?? null;
  if (request.event !== 'succeeded' || receipt === null) return request;
  const { credentials_ref } = await db.one(sql.type(accountRow)`
    SELECT credentials_ref FROM refunds WHERE id = ${refund.id}`);
  const account = accountOf({ credentials_ref });
  await lockReceipt(db, `refund ${account}`, receipt);
  const holder = await db.maybeOne(sql.typeAlias('id')`
    SELECT id FROM refunds
    WHERE provider_receipt = ${receipt} AND status = 'succeeded'
      AND id <> ${refund.id}
      AND split_part(credentials_ref, '@', 1) = ${account}
    ORDER BY id LIMIT 1`);
  if (holder === null || refund.status === 'succeeded') return request;
  if (request.actor === 'operator') return 'refused';
  const note = `its receipt ${receipt} is of ${holder.id} already`;
  const isOpen = nextRefund(refund.status, 'gave_up').kind !== 'refused';
  return {
    ...request,
    action: isOpen ? 'refund.review_needed' : 'refund.callback_refused',
    cause: `${note}; ${request.cause}`,
    event: isOpen ? 'gave_up' : null,
    outcome: null,
    providerRefundId: request.providerRefundId ?? request.outcome?.providerRefundId ?? null,
    reviewReason: isOpen ? 'no_answer' : null,
    waitingFor: 'review',
    webhook: request.webhook && { ...request.webhook, status: 'parked', note },
  };
}

const accountRow = z.object({ credentials_ref: z.string() });
