import {
  ActivityFailure,
  ApplicationFailure,
  proxyActivities,
  proxyLocalActivities,
  TimeoutFailure,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import type { FailureCode, ProviderErrorKind, SendStop } from '../domain/error.ts';
import type { ChargeResult, LookupResult } from '../domain/outcome.ts';
import type { PaymentInput } from '../domain/payment.ts';
import type { RecordRequest, RecordResult } from '../domain/payment-record.ts';
import type {
  RefundInput,
  RefundRecordRequest,
  RefundRecordResult,
  RefundResult,
} from '../domain/refund.ts';
import { CALL_PRIORITIES, providerTaskQueue } from './messages.ts';

/** Short and idempotent, so it runs beside the workflow: one event in the history. */
const LOCAL = {
  startToCloseTimeout: '3s',
  scheduleToCloseTimeout: '4s',
  retry: { maximumAttempts: 2, initialInterval: '200ms' },
} as const;
/** @param action what is recorded, as the Web UI shows it. */
const local = (action: string) =>
  proxyLocalActivities<Pick<Activities, 'record' | 'recordRefund'>>({ ...LOCAL, summary: action });

const PATIENT_RETRY = {
  initialInterval: '1s',
  backoffCoefficient: 2,
  maximumInterval: '15s',
} as const;

/** The same when the database stays unavailable: retried until it is back. */
const patient = proxyActivities<
  Pick<Activities, 'record' | 'recordRefund' | 'recordReattempt' | 'storeWebhookEvent'> &
    Pick<Activities, 'restorePayment' | 'restoreRefund'>
>({ startToCloseTimeout: '10s', retry: PATIENT_RETRY });

/** What a record answers whose row is gone from the database. */
export type Missing = 'missing';

/** Records one step of a payment, however long the database is unavailable. */
export async function record(request: RecordRequest): Promise<RecordResult | Missing> {
  return await recordBy(
    () => local(request.action).record(request),
    () => patient.record(request),
  );
}

/** Ends the current attempt and opens the next one. */
export async function recordReattempt(
  request: Parameters<Activities['recordReattempt']>[0],
): Promise<Awaited<ReturnType<Activities['recordReattempt']>> | Missing> {
  return await recordBy(() => patient.recordReattempt(request));
}

/** As `record`, of a refund. */
export async function recordRefund(
  request: RefundRecordRequest,
): Promise<RefundRecordResult | Missing> {
  return await recordBy(
    () => local(request.action).recordRefund(request),
    () => patient.recordRefund(request),
  );
}

export const { storeWebhookEvent, restorePayment, restoreRefund } = patient;

/** Each way in turn, as long as one is left; a row that is gone comes back by none of them. */
async function recordBy<R>(...ways: readonly (() => Promise<R>)[]): Promise<R | Missing> {
  const [way, ...rest] = ways;
  if (way === undefined) throw new Error('there is no way to record');
  try {
    return await way();
  } catch (error) {
    if (isMissing(error)) return 'missing';
    if (rest.length === 0) throw error;
    return await recordBy(...rest);
  }
}

function isMissing(error: unknown): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  const type = cause instanceof ApplicationFailure ? cause.type : null;
  return type === 'payment_missing' || type === 'refund_missing';
}

/**
 * Where a call to a provider waits. All merchants share the provider's queue and its rate limit:
 * what moves money goes before what only asks, and within a priority merchants take turns, where
 * the server knows fairness.
 */
export function callOf(
  { provider, merchantId }: Pick<PaymentInput, 'provider' | 'merchantId'>,
  kind: keyof typeof CALL_PRIORITIES,
) {
  return {
    taskQueue: providerTaskQueue(provider),
    priority: { priorityKey: CALL_PRIORITIES[kind], fairnessKey: merchantId },
    // It would go past the queue, and so past the rate limit.
    allowEagerDispatch: false,
  } as const;
}

/** How a dispatch to the provider went; a refusal is a value, not an exception. */
export type Sent<R> =
  | { readonly kind: 'answered'; readonly result: R }
  | { readonly kind: 'failed'; readonly failure: SendFailure };
export type SendFailure = {
  readonly kind: ProviderErrorKind;
  readonly message: string;
  readonly dispatched: boolean;
  readonly providerCode: string | null;
  readonly retryAfterMs: number | null;
  readonly failureCode: FailureCode;
  /** True when no worker took it before its time was over: then nothing can have been sent. */
  readonly isExpired?: boolean;
  /** Set where our own row stopped the send. */
  readonly stop?: SendStop;
};

/**
 * Sends the charge once. Temporal runs the activity again only while nothing can have left: the
 * dispatch is claimed in the database, and a second run finds the claim.
 * @param send which send of the current attempt it is, from 1.
 */
export async function sendCharge(input: PaymentInput, send: number): Promise<Sent<ChargeResult>> {
  const { provider, policy } = input;
  const summary = `charge ${provider}${send === 1 ? '' : `, send ${send}`}`;
  const activities = proxyActivities<Pick<Activities, 'charge'>>(
    sendOptions(input, 'charge', policy.charge, summary),
  );
  const { paymentId, attemptId, workflowId, credentialsRef, amountMinor, currency } = input;
  const whose = { paymentId, attemptId, workflowId, provider, credentialsRef };
  const timeoutMs = policy.charge.timeout_ms;
  const order = { ...whose, amountMinor, currency, send, timeoutMs };
  return await endOf(activities.charge(order));
}

/** Asks for the refund once, as `sendCharge` does for a charge. */
export async function sendRefund(input: RefundInput, send: number): Promise<Sent<RefundResult>> {
  const { provider, policy } = input;
  const summary = `refund by ${provider}${send === 1 ? '' : `, send ${send}`}`;
  const activities = proxyActivities<Pick<Activities, 'refund'>>(
    sendOptions(input, 'refund', policy.refund, summary),
  );
  const { refundId, paymentId, workflowId, credentialsRef, amountMinor, currency } = input;
  const whose = { refundId, paymentId, workflowId, provider, credentialsRef };
  const { providerPaymentId, providerReceipt } = input;
  const what = { amountMinor, currency, providerPaymentId, providerReceipt };
  const order = { ...whose, ...what, send, timeoutMs: policy.refund.timeout_ms };
  return await endOf(activities.refund(order));
}

/** How anything that may move money is run: see `sendCharge`. */
function sendOptions(
  input: Pick<PaymentInput, 'provider' | 'merchantId'>,
  kind: 'charge' | 'refund',
  limits: { readonly timeout_ms: number; readonly deadline_ms: number },
  summary: string,
) {
  return {
    ...callOf(input, kind),
    startToCloseTimeout: limits.timeout_ms * 2 + 20_000,
    scheduleToCloseTimeout: limits.deadline_ms,
    heartbeatTimeout: '6s',
    retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '5s' },
    summary,
  } as const;
}

/** Captures or cancels what the provider holds; safe to run again, so Temporal does. */
export async function captureOrCancel(
  step: 'capture' | 'cancel',
  input: PaymentInput,
  held: {
    readonly providerPaymentId: string;
    readonly amountMinor: number;
    /** See `CaptureInput`. */
    readonly ordinal?: number;
  },
): Promise<Sent<LookupResult>> {
  const { timeout_ms } = input.policy.charge;
  const activities = proxyActivities<Pick<Activities, 'capture' | 'cancel'>>({
    ...callOf(input, 'capture'),
    startToCloseTimeout: timeout_ms + 5_000,
    scheduleToCloseTimeout: timeout_ms * 4,
    retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '10s' },
    summary: `${step} at ${input.provider}`,
  });
  const { paymentId, workflowId, provider, credentialsRef, attemptOrdinal, currency } = input;
  const whose = { paymentId, workflowId, provider, credentialsRef, attemptOrdinal };
  return await endOf(activities[step]({ ...whose, currency, timeoutMs: timeout_ms, ...held }));
}

/** Gives back money that came late, by a refund like any other. */
export async function refundLateSuccess(paymentId: string, merchantId: string): Promise<void> {
  const activities = proxyActivities<Pick<Activities, 'refundLateSuccess'>>({
    startToCloseTimeout: '10s',
    retry: PATIENT_RETRY,
    summary: 'give back what came late',
  });
  await activities.refundLateSuccess({ paymentId, merchantId });
}

/** A send’s end as a value: a refusal is no exception. */
async function endOf<R>(sending: Promise<R>): Promise<Sent<R>> {
  try {
    return { kind: 'answered', result: await sending };
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    return { kind: 'failed', failure: sendFailureOf(error) };
  }
}

/** Whatever is not plainly told apart counts as ambiguous: the provider may have acted. */
function sendFailureOf({ cause }: ActivityFailure): SendFailure {
  if (cause instanceof ApplicationFailure && isSendFailure(cause.details?.[0])) {
    return cause.details[0];
  }
  const unknown = {
    providerCode: null,
    retryAfterMs: null,
    failureCode: 'provider_unavailable',
  } as const;
  if (cause instanceof TimeoutFailure && cause.timeoutType === 'SCHEDULE_TO_START') {
    const message = 'no worker took it before its time was over';
    return { ...unknown, kind: 'not_dispatched', message, dispatched: false, isExpired: true };
  }
  const message = 'the worker was lost or the deadline passed while it was sent';
  return { ...unknown, kind: 'ambiguous', message, dispatched: true };
}

function isSendFailure(detail: unknown): detail is SendFailure {
  return (
    typeof detail === 'object' && detail !== null && 'kind' in detail && 'dispatched' in detail
  );
}
