import {
  ActivityFailure,
  ApplicationFailure,
  proxyActivities,
  proxyLocalActivities,
  TimeoutFailure,
} from '@temporalio/workflow';
import type { Activities, ChargeInput } from '../activities/index.ts';
import type { FailureCode, ProviderErrorKind, SendStop } from '../domain/error.ts';
import type { ChargeResult, LookupResult } from '../domain/outcome.ts';
import type { PaymentInput } from '../domain/payment.ts';
import type { RecordRequest, RecordResult } from '../domain/payment-record.ts';
import type { RefundRecordRequest, RefundRecordResult } from '../domain/refund.ts';
import { callOf } from './provider-queue.ts';

/** Short and idempotent, so it runs beside the workflow: one event in the history. */
const LOCAL = {
  startToCloseTimeout: '3s',
  scheduleToCloseTimeout: '4s',
  retry: { maximumAttempts: 2, initialInterval: '200ms' },
} as const;
/** @param action what is written down, as the Web UI shows it. */
const local = (action: string) =>
  proxyLocalActivities<Pick<Activities, 'record' | 'recordRefund'>>({ ...LOCAL, summary: action });

/** The same when the database stays away: retried until it is back. */
const patient = proxyActivities<
  Pick<Activities, 'record' | 'recordRefund' | 'recordReattempt' | 'keepEvent'> &
    Pick<Activities, 'restorePayment' | 'restoreRefund'>
>({
  startToCloseTimeout: '10s',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '15s' },
});

/** What a write answers whose row is gone from the database. */
export type Missing = 'missing';

/** Writes one step of a payment down, however long the database is away. */
export async function record(request: RecordRequest): Promise<RecordResult | Missing> {
  return await write(
    () => local(request.action).record(request),
    () => patient.record(request),
  );
}

/** Ends the current attempt and opens the next one. */
export async function recordReattempt(
  request: Parameters<Activities['recordReattempt']>[0],
): Promise<Awaited<ReturnType<Activities['recordReattempt']>> | Missing> {
  return await write(() => patient.recordReattempt(request));
}

/** Each way in turn, as long as one is left; a row that is gone comes back by none of them. */
async function write<R>(...ways: readonly (() => Promise<R>)[]): Promise<R | Missing> {
  const [way, ...rest] = ways;
  if (way === undefined) throw new Error('there is no way to write');
  try {
    return await way();
  } catch (error) {
    if (isMissing(error)) return 'missing';
    if (rest.length === 0) throw error;
    return await write(...rest);
  }
}

function isMissing(error: unknown): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  const type = cause instanceof ApplicationFailure ? cause.type : null;
  return type === 'payment_missing' || type === 'refund_missing';
}

/** The same for a refund. */
export async function recordRefund(
  request: RefundRecordRequest,
): Promise<RefundRecordResult | Missing> {
  return await write(
    () => local(request.action).recordRefund(request),
    () => patient.recordRefund(request),
  );
}

export const { keepEvent, restorePayment, restoreRefund } = patient;

/** How the hand-over to the provider went; a refusal is a value, not an exception. */
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
 */
export async function charge(
  input: PaymentInput,
  attemptId: string,
  send: number,
): Promise<Sent<ChargeResult>> {
  const { charge: limits } = input.policy;
  const summary = `charge ${input.provider}${send === 1 ? '' : `, send ${send}`}`;
  const activities = proxyActivities<Pick<Activities, 'charge'>>(
    sendOptions(input, 'charge', limits, summary),
  );
  return await endOf(activities.charge(chargeInput(input, attemptId, send)));
}

type SendLimits = { readonly timeout_ms: number; readonly deadline_ms: number };

/** How anything that may move money is run: see `charge`. */
export function sendOptions(
  input: Pick<PaymentInput, 'provider' | 'merchantId'>,
  kind: 'charge' | 'refund',
  limits: SendLimits,
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

/** A send’s end as a value: a refusal is no exception. */
export async function endOf<R>(sending: Promise<R>): Promise<Sent<R>> {
  try {
    return { kind: 'answered', result: await sending };
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    return { kind: 'failed', failure: sendFailureOf(error) };
  }
}

/** Captures or cancels what the provider holds; safe to run again, so Temporal does. */
export async function settleAtProvider(
  step: 'capture' | 'cancel',
  input: PaymentInput,
  held: {
    readonly attemptOrdinal: number;
    readonly providerPaymentId: string;
    readonly amountMinor: number;
    /** See SettlementInput. */
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
  const { paymentId, workflowId, provider, credentialsRef, currency } = input;
  const whose = { paymentId, workflowId, provider, credentialsRef };
  const order = { ...whose, currency, timeoutMs: timeout_ms, ...held };
  return await endOf(activities[step](order));
}

function chargeInput(input: PaymentInput, attemptId: string, send: number): ChargeInput {
  const { paymentId, workflowId, provider, credentialsRef } = input;
  const { amountMinor, currency } = input;
  const timeoutMs = input.policy.charge.timeout_ms;
  return {
    paymentId,
    attemptId,
    workflowId,
    provider,
    credentialsRef,
    amountMinor,
    currency,
    send,
    timeoutMs,
  };
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
