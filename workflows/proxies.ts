import {
  ActivityCancellationType,
  ActivityFailure,
  ApplicationFailure,
  proxyActivities,
  proxyLocalActivities,
} from '@temporalio/workflow';
import type { Activities, ChargeInput, LookupInput } from '../activities/index.ts';
import type { FailureCode, ProviderErrorKind } from '../domain/error.ts';
import type { PaymentInput, RecordRequest, RecordResult } from '../domain/payment.ts';
import type { ChargeResult, LookupResult } from '../domain/provider.ts';
import { providerTaskQueue } from './messages.ts';

/** Short and idempotent, so it runs beside the workflow: one event in the history. */
const local = proxyLocalActivities<Pick<Activities, 'record'>>({
  startToCloseTimeout: '3s',
  scheduleToCloseTimeout: '4s',
  retry: { maximumAttempts: 2, initialInterval: '200ms' },
});

/** The same when the database stays away: retried until it is back. */
const patient = proxyActivities<Pick<Activities, 'record' | 'keepEvent'>>({
  startToCloseTimeout: '10s',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '15s' },
});

/** Writes one step of a payment down, whatever it takes. */
export async function record(request: RecordRequest): Promise<RecordResult> {
  try {
    return await local.record(request);
  } catch {
    return await patient.record(request);
  }
}

export const keepEvent = patient.keepEvent;

/** How the hand-over to the provider went; a refusal is a value, not an exception. */
export type Charged =
  | { readonly kind: 'answered'; readonly result: ChargeResult }
  | { readonly kind: 'failed'; readonly failure: ChargeFailure };
export type ChargeFailure = {
  readonly kind: ProviderErrorKind;
  readonly message: string;
  readonly dispatched: boolean;
  readonly providerCode: string | null;
  readonly retryAfterMs: number | null;
  readonly failureCode: FailureCode;
};

/**
 * Sends the charge once. Temporal runs the activity again only while nothing can have left: the
 * dispatch is claimed in the database, and a second run finds the claim.
 */
export async function charge(input: PaymentInput, send: number): Promise<Charged> {
  const { timeout_ms, deadline_ms } = input.policy.charge;
  const activities = proxyActivities<Pick<Activities, 'charge'>>({
    taskQueue: providerTaskQueue(input.provider),
    startToCloseTimeout: timeout_ms * 2 + 20_000,
    scheduleToCloseTimeout: deadline_ms,
    heartbeatTimeout: '6s',
    allowEagerDispatch: false,
    retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '5s' },
    summary: send === 1 ? `charge ${input.provider}` : `charge ${input.provider}, send ${send}`,
  });
  try {
    return { kind: 'answered', result: await activities.charge(chargeInput(input, send)) };
  } catch (error) {
    if (!(error instanceof ActivityFailure)) throw error;
    return { kind: 'failed', failure: chargeFailureOf(error) };
  }
}

function chargeInput(input: PaymentInput, send: number): ChargeInput {
  const { paymentId, attemptId, workflowId, provider, credentialsRef } = input;
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
function chargeFailureOf({ cause }: ActivityFailure): ChargeFailure {
  if (cause instanceof ApplicationFailure && isChargeFailure(cause.details?.[0])) {
    return cause.details[0];
  }
  return {
    kind: 'ambiguous',
    message: 'the worker was lost or the deadline passed during the charge',
    dispatched: true,
    providerCode: null,
    retryAfterMs: null,
    failureCode: 'provider_unavailable',
  };
}

function isChargeFailure(detail: unknown): detail is ChargeFailure {
  return (
    typeof detail === 'object' && detail !== null && 'kind' in detail && 'dispatched' in detail
  );
}

/**
 * Asks the provider until it says something definite or the window ends. However often it asks, the
 * history grows by one activity: a question without an answer is a retry.
 * @returns null when the window ended without an answer.
 */
export async function lookup(
  input: PaymentInput,
  providerPaymentId: string,
  windowMs: number,
): Promise<LookupResult | null> {
  const { timeout_ms, every_ms } = input.policy.lookup;
  const activities = proxyActivities<Pick<Activities, 'lookup'>>({
    taskQueue: providerTaskQueue(input.provider),
    startToCloseTimeout: timeout_ms + 5_000,
    scheduleToCloseTimeout: windowMs,
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    allowEagerDispatch: false,
    retry: { initialInterval: '5s', maximumInterval: '60s' },
    summary: `ask ${input.provider} for the outcome`,
  });
  const { paymentId, provider, credentialsRef } = input;
  const question: LookupInput = {
    paymentId,
    provider,
    credentialsRef,
    providerPaymentId,
    timeoutMs: timeout_ms,
    everyMs: every_ms,
  };
  try {
    return await activities.lookup(question);
  } catch (error) {
    if (error instanceof ActivityFailure) return null;
    throw error;
  }
}
