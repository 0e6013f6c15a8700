import { z } from 'zod';
import { metadata, positiveAmount, text } from '../schema.ts';

export const createRefundBody = z
  .strictObject({
    /** Left out: all that is left. */
    amount: positiveAmount.optional(),
    reason: text(200).optional(),
    metadata: metadata.default({}),
  })
  .meta({ example: { amount: 2_500, reason: 'wrong size' } });
export type CreateRefundBody = z.infer<typeof createRefundBody>;
