import type { ProviderPolicy } from '../../domain/policy.ts';

/** Defaults for CPay: short, since it answers fast and takes our keys. */
export const policy: ProviderPolicy = {
  charge: {
    timeout_ms: 10_000,
    deadline_ms: 3 * 60_000,
    accept_within_ms: 15 * 60_000,
    max_sends: 3,
    resend_after_ms: [2_000, 10_000],
  },
  callback_wait_ms: 10_000,
  lookup: {
    timeout_ms: 10_000,
    poll_interval_ms: [2_000, 5_000, 15_000, 60_000],
    window_ms: 10 * 60_000,
  },
  review: { poll_interval_ms: [3_600_000, 6 * 3_600_000, 24 * 3_600_000] },
  payer_action: { expires_after_ms: 30 * 60_000 },
  authorization: { expires_after_ms: 7 * 24 * 3_600_000 },
  refund: {
    timeout_ms: 10_000,
    deadline_ms: 3 * 60_000,
    accept_within_ms: 15 * 60_000,
    max_sends: 3,
    resend_after_ms: [2_000, 10_000],
    result_wait_ms: 10 * 60_000,
    poll_interval_ms: [2_000, 5_000, 15_000, 60_000],
  },
  retry: { by_provider_code: { try_again_later: { who: 'later', after_ms: 5_000 } } },
  reattempt: { max_attempts: 1, fallback: [] },
  rate_limit_per_second: 50,
  late_success: 'review',
  look_back_after_ms: [5 * 60_000, 24 * 3_600_000],
  confirm_callback_from_minor: null,
};
