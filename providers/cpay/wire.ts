import { z } from 'zod';
import { textMap, textOrNull } from '../shared/wire.ts';

/** CPay's messages, as far as we read them. The whole wire: README.md beside it. */

export const charge = z.object({
  id: z.string().min(1),
  object: z.literal('charge'),
  status: z.enum(['pending', 'authorized', 'succeeded', 'declined', 'canceled']),
  amount: z.int(),
  amount_captured: z.int(),
  currency: z.string(),
  decline_code: textOrNull,
  receipt: textOrNull,
  metadata: textMap,
});
export type Charge = z.infer<typeof charge>;

export const refund = z.object({
  id: z.string().min(1),
  object: z.literal('refund'),
  charge: textOrNull,
  status: z.enum(['pending', 'succeeded', 'failed']),
  amount: z.int(),
  currency: z.string(),
  failure_code: textOrNull,
  metadata: textMap,
});
export type Refund = z.infer<typeof refund>;

export const listOf = <T extends z.ZodType>(item: T) => z.object({ data: z.array(item) });

export const errorAnswer = z.object({
  error: z.object({ code: z.string(), field: textOrNull }),
});

export const event = z.object({
  id: z.string().min(1),
  type: z.string(),
  data: z.unknown(),
});
