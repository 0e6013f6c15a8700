import { z } from 'zod';
import { metadata, positiveAmount, text } from '../schema.ts';

export const createRefundBody = z
  .strictObject({
    amount: positiveAmount
      .optional()
      .describe(
        'How much to give back, in integer minor units: KES 150 is 15000. M-Pesa takes whole shillings. Left out, all that is left',
      ),
    reason: text(200)
      .optional()
      .describe('Why, for your own records and the provider, 200 characters at most'),
    metadata: metadata.default({}),
  })
  .meta({ example: { amount: 5_000, reason: 'wrong size' } });
export type CreateRefundBody = z.infer<typeof createRefundBody>;
