import { type AttemptEvent, nextAttempt } from '../domain/attempt-states.ts';
import type { RecordRequest } from '../domain/payment-record.ts';
import { MissingRow } from './missing-row.ts';
import type { Connection } from './pool.ts';
import { attemptRow } from './rows.ts';
import { sql } from './sql.ts';

/**
 * Whether some run claimed more sends of the attempt than those that are proven to have done
 * nothing. The workflow cannot know: a worker that was thought to be lost may claim one later.
 */
export async function mayBeSentBeyond(
  db: Connection,
  { attemptId, provenUnsent }: Pick<RecordRequest, 'attemptId' | 'provenUnsent'>,
): Promise<boolean> {
  if (provenUnsent === undefined) return false;
  const { dispatch_count, status } = await lockAttempt(db, attemptId);
  return status !== 'settled' && dispatch_count > provenUnsent;
}

async function lockAttempt(db: Connection, attemptId: string) {
  const row = await db.maybeOne(sql.type(attemptRow)`
    SELECT id, payment_id, ordinal, status, dispatch_count, dispatch_nonce, provider_payment_id
    FROM attempts WHERE id = ${attemptId} FOR UPDATE`);
  if (row === null) throw new MissingRow('payment', attemptId);
  return row;
}

/** What a step of the payment means for the attempt that it is about. */
export async function updateAttempt(
  db: Connection,
  attemptId: string,
  request: RecordRequest,
): Promise<void> {
  if (request.action === 'payment.resend_planned') await planSend(db, attemptId, request);
  const event = attemptEventOf(request);
  const id = request.providerPaymentId ?? request.outcome?.providerPaymentId ?? null;
  if (event === null && id === null) return;
  const row = await lockAttempt(db, attemptId);
  const status = event === null ? row.status : nextAttempt(row.status, event);
  await db.query(sql.typeAlias('none')`
    UPDATE attempts SET status = ${status},
      provider_payment_id = coalesce(provider_payment_id, ${id}),
      settled_at = CASE WHEN ${status} = 'settled' THEN coalesce(settled_at, now()) END
    WHERE id = ${attemptId}`);
}

/** A send that was never claimed stays as old as it is, however often it was tried. */
async function planSend(db: Connection, attemptId: string, { waitMs }: RecordRequest) {
  await db.query(sql.typeAlias('none')`
    UPDATE attempts SET due_at = now() + ${waitMs ?? 0} * interval '1 millisecond'
    WHERE id = ${attemptId} AND dispatch_count > 0`);
}

function attemptEventOf(request: RecordRequest): AttemptEvent | null {
  if (request.outcome !== null) return 'settle';
  return request.action === 'payment.answer_lost' ? 'lose_answer' : null;
}
