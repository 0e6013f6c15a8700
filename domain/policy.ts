import { FAILURE_CODES, FAILURES, type FailureCode, type WhoCanAct } from './error.ts';
import { entryOf } from './table.ts';

/**
 * A policy is a document: spelled the same in config/policies.yaml, in a workflow's input and in
 * the API. The effective one is copied into the workflow's input, so a later change of the file
 * never touches a payment in flight.
 */
export type ProviderPolicy = {
  readonly charge: {
    /** How long one call to the provider may take. */
    readonly timeout_ms: number;
    /** How long we go on trying to hand the charge over while nothing has been sent. */
    readonly deadline_ms: number;
    /**
     * How long after it was due a send may still be made: the first from the payment's creation on,
     * a later one from its planned time.
     */
    readonly accept_within_ms: number;
    /** How often a charge may be sent, after proofs that the sends before did nothing. */
    readonly max_sends: number;
    /** Pause before the second send, the third …; the last repeats. A longer Retry-After counts. */
    readonly resend_after_ms: readonly number[];
  };
  /** How long we wait for the provider's callback before asking by ourselves. */
  readonly callback_wait_ms: number;
  readonly lookup: {
    readonly timeout_ms: number;
    /** Pause before the second question, the third …; the last one repeats. */
    readonly poll_interval_ms: readonly number[];
    /** After this long of `pending` or no answer the payment needs review. */
    readonly window_ms: number;
    /** How long after its dispatch a payer may still pay; absent where an answer counts at once. */
    readonly prompt_life_ms?: number;
    /** The provider's codes that a status query tells too early: so long they mean "not yet". */
    readonly soft_codes?: readonly string[];
  };
  readonly review: {
    /** How often a payment in review asks the provider again; the last one repeats. */
    readonly poll_interval_ms: readonly number[];
  };
  /** How long the payer has for an action elsewhere (3-D Secure); then the charge is let go. */
  readonly payer_action: { readonly expires_after_ms: number };
  /** How long an authorization is held for its capture; then it is let go. */
  readonly authorization: { readonly expires_after_ms: number };
  readonly refund: {
    readonly timeout_ms: number;
    readonly deadline_ms: number;
    /** As `charge.accept_within_ms`, from the refund's creation on. */
    readonly accept_within_ms: number;
    readonly max_sends: number;
    readonly resend_after_ms: readonly number[];
    /** How long we wait for the result of a refund that the provider took, or for a receipt. */
    readonly result_wait_ms: number;
    readonly poll_interval_ms: readonly number[];
  };
  /** What failures mean, where that is not what `FAILURES` says. */
  readonly retry?: RetryRules;
  /** New attempts under the same payment, after declines whose rule in `retry` says `auto`. */
  readonly reattempt: {
    /** How many attempts a payment may have; with 1 no rule opens another one. */
    readonly max_attempts: number;
    /** Which providers take the second attempt, the third …; then, or when empty, the same. */
    readonly fallback: readonly string[];
  };
  /** Calls to the provider each second, over all workers (Temporal limits the task queue). */
  readonly rate_limit_per_second: number;
  /**
   * What to do with money that arrives after a payment failed or was canceled. `refund` gives it
   * back where the provider confirms it and can; else, as with a contradiction, a person decides.
   */
  readonly late_success: 'accept' | 'review' | 'refund';
  /**
   * How long after its end a payment or refund without money is asked about again, if it may have
   * reached the provider; empty or absent: never.
   */
  readonly look_back_after_ms?: readonly number[];
  /**
   * From this amount on a callback of success counts only when a look-up says the same, or tells
   * nothing until the prompt is over; null: off.
   */
  readonly confirm_callback_from_minor: number | null;
};

/** How many payments may ring one phone, of all merchants together. */
export type PhoneLimit = {
  /** Open at the same time. */
  readonly open: number;
  /** Begun within `per_ms`. */
  readonly requests: number;
  readonly per_ms: number;
};

/** What a merchant is told about a failure, and whether the engine tries again by itself. */
export type RetryRule = {
  readonly who: WhoCanAct;
  /** How long after the failure another try is worth it; the engine's own pause as well. */
  readonly after_ms?: number;
  /** Another attempt of the same payment, as far as `reattempt.max_attempts` allows. */
  readonly auto?: boolean;
};
export type RetryRules = {
  readonly by_code?: Readonly<Partial<Record<FailureCode, RetryRule>>>;
  /** By the provider's own code, which says more than ours: a rule here wins as a whole. */
  readonly by_provider_code?: Readonly<Record<string, RetryRule>>;
};

/** A failure as rules know it. `isFinal`: the provider asks never to try again. */
export type Failed = {
  readonly code: FailureCode;
  readonly providerCode: string | null;
  readonly isFinal: boolean;
};

/** The one rule that holds for a failure. No policy makes a final decline worth another try. */
export function retryRuleOf(
  { retry }: ProviderPolicy,
  { code, providerCode, isFinal }: Failed,
): RetryRule {
  if (isFinal) return { who: 'nobody' };
  const own = providerCode === null ? undefined : entryOf(retry?.by_provider_code, providerCode);
  return own ?? retry?.by_code?.[code] ?? { who: FAILURES[code].who };
}

/** How long after its dispatch a charge may still be paid. */
export function promptLifeMs({ lookup }: ProviderPolicy): number {
  return lookup.prompt_life_ms ?? lookup.window_ms;
}

/** The policy for who must not send: no failure opens another attempt. */
export function withoutReattempts(policy: ProviderPolicy): ProviderPolicy {
  return { ...policy, reattempt: { ...policy.reattempt, max_attempts: 1 } };
}

/** The policy with the rule of each of our codes written out, as people read it. */
export function spellOut(policy: ProviderPolicy): ProviderPolicy {
  const by_code: Partial<Record<FailureCode, RetryRule>> = {};
  for (const code of FAILURE_CODES) {
    by_code[code] = retryRuleOf(policy, { code, providerCode: null, isFinal: false });
  }
  return { ...policy, retry: { ...policy.retry, by_code } };
}

/** The n-th entry of a schedule, counting from 0; the last one repeats. */
export function scheduleAt(schedule: readonly number[], index: number): number {
  const at = schedule[Math.min(index, schedule.length - 1)];
  if (at === undefined) throw new RangeError('a schedule has at least one entry');
  return at;
}

/** What is left of a schedule after so many of its entries; the last one stays. */
export function scheduleFrom(schedule: readonly number[], index: number): readonly number[] {
  return schedule.slice(Math.min(index, schedule.length - 1));
}

/** How many questions a schedule has time for, the first one at once. */
export function questionsWithin(schedule: readonly number[], elapsedMs: number): number {
  let [questions, dueMs] = [1, scheduleAt(schedule, 0)];
  for (; dueMs <= elapsedMs; questions += 1) dueMs += scheduleAt(schedule, questions);
  return questions;
}
