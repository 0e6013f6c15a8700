import { z } from 'zod';
import { CURRENCIES, isCurrency } from '../../domain/money.ts';
import { CAPTURE_METHODS } from '../../domain/payment.ts';
import { PAYMENT_STATUSES } from '../../domain/payment-states.ts';
import { isProviderName, PROVIDER_NAMES } from '../../providers/index.ts';

/** Text that PostgreSQL and JSON keep as it is: no control characters, no broken surrogates. */
export function text(lengthMax: number) {
  return z
    .string()
    .min(1)
    .max(lengthMax)
    .refine((it) => it.isWellFormed() && !/\p{Cc}/u.test(it), 'must hold no control characters');
}

const AMOUNT = 'must be a positive integer of minor units (KES 100.50 is 10050), below 2^53';

export const positiveAmount = z.int({ error: AMOUNT }).positive({ error: AMOUNT });

const customer = z.strictObject({
  id: text(100).optional(),
  phone: text(30).optional(),
  email: z.email().max(254).optional(),
  name: text(200).optional(),
});

export const metadata = z
  .record(
    z.string().regex(/^[A-Za-z0-9_.-]{1,40}$/, 'keys take 1–40 of A–Z a–z 0–9 _ . -'),
    text(500),
  )
  .refine((it) => Object.keys(it).length <= 20, 'takes at most 20 keys');

export const createPaymentBody = z.strictObject({
  provider: z
    .string({ error: `is required: one of ${PROVIDER_NAMES.join(', ')}` })
    .refine(isProviderName, `must be one of ${PROVIDER_NAMES.join(', ')}`)
    .meta({ enum: PROVIDER_NAMES, example: 'mpesa' }),
  amount: positiveAmount,
  currency: z
    .string({ error: 'is required, such as KES; there is no default' })
    .refine(isCurrency, `must be one of ${CURRENCIES.join(', ')}, in capitals`)
    .meta({ enum: CURRENCIES, example: 'KES' }),
  customer: customer.default({}),
  payment_method: text(100).optional(),
  capture_method: z.enum(CAPTURE_METHODS).default('automatic'),
  reference: z
    .string()
    .regex(/^[A-Za-z0-9 ._/-]+$/, 'takes letters, digits, space and . _ / -')
    .optional(),
  description: text(200).optional(),
  return_url: z
    .url({ protocol: /^https?$/ })
    .max(2000)
    .optional(),
  metadata: metadata.default({}),
});
export type CreatePaymentBody = z.infer<typeof createPaymentBody>;

/** Left out: all that is authorized. */
export const capturePaymentBody = z.strictObject({ amount: positiveAmount.optional() });

const commaList = z
  .string()
  .transform((list) => list.split(','))
  .pipe(z.array(z.enum(PAYMENT_STATUSES)));

/** A moment that PostgreSQL also takes, in UTC. */
export const moment = z.iso
  .datetime({
    offset: true,
    error: 'must be a time such as 2026-11-24T09:00:00Z',
    abort: true,
  })
  .refine((it) => {
    const atMs = Date.parse(it);
    return atMs >= 0 && atMs < Date.UTC(9999, 0);
  }, 'must be a time from 1970 to 9998')
  .transform((it) => new Date(it).toISOString());

export const limit = z.coerce.number().int().min(1).max(100).default(20);

export const listPaymentsQuery = z.strictObject({
  limit,
  cursor: z.string().max(200).optional(),
  status: commaList.optional(),
  provider: z.string().refine(isProviderName, 'no such provider').optional(),
  phone: text(30).optional(),
  reference: text(50).optional(),
  created_from: moment.optional(),
  created_before: moment.optional(),
});
