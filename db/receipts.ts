import { z } from 'zod';
import type { RecordRequest } from '../domain/payment-record.ts';
import { next, PAYMENT_STATUSES, type PaymentStatus } from '../domain/payment-states.ts';
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
    WHERE provider_receipt = ANY(${spellings}) AND id <> ${id} AND provider = ${provider}
      AND split_part(credentials_ref, '@', 1) = split_part(${credentials_ref}, '@', 1)
      AND status NOT IN ('failed', 'canceled')
    ORDER BY id LIMIT 1`);
}

/**
 * A receipt stands for money that came once, so it pays for one payment. What tells of a second one
 * by the same receipt is no proof: a person has to look, and the receipt stays with the first. To
 * be asked with the payment's row locked; two payments with one receipt go one after the other.
 * @returns the request as it counts, or `refused` for an operator's decision, who can name another.
 */
export async function heldAgainstReceipts(
  db: Connection,
  payment: Place & { readonly status: PaymentStatus; readonly provider_receipt: string | null },
  request: RecordRequest,
): Promise<RecordRequest | 'refused'> {
  const receipt = request.outcome?.receipt ?? null;
  const isMoney = request.event === 'succeeded' || request.event === 'authorized';
  if (!isMoney || receipt === null || payment.provider_receipt === receipt) return request;
  const account = `${payment.provider} ${payment.credentials_ref.split('@')[0]}`;
  await db.query(sql.typeAlias('none')`
    SELECT FROM pg_advisory_xact_lock(hashtextextended(${`receipt ${account} ${receipt}`}, 0))`);
  const holder = await findReceiptHolder(db, payment, receipt);
  if (holder === null) return request;
  if (request.actor === 'operator') return 'refused';
  return inDoubt(payment.status, request, `its receipt ${receipt} is of ${holder.id} already`);
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
