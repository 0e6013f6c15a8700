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
    readonly every_ms: readonly number[];
    /** After this long of `pending` or no answer the payment needs review. */
    readonly window_ms: number;
  };
  readonly review: {
    /** How often a payment in review asks the provider again; the last one repeats. */
    readonly ask_every_ms: readonly number[];
  };
  /** How long the payer has for an action elsewhere (3-D Secure); then the charge is let go. */
  readonly payer_action: { readonly expires_after_ms: number };
  /** How long an authorization is held for its capture; then it is let go. */
  readonly authorization: { readonly expires_after_ms: number };
  readonly refund: {
    readonly timeout_ms: number;
    readonly deadline_ms: number;
    readonly max_sends: number;
    readonly resend_after_ms: readonly number[];
    /** How long we wait for the result of a refund that the provider took. */
    readonly result_wait_ms: number;
    readonly lookup_every_ms: readonly number[];
  };
  /**
   * A new attempt under the same payment, after a definite failure only. `after_ms` names the
   * failures (ours, or the provider's own code) that are worth one, and the pause before it. A
   * decline that the provider calls final is never worth one.
   */
  readonly reattempt: {
    readonly max_attempts: number;
    readonly after_ms: Readonly<Record<string, number>>;
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
  /** From this amount on a callback is believed only if no look-up contradicts it; null: off. */
  readonly confirm_callback_from_minor: number | null;
};

/** The n-th entry of a schedule, counting from 0; the last one repeats. */
export function scheduleAt(schedule: readonly number[], index: number): number {
  const at = schedule[Math.min(index, schedule.length - 1)];
  if (at === undefined) throw new RangeError('a schedule has at least one entry');
  return at;
}
