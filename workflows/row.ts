import { setCurrentDetails, sleep } from '@temporalio/workflow';
import type { PaymentInput, Route } from '../domain/payment.ts';
import { attemptKey, type RecordRequest } from '../domain/payment-record.ts';
import { scheduleAt } from '../domain/policy.ts';
import { type Missing, restorePayment } from './proxies.ts';

const MINUTE_MS = 60_000;
/** Until a row that cannot be brought back is looked for again; the last one repeats. */
const LOOKS_AGAIN_MS = [MINUTE_MS, 10 * MINUTE_MS, 60 * MINUTE_MS];

type Attempt = { readonly id: string; readonly ordinal: number; readonly route: Route };
type Place = Pick<RecordRequest, 'paymentId' | 'attemptId' | 'key'>;

/**
 * The row that a payment's run writes about. Where it is gone, the run goes on with the one that it
 * finds or builds, whose ids are others (ADR 0016).
 */
export function openRow(input: PaymentInput, providerPaymentId: () => string | null) {
  let { paymentId } = input;
  let attempt: Attempt = { id: input.attemptId, ordinal: input.attemptOrdinal ?? 1, route: input };
  const placeOf = (key: string): Place => ({
    paymentId,
    attemptId: attempt.id,
    key: attemptKey(attempt.ordinal, key),
  });
  const restore = async () => {
    const { merchantId, workflowId, amountMinor, currency, captureMethod = 'automatic' } = input;
    const { provider, credentialsRef, policy } = attempt.route;
    const money = { amountMinor, currency, captureMethod };
    const route = { provider, credentialsRef, policy };
    const ids = { attemptId: attempt.id, providerPaymentId: providerPaymentId() };
    const known = { paymentId, merchantId, workflowId, attemptOrdinal: attempt.ordinal };
    const restored = await restorePayment({ ...known, ...money, ...route, ...ids });
    if (restored === null) return false;
    paymentId = restored.paymentId;
    attempt = { ...attempt, id: restored.attemptId };
    return true;
  };
  return {
    paymentId: () => paymentId,
    attempt: () => attempt,
    openAttempt(id: string, route: Route) {
      attempt = { id, ordinal: attempt.ordinal + 1, route };
    },
    /** @param send is told where to write: each time anew, since the row may be another. */
    write: <R>(send: (place: typeof placeOf) => Promise<R | Missing>): Promise<R> =>
      untilWritten(() => send(placeOf), restore),
  };
}

/**
 * Writes, and brings the row back first where it is gone. Where that cannot be done yet the run
 * waits in sight, with all its messages, and nothing that it knows is lost.
 * @param restore true when there is a row again.
 */
export async function untilWritten<R>(
  write: () => Promise<R | Missing>,
  restore: () => Promise<boolean>,
): Promise<R> {
  for (let round = 0; ; round += 1) {
    const written = await write();
    if (written !== 'missing') return written;
    if (round === 0 && (await restore())) continue;
    setCurrentDetails(
      '**Its row is gone from the database**, which was put back to an earlier time: see docs/runbook.md. Nothing is lost here; it goes on once its row or its merchant is back.',
    );
    await sleep(scheduleAt(LOOKS_AGAIN_MS, round), { summary: 'its row is gone' });
    await restore();
  }
}
