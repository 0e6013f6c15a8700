import { ActivityCancellationType, ActivityFailure, proxyActivities } from '@temporalio/workflow';
import type { Activities, LookupInput } from '../activities/index.ts';
import type { LookupResult } from '../domain/outcome.ts';
import type { PaymentInput } from '../domain/payment.ts';
import type { Book } from './book.ts';
import { callOf } from './provider-queue.ts';

/** By what the provider is asked about an attempt. */
export type Asked = {
  readonly attemptOrdinal: number;
  readonly providerPaymentId: string | null;
};

/** @param toldId the provider's id in a message, for a payment whose own is not known. */
export function askedOf(
  book: Pick<Book, 'attemptOrdinal' | 'providerPaymentId'>,
  toldId: string | null = null,
): Asked {
  const providerPaymentId = book.providerPaymentId() ?? toldId;
  return { attemptOrdinal: book.attemptOrdinal(), providerPaymentId };
}

/** Whether there is an id to ask by. */
export function canLookUp({ can }: Pick<PaymentInput, 'can'>, asked: Asked): boolean {
  return asked.providerPaymentId !== null || can?.looks_up_by_our_id === true;
}

export type LookupOptions = {
  /** In place of the policy's schedule. */
  readonly everyMs?: readonly number[];
  /** Any answer ends it, also one that is not definite. */
  readonly isOnce?: boolean;
  /** No code of the provider's is too early to count. */
  readonly isPromptOver?: boolean;
  /** It waits behind all other questions: nobody waits for the answer. */
  readonly isLast?: boolean;
};

/**
 * Asks the provider until it says something definite or the window ends. However often it asks, the
 * history grows by one activity: a question without an answer is a retry.
 * @returns null when the window ended without an answer.
 */
export async function lookup(
  input: PaymentInput,
  asked: Asked,
  windowMs: number,
  how: LookupOptions = {},
): Promise<LookupResult | null> {
  const { timeout_ms, every_ms, soft_codes, prompt_life_ms } = input.policy.lookup;
  const isSoft = soft_codes && prompt_life_ms && how.isPromptOver !== true;
  const activities = proxyActivities<Pick<Activities, 'lookup'>>({
    ...callOf(input, how.isLast === true ? 'last' : 'question'),
    startToCloseTimeout: timeout_ms + 5_000,
    scheduleToCloseTimeout: windowMs,
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    retry: { initialInterval: '5s', maximumInterval: '60s' },
    summary: `ask ${input.provider} for the outcome`,
  });
  const { paymentId, workflowId, provider, credentialsRef } = input;
  const question: LookupInput = {
    paymentId,
    workflowId,
    provider,
    credentialsRef,
    ...asked,
    timeoutMs: timeout_ms,
    everyMs: how.everyMs ?? every_ms,
    ...(how.isOnce === true ? { isOnce: true } : {}),
    ...(isSoft ? { softCodes: soft_codes, promptLifeMs: prompt_life_ms } : {}),
  };
  try {
    return await activities.lookup(question);
  } catch (error) {
    if (error instanceof ActivityFailure) return null;
    throw error;
  }
}
