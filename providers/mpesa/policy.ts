import type { ProviderPolicy } from '../../domain/policy.ts';

/**
 * Defaults for M-Pesa. A prompt lives about 60 s; the status query is limited to 5 a minute in the
 * sandbox and says nothing useful before 15 s (providers/mpesa/README.md).
 */
export const policy: ProviderPolicy = {
  charge: {
    timeout_ms: 25_000,
    deadline_ms: 10 * 60_000,
    accept_within_ms: 15 * 60_000,
    max_sends: 3,
    resend_after_ms: [15_000, 60_000],
  },
  callback_wait_ms: 30_000,
  lookup: {
    timeout_ms: 15_000,
    poll_interval_ms: [15_000, 15_000, 30_000, 60_000],
    window_ms: 10 * 60_000,
    // Prompts of 60 to 90 s were seen, and a query that said 1037 of one that rang for 14 s.
    prompt_life_ms: 2 * 60_000,
    soft_codes: ['1037'],
  },
  review: { poll_interval_ms: [3_600_000, 6 * 3_600_000, 24 * 3_600_000] },
  payer_action: { expires_after_ms: 30 * 60_000 },
  authorization: { expires_after_ms: 24 * 3_600_000 },
  refund: {
    timeout_ms: 25_000,
    deadline_ms: 10 * 60_000,
    accept_within_ms: 15 * 60_000,
    max_sends: 3,
    resend_after_ms: [15_000, 60_000],
    result_wait_ms: 30 * 60_000,
    poll_interval_ms: [60_000, 5 * 60_000],
  },
  retry: {
    by_code: {
      // As long as Daraja holds the lock on a payer (map.ts).
      payer_busy: { who: 'later', after_ms: 60_000 },
      // What integrators are told; the portal names no time.
      repeated_too_soon: { who: 'later', after_ms: 2 * 60_000 },
    },
  },
  reattempt: { max_attempts: 1, fallback: [] },
  rate_limit_per_second: 10,
  late_success: 'review',
  look_back_after_ms: [5 * 60_000, 24 * 3_600_000],
  // KES 10,000. Daraja signs no callback, and the query costs a question of its narrow limit.
  confirm_callback_from_minor: 1_000_000,
};
