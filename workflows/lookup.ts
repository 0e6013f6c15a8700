import {
  ActivityCancellationType,
  ActivityFailure,
  CancellationScope,
  condition,
  isCancellation,
  proxyActivities,
} from '@temporalio/workflow';
import type { Activities, LookupInput, RefundLookupInput } from '../activities/index.ts';
import type { LookupResult } from '../domain/outcome.ts';
import type { PaymentInput } from '../domain/payment.ts';
import { questionsWithin, scheduleAt, scheduleFrom } from '../domain/policy.ts';
import type { RefundInput, RefundResult } from '../domain/refund.ts';
import { callOf } from './activities.ts';
import type { UnclearNotes } from './run.ts';

export type LookupOptions = {
  /** In place of the policy's schedule. */
  readonly pollIntervalMs?: readonly number[];
  /** Any answer ends it, also one that is not definite. */
  readonly isOnce?: boolean;
  /** No code of the provider's is too early to count. */
  readonly isPromptOver?: boolean;
  /** It waits behind all other questions: nobody waits for the answer. */
  readonly isLast?: boolean;
};

/** Whether there is an id to ask by. */
export function canLookUp({ can }: PaymentInput, providerPaymentId: string | null): boolean {
  return providerPaymentId !== null || can.looks_up_by_our_id;
}

/**
 * Asks the provider about the current attempt until it says something definite or the window ends.
 * However often it asks, the history grows by one activity: a question without an answer is a
 * retry.
 * @returns null when the window ended without an answer.
 */
export async function lookup(
  input: PaymentInput,
  providerPaymentId: string | null,
  windowMs: number,
  how: LookupOptions = {},
): Promise<LookupResult | null> {
  const { timeout_ms, poll_interval_ms, soft_codes, prompt_life_ms } = input.policy.lookup;
  const isSoft = soft_codes && prompt_life_ms && how.isPromptOver !== true;
  const summary = `ask ${input.provider} for the outcome`;
  const activities = proxyActivities<Pick<Activities, 'lookup'>>(
    questionOptions(input, how, timeout_ms, windowMs, summary),
  );
  const { paymentId, workflowId, provider, credentialsRef, attemptOrdinal } = input;
  const question: LookupInput = {
    paymentId,
    workflowId,
    provider,
    credentialsRef,
    attemptOrdinal,
    providerPaymentId,
    timeoutMs: timeout_ms,
    pollIntervalMs: how.pollIntervalMs ?? poll_interval_ms,
    ...(how.isOnce === true ? { isOnce: true } : {}),
    ...(isSoft ? { softCodes: soft_codes, promptLifeMs: prompt_life_ms } : {}),
  };
  return await answerOf(activities.lookup(question));
}

/** Asks what became of a refund, as `lookup` does. */
export async function lookupRefund(
  input: RefundInput,
  providerRefundId: string | null,
  windowMs: number,
  how: Omit<LookupOptions, 'isPromptOver'> = {},
): Promise<RefundResult | null> {
  const { timeout_ms, poll_interval_ms } = input.policy.refund;
  const summary = `ask ${input.provider} about the refund`;
  const activities = proxyActivities<Pick<Activities, 'lookupRefund'>>(
    questionOptions(input, how, timeout_ms, Math.max(windowMs, 1), summary),
  );
  const { workflowId, provider, credentialsRef, providerPaymentId } = input;
  const question: RefundLookupInput = {
    workflowId,
    provider,
    credentialsRef,
    providerPaymentId,
    providerRefundId,
    timeoutMs: timeout_ms,
    pollIntervalMs: how.pollIntervalMs ?? poll_interval_ms,
    ...(how.isOnce === true ? { isOnce: true } : {}),
  };
  return await answerOf(activities.lookupRefund(question));
}

function questionOptions(
  input: Pick<PaymentInput, 'provider' | 'merchantId'>,
  { isLast }: LookupOptions,
  timeoutMs: number,
  windowMs: number,
  summary: string,
) {
  return {
    ...callOf(input, isLast === true ? 'last' : 'question'),
    startToCloseTimeout: timeoutMs + 5_000,
    scheduleToCloseTimeout: windowMs,
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    retry: { initialInterval: '5s', maximumInterval: '60s' },
    summary,
  } as const;
}

async function answerOf<R>(asking: Promise<R>): Promise<R | null> {
  try {
    return await asking;
  } catch (error) {
    if (error instanceof ActivityFailure) return null;
    throw error;
  }
}

/**
 * One who asks the provider about a payment or refund, and handles messages meanwhile. The schedule
 * counts from question to question: a message that concludes nothing neither brings the next
 * question forward nor puts it off.
 */
export type Asker = {
  readonly inbox: {
    readonly hasMessages: () => boolean;
    waitForMessage(timeoutMs: number, summary: string): Promise<boolean>;
  };
  handleMessages(): Promise<void>;
  /** What concluded nothing, and may ask for the next question at once. */
  readonly unclear: Pick<UnclearNotes, 'isAskDue' | 'takeAsk'>;
  /** Goes on in a new run where this one has become long. */
  continueIfLong(): Promise<void>;
  /** Whether an answer is still wanted. */
  isWanted(): boolean;
};

/**
 * Waits, and handles messages meanwhile: the whole time, or until one of them asks for the next
 * question at once. True when an answer is still wanted.
 */
export async function waitWhileWanted(
  asker: Asker,
  waitMs: number,
  summary: string,
): Promise<boolean> {
  if (!asker.isWanted()) return false;
  const until = Date.now() + waitMs;
  for (let leftMs = waitMs; !asker.unclear.takeAsk() && leftMs > 0; leftMs = until - Date.now()) {
    await asker.continueIfLong();
    if (!(await asker.inbox.waitForMessage(leftMs, summary))) break;
    await asker.handleMessages();
    if (!asker.isWanted()) return false;
  }
  return asker.isWanted();
}

/** Waits without a question, for messages alone, until its time is over. */
export async function waitUntil(
  asker: Asker,
  untilMs: () => number,
  summary: string,
): Promise<void> {
  while (asker.isWanted() && untilMs() > Date.now()) {
    await waitWhileWanted(asker, untilMs() - Date.now(), summary);
  }
}

/**
 * Runs one question and handles messages meanwhile. The question goes on, at its own pace, until it
 * is answered or no longer wanted, or until a message asks for a new one at once.
 * @returns undefined when no answer to this question is wanted any more.
 */
export async function askWhileWanted<T>(
  asker: Asker,
  ask: () => Promise<T>,
): Promise<T | undefined> {
  const { hasMessages } = asker.inbox;
  const scope = new CancellationScope();
  const asking = scope.run(ask).catch((error: unknown) => {
    if (isCancellation(error)) return undefined;
    throw error;
  });
  for (;;) {
    const first = await Promise.race([asking, condition(hasMessages).then(() => undefined)]);
    if (!hasMessages()) return first;
    await asker.handleMessages();
    if (first !== undefined && asker.isWanted()) return first;
    if (!asker.isWanted() || asker.unclear.isAskDue()) {
      scope.cancel();
      return undefined;
    }
  }
}

/** Asks with this schedule for so long; null when that time ended without an answer. */
type Ask<T> = (pollIntervalMs: readonly number[], windowMs: number) => Promise<T | null>;

/**
 * Asks until an answer is conclusive or the time is over. An answer that changes nothing is
 * followed by the pause of the schedule, like any other.
 * @returns false when the last question's time ended without an answer.
 */
export async function askAtPace<T>(
  asker: Asker,
  schedule: readonly number[],
  untilMs: () => number,
  ask: Ask<T>,
  apply: (answer: T) => Promise<void>,
): Promise<boolean> {
  let [asked, pauseMs] = [0, 0];
  while (asker.isWanted() && untilMs() > Date.now()) {
    const restMs = Math.min(pauseMs, untilMs() - Date.now());
    const isAsked = await waitWhileWanted(asker, restMs, 'pause before the next question');
    const windowMs = untilMs() - Date.now();
    if (!isAsked || windowMs <= 0) continue;
    const begunMs = Date.now();
    const pollIntervalMs = scheduleFrom(schedule, asked);
    const answer = await askWhileWanted(asker, () => ask(pollIntervalMs, windowMs));
    if (answer === null) return false;
    if (answer !== undefined) {
      await apply(answer);
      // What this answer left unclear is asked about at the pace.
      asker.unclear.takeAsk();
    }
    if (asker.inbox.hasMessages()) await asker.handleMessages();
    asked += questionsWithin(pollIntervalMs, Date.now() - begunMs);
    pauseMs = scheduleAt(schedule, asked - 1);
  }
  return true;
}
