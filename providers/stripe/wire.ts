import { z } from 'zod';
import { entryOf } from '../../domain/table.ts';
import { orNull, textMap, textOrNull } from '../shared/wire.ts';

/** The parts of Stripe's objects that we read; from answers and from events alike. */
const reference = z
  .union([z.string(), z.object({ id: z.string() }).transform(({ id }) => id)])
  .nullable()
  .catch(null);

export const paymentError = z.object({
  type: z.string().catch('card_error'),
  code: textOrNull,
  decline_code: textOrNull,
  advice_code: textOrNull,
});
export type PaymentError = z.infer<typeof paymentError>;

export const paymentMethod = z.object({
  id: z.string().min(1),
  object: z.literal('payment_method'),
});

/** Their names until version 2019-02-11 (docs.stripe.com/changelog). */
const OLD_STATUSES: Readonly<Record<string, string>> = {
  requires_source: 'requires_payment_method',
  requires_source_action: 'requires_action',
};

/**
 * Events are written in the version of the endpoint or of the account, which may be older than
 * ours: until 2022-11-15 a list of charges, the newest first, stood where `latest_charge` does.
 */
export const paymentIntent = z.object({
  id: z.string().min(1),
  object: z.literal('payment_intent'),
  status: z.preprocess(
    (status) => (typeof status === 'string' ? (entryOf(OLD_STATUSES, status) ?? status) : status),
    z.enum([
      'requires_payment_method',
      'requires_confirmation',
      'requires_action',
      'processing',
      'requires_capture',
      'succeeded',
      'canceled',
    ]),
  ),
  amount: z.int(),
  amount_capturable: z.int().default(0),
  amount_received: z.int().default(0),
  currency: z.string(),
  latest_charge: reference,
  charges: orNull(z.object({ data: z.array(z.object({ id: z.string() })) })),
  last_payment_error: orNull(paymentError),
  cancellation_reason: textOrNull,
  automatic_payment_methods: orNull(z.object({ allow_redirects: textOrNull })),
  next_action: orNull(z.object({ redirect_to_url: orNull(z.object({ url: z.string() })) })),
  metadata: textMap,
});
export type PaymentIntent = z.infer<typeof paymentIntent>;

export const refund = z.object({
  id: z.string().min(1),
  object: z.literal('refund'),
  status: z.string().nullable(),
  amount: z.int(),
  currency: z.string(),
  failure_reason: textOrNull,
  payment_intent: reference,
  metadata: textMap,
});
export type Refund = z.infer<typeof refund>;

/** Until 2022-11-15 it held its refunds, the newest first (docs.stripe.com/changelog). */
export const refundedCharge = z.object({
  object: z.literal('charge'),
  payment_intent: reference,
  refunds: orNull(z.object({ data: z.array(z.record(z.string(), z.unknown())) })),
});

export const dispute = z.object({
  id: z.string().min(1),
  object: z.literal('dispute'),
  amount: z.int().nonnegative(),
  currency: z.string(),
  status: z.string(),
  reason: z.string().catch('unknown'),
  payment_intent: reference,
});

/** It names what changed and tells nothing of it; other products of Stripe send them. */
export const thinEvent = z.object({
  id: z.string().min(1),
  object: z.literal('v2.core.event'),
  type: z.string(),
});

export const event = z.object({
  id: z.string().min(1),
  object: z.literal('event'),
  api_version: textOrNull,
  type: z.string(),
  data: z.object({ object: z.unknown() }),
});
