import { z } from 'zod';
import { REFUND_FAILURES, REFUND_ORIGINS, REFUND_REVIEW_REASONS } from '../../domain/refund.ts';
import { REFUND_STATUSES, type RefundStatus } from '../../domain/refund-states.ts';
import { REFUND_REVIEWS } from '../../domain/review.ts';
import { executionFields, waitingFor } from '../payments/response.ts';
import {
  amountText,
  completedAt,
  createdAt,
  currencyName,
  explain,
  idOf,
  metadataMap,
  minorOf,
  namesOf,
  objectOf,
  reasonsOf,
  stringOrNullOf,
  textOrNull,
  textsOf,
  timeOrNull,
  updatedAt,
  workflowResponse,
} from '../response.ts';

const STATUS_WORDS = {
  // table
  pending: 'stored, its money reserved; it is on its way',
  needs_review: 'nobody can tell the outcome; a person decides. See `review_reason`',
  succeeded: 'the money was given back',
  failed: 'it failed, and you keep the money. See `failure`',
} as const satisfies Record<RefundStatus, string>;
const refundStatus = z
  .enum(REFUND_STATUSES)
  .meta({ description: explain('Where the refund stands', STATUS_WORDS), example: 'succeeded' });

/** A refund as it leaves the API; the only shape that does. */
export const refundResponse = z
  .strictObject({
    id: idOf('refund'),
    object: objectOf('refund'),
    payment_id: idOf('payment', 'The payment that it gives back'),
    origin: z.enum(REFUND_ORIGINS).meta({
      description:
        '`provider`: it was made at the provider and not by us, in its dashboard or by its support; such a refund has no key',
    }),
    status: refundStatus,
    amount: minorOf('What is given back'),
    amount_text: amountText,
    amount_over: minorOf(
      'What of it goes beyond the money that was taken; 0 but for a late success',
    ).meta({ example: 0 }),
    currency: currencyName,
    reason: textOrNull.describe('Why, as you sent it'),
    failure: z
      .strictObject({
        code: namesOf(REFUND_FAILURES).describe(explain('Why it failed', textsOf(REFUND_FAILURES))),
        message: textOrNull.describe('The same in a sentence; it may say more'),
        retry: z
          .enum(['merchant', 'later', 'never'])
          .describe('Who can do something about it, so that a new refund is worth a try'),
        provider_code: textOrNull.describe('The provider’s own code; null when it gave none'),
      })
      .meta({ id: 'RefundFailure' })
      .nullable()
      .describe('Why it failed; null when it did not'),
    review_reason: z
      .enum(REFUND_REVIEW_REASONS)
      .nullable()
      .describe(
        explain('Why a person has to decide; null while none has to', reasonsOf(REFUND_REVIEWS)),
      ),
    waiting_for: waitingFor,
    wait_until: timeOrNull.describe('When the wait ends by itself, in UTC; null: it does not'),
    provider_refund_id: stringOrNullOf(
      'The provider’s id of it; null before it gave one',
      'AG_20261124_00004e7f1a2b3c4d5e6f',
    ),
    provider_receipt: stringOrNullOf(
      'The provider’s receipt of it; null when it gave none',
      'UKO7A1B2C3',
    ),
    workflow: workflowResponse,
    idempotency_key: stringOrNullOf(
      'The Idempotency-Key that made it; null: see `origin`',
      'order-1234',
    ),
    metadata: metadataMap,
    created_at: createdAt,
    updated_at: updatedAt,
    completed_at: completedAt,
  })
  .meta({ id: 'Refund' });

/** Why a refund is where it is. */
export const refundExecutionResponse = z
  .strictObject({
    object: objectOf('refund_execution'),
    refund_id: idOf('refund', 'The refund that it is about'),
    payment_id: idOf('payment', 'The payment of that refund'),
    status: refundStatus.meta({ example: 'pending' }),
    ...executionFields,
  })
  .meta({ id: 'RefundExecution' });
