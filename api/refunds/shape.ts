import { z } from 'zod';
import { CURRENCIES } from '../../domain/money.ts';
import { WAITING_FOR } from '../../domain/payment.ts';
import { REFUND_FAILURES, REFUND_ORIGINS, REFUND_REVIEW_REASONS } from '../../domain/refund.ts';
import { REFUND_STATUSES } from '../../domain/refund-states.ts';
import { runningShape } from '../execution.ts';
import { minor, namesOf, textMap, textOrNull, time, timeOrNull, workflowShape } from '../shape.ts';

/** A refund as it leaves the API; the only shape that does. */
export const refundShape = z
  .strictObject({
    id: z.string(),
    object: z.literal('refund'),
    payment_id: z.string(),
    origin: z.enum(REFUND_ORIGINS).meta({
      description:
        '`provider`: it was made at the provider and not by us, in its dashboard or by its support; such a refund has no key',
    }),
    status: z.enum(REFUND_STATUSES),
    amount: minor,
    amount_over: minor.meta({
      description: 'What of it goes beyond the money that was taken; 0 but for a late success',
    }),
    currency: z.enum(CURRENCIES),
    reason: textOrNull,
    failure: z
      .strictObject({
        code: namesOf(REFUND_FAILURES),
        message: textOrNull,
        retry: z.enum(['merchant', 'later', 'never']),
        provider_code: textOrNull,
      })
      .nullable(),
    review_reason: z.enum(REFUND_REVIEW_REASONS).nullable(),
    waiting_for: z.enum(WAITING_FOR).nullable(),
    wait_until: timeOrNull,
    provider_refund_id: textOrNull,
    provider_receipt: textOrNull,
    workflow: workflowShape,
    idempotency_key: textOrNull,
    metadata: textMap,
    created_at: time,
    updated_at: time,
    completed_at: timeOrNull,
  })
  .meta({ id: 'Refund' });

/** Why a refund is where it is. */
export const refundExecutionShape = z
  .strictObject({
    object: z.literal('refund_execution'),
    refund_id: z.string(),
    payment_id: z.string(),
    status: z.enum(REFUND_STATUSES),
    waiting_for: z.enum(WAITING_FOR).nullable(),
    explanation: z.string(),
    wait_until: timeOrNull,
    ...runningShape,
  })
  .meta({ id: 'RefundExecution' });
