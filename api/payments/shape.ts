import { z } from 'zod';
import { CAPTURE_METHODS } from '../../domain/capture.ts';
import { FAILURES } from '../../domain/error.ts';
import { CURRENCIES } from '../../domain/money.ts';
import { REVIEW_REASONS, WAITING_FOR } from '../../domain/payment.ts';
import { ACTORS, AUDIT_ACTIONS } from '../../domain/payment-record.ts';
import { PAYMENT_STATUSES } from '../../domain/payment-states.ts';
import { SURPLUS_STATUSES } from '../../domain/surplus.ts';
import { PROVIDER_NAMES } from '../../providers/index.ts';
import { runningShape } from '../execution.ts';
import {
  ID_MAY_BE_UNREADABLE,
  minor,
  namesOf,
  textMap,
  textOrNull,
  time,
  timeOrNull,
  workflowShape,
} from '../shape.ts';

export const providerName = z.string().meta({ enum: PROVIDER_NAMES, example: 'mpesa' });

/** Money under another of the provider's ids than the payment's own. */
const surplusShape = z.strictObject({
  provider: providerName,
  provider_payment_id: z.string().meta({ description: ID_MAY_BE_UNREADABLE }),
  provider_receipt: textOrNull,
  is_held: z.boolean().meta({ description: 'Held for a capture, not taken' }),
  amount: minor.nullable(),
  currency: textOrNull,
  status: z.enum(SURPLUS_STATUSES),
});

/** The payer's bank wants money back. */
const disputeShape = z.strictObject({
  id: z.string(),
  status: z.enum(['open', 'won', 'lost']),
  is_inquiry: z.boolean().meta({ description: 'The bank only asks so far; a refund answers it' }),
  amount: minor,
  currency: textOrNull,
  reason: z.string(),
});

/** A payment as it leaves the API; the only shape that does. Personal data is masked. */
export const paymentShape = z
  .strictObject({
    id: z.string(),
    object: z.literal('payment'),
    status: z.enum(PAYMENT_STATUSES),
    provider: providerName,
    amount: minor,
    currency: z.enum(CURRENCIES),
    amount_captured: minor,
    amount_refunded: minor,
    amount_refundable: minor.meta({
      description:
        'What was captured, less what was refunded, is being refunded, or was lost in disputes',
    }),
    refund_status: z.enum(['none', 'partial', 'full']),
    customer: z.strictObject({
      id: textOrNull,
      phone: textOrNull.meta({ example: '2547•••••678' }),
      email: textOrNull,
      name: textOrNull,
    }),
    payment_method: textOrNull,
    capture_method: z.enum(CAPTURE_METHODS),
    reference: z.string().meta({ description: 'What the payer reads' }),
    description: textOrNull,
    return_url: textOrNull,
    next_action: textMap.nullable().meta({ description: 'What the payer has to do, and where' }),
    failure: z
      .strictObject({
        code: namesOf(FAILURES),
        message: textOrNull,
        retry: z.enum(['payer', 'merchant', 'later', 'never']).meta({
          description: 'Who can do something about it, so that a new payment is worth a try',
        }),
        retry_at: timeOrNull.meta({ description: 'From when on; null: at once, or nobody knows' }),
        provider_code: textOrNull,
      })
      .nullable(),
    review_reason: z.enum(REVIEW_REASONS).nullable(),
    amount_disputed: minor.meta({
      description: 'What lost disputes took: it can no longer be refunded',
    }),
    dispute: disputeShape
      .nullable()
      .meta({ description: 'The newest that is open, else the newest; all are in disputes' }),
    disputes: z.array(disputeShape).meta({
      description:
        'All disputes. While one is open, the payment cannot be refunded; an inquiry does not count',
    }),
    surplus: z
      .array(surplusShape)
      .meta({ description: 'Money that came beside its own: the payer may have paid twice' }),
    provider_payment_id: textOrNull.meta({ description: ID_MAY_BE_UNREADABLE }),
    provider_receipt: textOrNull,
    workflow: workflowShape,
    idempotency_key: z.string(),
    metadata: textMap,
    created_at: time,
    updated_at: time,
    completed_at: timeOrNull,
  })
  .meta({ id: 'Payment' });

/** One entry of the timeline. */
export const auditEntryShape = z
  .strictObject({
    id: z.string(),
    object: z.literal('audit_entry'),
    sequence: z.int().positive(),
    action: z.enum(AUDIT_ACTIONS),
    from: textOrNull,
    to: textOrNull,
    actor: z.enum(ACTORS),
    cause: z.string(),
    details: z.record(z.string(), z.unknown()),
    at: time,
  })
  .meta({ id: 'AuditEntry' });

/** Why a payment is where it is, and what comes next. */
export const executionShape = z
  .strictObject({
    object: z.literal('execution'),
    payment_id: z.string(),
    status: z.enum(PAYMENT_STATUSES),
    waiting_for: z.enum(WAITING_FOR).nullable(),
    explanation: z.string(),
    wait_until: timeOrNull,
    ...runningShape,
    policy: z.record(z.string(), z.unknown()).meta({ description: 'The policy it goes by' }),
  })
  .meta({ id: 'Execution' });
