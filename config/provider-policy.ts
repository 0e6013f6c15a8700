import { z } from 'zod';
import { FAILURE_CODES, WHO_CAN_ACT } from '../domain/error.ts';
import type { ProviderPolicy } from '../domain/policy.ts';

export const durationMs = z
  .int()
  .min(1)
  .max(365 * 24 * 3_600_000);
export const scheduleMs = z.array(durationMs).min(1).max(20);

const CODE = /^[\w.:-]{1,64}$/;
const byCode = <Value extends z.ZodType>(value: Value) =>
  z.record(z.string().regex(CODE, 'is no failure code'), value);

const retryRule = z
  .strictObject({
    who: z.enum(WHO_CAN_ACT),
    after_ms: z.exactOptional(durationMs),
    auto: z.exactOptional(z.boolean()),
  })
  .superRefine(({ who, after_ms, auto }, context) => {
    const refuse = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    if (auto === true && after_ms === undefined) refuse('after_ms', 'is missing: auto needs it');
    if (auto === true && who === 'nobody') refuse('auto', 'must be false where who is nobody');
  });
const retryRules = z.strictObject({
  by_code: z.exactOptional(z.partialRecord(z.enum(FAILURE_CODES), retryRule)),
  by_provider_code: z.exactOptional(byCode(retryRule)),
});

/** What stands of one provider in the policies. */
export const providerPolicy: z.ZodType<ProviderPolicy> = z.strictObject({
  charge: z.strictObject({
    timeout_ms: durationMs,
    deadline_ms: durationMs,
    accept_within_ms: durationMs,
    max_sends: z.int().min(1).max(10),
    resend_after_ms: scheduleMs,
  }),
  callback_wait_ms: durationMs,
  lookup: z.strictObject({
    timeout_ms: durationMs,
    poll_interval_ms: scheduleMs,
    window_ms: durationMs,
    prompt_life_ms: z.exactOptional(durationMs),
    soft_codes: z.exactOptional(z.array(z.string().regex(CODE, 'is no code')).max(20)),
  }),
  review: z.strictObject({ poll_interval_ms: scheduleMs }),
  payer_action: z.strictObject({ expires_after_ms: durationMs }),
  authorization: z.strictObject({ expires_after_ms: durationMs }),
  refund: z.strictObject({
    timeout_ms: durationMs,
    deadline_ms: durationMs,
    accept_within_ms: durationMs,
    max_sends: z.int().min(1).max(10),
    resend_after_ms: scheduleMs,
    result_wait_ms: durationMs,
    poll_interval_ms: scheduleMs,
  }),
  retry: z.exactOptional(retryRules),
  reattempt: z.strictObject({
    max_attempts: z.int().min(1).max(5),
    fallback: z.array(z.string()).max(4),
  }),
  rate_limit_per_second: z.number().positive().max(10_000),
  late_success: z.enum(['accept', 'review', 'refund']),
  look_back_after_ms: z.exactOptional(z.array(durationMs).max(5)),
  confirm_callback_from_minor: z.int().nonnegative().nullable(),
});
