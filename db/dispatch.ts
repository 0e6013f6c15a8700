import { z } from 'zod';
import { ATTEMPT_STATES, nextAttempt } from '../domain/attempt-states.ts';
import type { Route } from '../domain/payment.ts';
import type { RecordRequest } from '../domain/payment-record.ts';
import { isClosed, next, PAYMENT_STATUSES, type PaymentStatus } from '../domain/payment-states.ts';
import { makeStorable } from '../domain/text.ts';
import { appendAudit, findRecordedStep } from './audit.ts';
import { newId } from './ids.ts';
import { findObstacle, type Obstacle } from './obstacles.ts';
import { isPhoneRinging } from './phone-limits.ts';
import type { Connection, Pool } from './pool.ts';
import { lockPayment, notify, refuse } from './record.ts';
import { mayBeSentBeyond } from './record-attempt.ts';
import { sql } from './sql.ts';
import { markWebhookEvent } from './webhook-events.ts';

/** A send that some run claimed: it got to the provider, or may have. */
export type EarlierSend = {
  readonly kind: 'already_dispatched';
  /** The provider's id of what came of it, once that was written down. */
  readonly providerId: string | null;
  readonly ageMs: number;
};
/** What became of a claim. `refused`: the payment or refund is none that may be sent. */
export type DispatchClaim =
  | { readonly kind: 'dispatched' | 'refused' | 'payer_busy' }
  | Obstacle
  | EarlierSend;

/** Since the last send was claimed. */
export const AGE_MS = sql.fragment`coalesce(extract(epoch FROM now() - dispatched_at) * 1000, 0)::bigint`;

const statusRow = z.object({ status: z.enum(PAYMENT_STATUSES) });
export const sentRow = z.object({
  dispatch_count: z.int(),
  provider_id: z.string().nullable(),
  age_ms: z.int(),
});

/** The same for a row that holds how often it was sent; null while this send was not claimed. */
export function earlierSendOf(row: z.infer<typeof sentRow>, send: number): EarlierSend | null {
  if (row.dispatch_count < send) return null;
  return { kind: 'already_dispatched', providerId: row.provider_id, ageMs: row.age_ms };
}

/** Whether some run claimed the n-th send of an attempt. */
export async function findDispatch(
  db: Connection,
  { attemptId, send }: { readonly attemptId: string; readonly send: number },
): Promise<EarlierSend | null> {
  const row = await db.one(sql.type(sentRow)`
    SELECT dispatch_count, provider_payment_id AS provider_id, ${AGE_MS} AS age_ms
    FROM attempts WHERE id = ${attemptId}`);
  return earlierSendOf(row, send);
}

/**
 * Why this run is not to make a send: an earlier one claimed it, or the payment has ended. Asked
 * before anything else is done.
 */
export async function findStop(
  db: Connection,
  claim: { readonly paymentId: string; readonly attemptId: string; readonly send: number },
): Promise<DispatchClaim | null> {
  const earlier = await findDispatch(db, claim);
  if (earlier !== null) return earlier;
  const { status } = await db.one(sql.type(statusRow)`
    SELECT status FROM payments WHERE id = ${claim.paymentId}`);
  return isClosed(status) ? { kind: 'refused' } : null;
}

/**
 * Claims the n-th send of an attempt, right before the first byte leaves. Only one caller ever gets
 * `dispatched` for the same n, whatever crashes or runs twice: this is what makes one prompt out of
 * providers that take no idempotency key. What is too old, or was switched off since, is not sent:
 * checked here, so that no way to a send can pass it by.
 * @param claim.nonce names the caller: the same one may ask again when it lost the answer.
 * @param claim.rings whether it rings the payer's phone: then it is not sent again while another
 * payment of ours rings there. The first send is made: the provider itself may know better.
 */
export function recordDispatch(
  pool: Pool,
  claim: {
    readonly paymentId: string;
    readonly attemptId: string;
    readonly send: number;
    readonly nonce: string;
    readonly rings?: boolean;
  },
): Promise<DispatchClaim> {
  return pool.transaction(async (db) => {
    const payment = await lockPayment(db, claim.paymentId);
    const attempt = await db.one(sql.typeAlias('attempt')`
      SELECT id, payment_id, ordinal, status, dispatch_count, dispatch_nonce, provider_payment_id
      FROM attempts WHERE id = ${claim.attemptId} AND payment_id = ${claim.paymentId} FOR UPDATE`);
    if (attempt.dispatch_count === claim.send && attempt.dispatch_nonce === claim.nonce) {
      return { kind: 'dispatched' };
    }
    const earlier = await findDispatch(db, claim);
    if (earlier !== null) return earlier;
    if (attempt.dispatch_count !== claim.send - 1) return { kind: 'refused' };
    const transition = next(payment.status, 'dispatched');
    const isAttemptOver = ATTEMPT_STATES[attempt.status].dispatch === '-';
    if (transition.kind === 'refused' || isAttemptOver) return { kind: 'refused' };
    const obstacle = await findObstacle(db, payment, attempt.id);
    if (obstacle !== null) return obstacle;
    const isAgain = claim.send > 1 || attempt.ordinal > 1;
    if (claim.rings === true && isAgain && (await isPhoneRinging(db, payment.id))) {
      return { kind: 'payer_busy' };
    }
    const to = transition.kind === 'moved' ? transition.to : payment.status;
    await db.query(sql.typeAlias('none')`
      UPDATE attempts SET status = ${nextAttempt(attempt.status, 'dispatch')},
        dispatch_count = ${claim.send}, dispatch_nonce = ${claim.nonce}, dispatched_at = now()
      WHERE id = ${attempt.id}`);
    await db.query(sql.typeAlias('none')`
      UPDATE payments SET status = ${to}, updated_at = now(),
        waiting_for = 'provider_answer', wait_until = NULL
      WHERE id = ${payment.id}`);
    await appendAudit(db, {
      paymentId: payment.id,
      key: `dispatched/${attempt.id}/${claim.send}`,
      action: 'payment.dispatched',
      from: payment.status,
      to,
      actor: 'workflow',
      cause: `attempt ${attempt.ordinal}, send ${claim.send}`,
      details: { send: claim.send },
    });
    await notify(db, payment.id);
    return { kind: 'dispatched' };
  });
}

export type Reattempt = {
  readonly attemptId: string;
  readonly status: PaymentStatus;
  readonly isOpened: boolean;
  /** See RecordResult. */
  readonly mayBeAtProvider?: true;
};

/**
 * Ends an attempt that definitely failed and opens the next one of the same payment, which stays
 * open. Asking again with the same key answers the attempt that the first call made.
 * @returns where the payment stands, and the id of its attempt; not opened where the payment is no
 * longer one to be sent.
 */
export function recordReattempt(
  pool: Pool,
  given: RecordRequest & { readonly route: Omit<Route, 'can'> },
): Promise<Reattempt> {
  const failed = makeStorable(given);
  return pool.transaction(async (db) => {
    const payment = await lockPayment(db, failed.paymentId);
    const standing = { attemptId: payment.attempt_id, status: payment.status };
    const earlier = await findRecordedStep(db, payment.id, failed.key);
    if (earlier !== null) return { ...standing, isOpened: !earlier.refused };
    if (await mayBeSentBeyond(db, failed)) {
      return { ...standing, isOpened: false, mayBeAtProvider: true };
    }
    const isToBeSent = payment.status === 'created' || payment.status === 'processing';
    if (!isToBeSent || payment.attempt_id !== failed.attemptId) {
      await refuse(db, payment, failed);
      return { ...standing, isOpened: false };
    }
    const attemptId = newId('attempt');
    const attempt = await db.one(sql.typeAlias('attempt')`
      UPDATE attempts SET status = 'settled', settled_at = now(),
        provider_payment_id = coalesce(provider_payment_id,
          ${failed.outcome?.providerPaymentId ?? null})
      WHERE id = ${failed.attemptId}
      RETURNING id, payment_id, ordinal, status, dispatch_count, dispatch_nonce,
        provider_payment_id`);
    await db.query(sql.typeAlias('none')`
      INSERT INTO attempts (id, payment_id, ordinal, status, provider, credentials_ref, due_at)
      VALUES (${attemptId}, ${payment.id}, ${attempt.ordinal + 1}, 'prepared',
        ${failed.route.provider}, ${failed.route.credentialsRef},
        now() + ${failed.waitMs ?? 0} * interval '1 millisecond')`);
    await db.query(sql.typeAlias('none')`
      UPDATE payments SET attempt_id = ${attemptId}, attempt_ordinal = ${attempt.ordinal + 1},
        provider = ${failed.route.provider}, credentials_ref = ${failed.route.credentialsRef},
        policy = ${sql.jsonb(failed.route.policy)}, provider_payment_id = NULL,
        provider_code = ${failed.outcome?.providerCode ?? null}, waiting_for = 'resend',
        wait_until = now() + ${failed.waitMs ?? 0} * interval '1 millisecond', updated_at = now()
      WHERE id = ${payment.id}`);
    await appendAudit(db, {
      paymentId: payment.id,
      key: failed.key,
      action: 'payment.reattempt_planned',
      from: payment.status,
      to: payment.status,
      actor: 'workflow',
      cause: failed.cause,
      details: {
        attempt: attempt.ordinal + 1,
        provider: failed.route.provider,
        failure_code: failed.outcome?.failure?.code ?? 'declined',
        provider_code: failed.outcome?.providerCode ?? '',
      },
    });
    if (failed.webhook !== null) await markWebhookEvent(db, failed.webhook, payment.id);
    await notify(db, payment.id);
    return { attemptId, status: payment.status, isOpened: true };
  });
}
