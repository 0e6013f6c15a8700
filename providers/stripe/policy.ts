import type { ProviderPolicy } from '../../domain/policy.ts';

/** Defaults for Stripe. It lets an uncaptured payment go after 7 days; we do so a little before. */
export const policy: ProviderPolicy = {
  charge: {
    timeout_ms: 30_000,
    deadline_ms: 10 * 60_000,
    accept_within_ms: 15 * 60_000,
    max_sends: 3,
    resend_after_ms: [2_000, 10_000],
  },
  callback_wait_ms: 15_000,
  lookup: {
    timeout_ms: 15_000,
    poll_interval_ms: [5_000, 10_000, 30_000, 60_000],
    window_ms: 10 * 60_000,
  },
  review: { poll_interval_ms: [3_600_000, 6 * 3_600_000, 24 * 3_600_000] },
  payer_action: { expires_after_ms: 30 * 60_000 },
  authorization: { expires_after_ms: 156 * 3_600_000 },
  refund: {
    timeout_ms: 30_000,
    deadline_ms: 10 * 60_000,
    accept_within_ms: 15 * 60_000,
    max_sends: 3,
    resend_after_ms: [2_000, 10_000],
    result_wait_ms: 60 * 60_000,
    poll_interval_ms: [30_000, 5 * 60_000],
  },
  retry: {
    // What Stripe’s list of decline codes says should be done, where our own codes say less
    // (docs.stripe.com/declines/codes).
    by_provider_code: {
      // table
      approve_with_id: { who: 'later' },
      invalid_account: { who: 'payer' },
      invalid_amount: { who: 'merchant' },
      new_account_information_available: { who: 'payer' },
      pin_try_exceeded: { who: 'payer' },
      withdrawal_count_limit_exceeded: { who: 'payer' },
    },
  },
  reattempt: { max_attempts: 1, fallback: [] },
  rate_limit_per_second: 25,
  late_success: 'review',
  look_back_after_ms: [5 * 60_000, 24 * 3_600_000],
  confirm_callback_from_minor: null,
};
