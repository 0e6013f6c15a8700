import type { PaymentInput, RestorePaymentRequest, Route } from '../domain/payment.ts';
import type { RecordRequest, RecordResult } from '../domain/payment-record.ts';
import { untilWritten } from './missing.ts';
import { record, recordReattempt, restorePayment } from './proxies.ts';

export type Entry = Pick<RecordRequest, 'key' | 'action' | 'cause'> &
  Partial<Omit<RecordRequest, 'paymentId' | 'attemptId'>>;

const BLANK = {
  actor: 'workflow',
  event: null,
  outcome: null,
  nextAction: null,
  providerPaymentId: null,
  reviewReason: null,
  waitingFor: null,
  waitMs: null,
  webhook: null,
} as const;

type Attempt = { readonly id: string; readonly ordinal: number; readonly route: Route };

/**
 * The row that a run writes to. Where it is gone it is brought back, or another one is there under
 * the same workflow id: then the run goes on with that one (ADR 0016).
 */
export function openRow(input: PaymentInput, providerPaymentId: () => string | null) {
  let paymentId = input.paymentId;
  let attempt: Attempt = { id: input.attemptId, ordinal: input.attemptOrdinal ?? 1, route: input };
  const restore = async () => {
    const { id: attemptId, ordinal: attemptOrdinal, route } = attempt;
    const known = { attemptId, attemptOrdinal, providerPaymentId: providerPaymentId() };
    const restored = await restorePayment(restoreOf({ ...input, paymentId }, route, known));
    if (restored === null) return false;
    paymentId = restored.paymentId;
    attempt = { ...attempt, id: restored.attemptId };
    return true;
  };
  const requestOf = (entry: Entry) => requestOn(paymentId, attempt, entry);
  return {
    paymentId: () => paymentId,
    attempt: () => attempt,
    requestOf,
    write: (entry: Entry): Promise<RecordResult> =>
      untilWritten(() => record(requestOf(entry)), restore),
    /** Opens the next attempt, on the route that the policy names for it. */
    async openAttempt(entry: Entry) {
      const route = onlyRoute(input.fallbacks?.[attempt.ordinal - 1] ?? attempt.route);
      const opened = await untilWritten(
        () => recordReattempt({ ...requestOf(entry), route }),
        restore,
      );
      const { attemptId: id, isOpened } = opened;
      if (isOpened !== false) attempt = { id, ordinal: attempt.ordinal + 1, route };
      return opened;
    },
  };
}

/** The first attempt's entries have plain keys; each later attempt has its own. */
function requestOn(paymentId: string, { id, ordinal }: Attempt, entry: Entry) {
  const key = ordinal === 1 ? entry.key : `${ordinal}/${entry.key}`;
  return { ...BLANK, ...entry, key, paymentId, attemptId: id } satisfies RecordRequest;
}

function restoreOf(
  input: PaymentInput,
  { provider, credentialsRef, policy }: Route,
  attempt: Pick<RestorePaymentRequest, 'attemptId' | 'attemptOrdinal' | 'providerPaymentId'>,
): RestorePaymentRequest {
  const { paymentId, merchantId, workflowId, amountMinor, currency } = input;
  const { captureMethod = 'automatic' } = input;
  const payment = { paymentId, merchantId, workflowId, amountMinor, currency, captureMethod };
  return { ...payment, provider, credentialsRef, policy, ...attempt };
}

function onlyRoute({ provider, credentialsRef, policy, can }: Route): Route {
  return { provider, credentialsRef, policy, ...(can ? { can } : {}) };
}
