import { z } from 'zod';

/** The parts of Stripe's objects that we read; from answers and from events alike. */
const reference = z
  .union([z.string(), z.object({ id: z.string() }).transform(({ id }) => id)])
  .nullable()
  .default(null);
const textOrNull = z.string().nullish().default(null);
const metadata = z.record(z.string(), z.string()).nullish().default({});

export const paymentError = z.object({
  type: z.string().default('card_error'),
  code: textOrNull,
  decline_code: textOrNull,
  advice_code: textOrNull,
});
export type PaymentError = z.infer<typeof paymentError>;

export const paymentIntent = z.object({
  id: z.string().min(1),
  object: z.literal('payment_intent'),
  status: z.enum([
    'requires_payment_method',
    'requires_confirmation',
    'requires_action',
    'processing',
    'requires_capture',
    'succeeded',
    'canceled',
  ]),
  amount: z.int(),
  amount_capturable: z.int().default(0),
  amount_received: z.int().default(0),
  currency: z.string(),
  latest_charge: reference,
  last_payment_error: paymentError.nullish().default(null),
  cancellation_reason: textOrNull,
  next_action: z
    .object({
      type: z.string(),
      redirect_to_url: z.object({ url: z.string().nullable() }).nullish(),
    })
    .nullish()
    .default(null),
  metadata,
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
  metadata,
});
export type Refund = z.infer<typeof refund>;

export const dispute = z.object({
  id: z.string().min(1),
  object: z.literal('dispute'),
  amount: z.int(),
  currency: z.string(),
  status: z.string(),
  reason: z.string(),
  payment_intent: reference,
});

export const event = z.object({
  id: z.string().min(1),
  object: z.literal('event'),
  type: z.string(),
  data: z.object({ object: z.unknown() }),
});
