import { z } from 'zod';
import { CAPTURE_METHODS } from '../../domain/capture.ts';
import { FAILURES } from '../../domain/error.ts';
import { REVIEW_REASONS, WAITING_FOR } from '../../domain/payment.ts';
import { ACTORS, AUDIT_ACTIONS } from '../../domain/payment-record.ts';
import { PAYMENT_STATUSES, type PaymentStatus } from '../../domain/payment-states.ts';
import { REVIEWS } from '../../domain/review.ts';
import { UNMATCHED_RECEIPT_STATUSES } from '../../domain/unmatched-receipt.ts';
import { PROVIDER_NAMES } from '../../providers/index.ts';
import { runningResponse } from '../execution.ts';
import {
  amountText,
  completedAt,
  createdAt,
  currencyName,
  explain,
  ID_MAY_BE_UNREADABLE,
  idOf,
  metadataMap,
  minorOf,
  namesOf,
  objectOf,
  reasonsOf,
  stringOf,
  stringOrNullOf,
  textOrNull,
  textsOf,
  time,
  timeOrNull,
  timeOrNullOf,
  updatedAt,
  workflowResponse,
} from '../response.ts';
import { NEXT_ACTIONS } from './next-action.ts';

export const providerName = z
  .string()
  .meta({ description: 'The name of the provider', enum: PROVIDER_NAMES, example: 'mpesa' });

const STATUS_WORDS = {
  // table
  created: 'stored, and not sent to the provider yet',
  processing: 'sent; the provider has not told the outcome yet',
  requires_action: 'the payer has to act: see `next_action`',
  authorized: 'the money is held; capture it or cancel it',
  needs_review: 'nobody can tell the outcome; a person decides. See `review_reason`',
  succeeded: 'the money was taken',
  failed: 'it failed, and no money was taken. See `failure`',
  canceled: 'it was canceled, and no money was taken',
} as const satisfies Record<PaymentStatus, string>;
export const paymentStatus = z
  .enum(PAYMENT_STATUSES)
  .meta({ description: explain('Where the payment stands', STATUS_WORDS), example: 'succeeded' });
export const waitingFor = z
  .enum(WAITING_FOR)
  .nullable()
  .describe('What it waits for now; null when nothing. `explanation` of `execution` says more');

/** What the payer has to do. */
const nextActionResponse = z
  .strictObject({
    type: z
      .enum(NEXT_ACTIONS)
      .describe(
        '`redirect_to_url`: send the payer’s browser to `url`. `approve_on_phone`: a prompt is on the payer’s phone; ask the payer to enter the PIN there',
      ),
    url: z.string().optional().describe('With `redirect_to_url`: where the payer has to go'),
    phone_masked: z
      .string()
      .optional()
      .describe('With `approve_on_phone`: which phone has the prompt, masked'),
  })
  .meta({ id: 'NextAction' })
  .nullable()
  .describe('What the payer has to do now; null when there is nothing to do');

/** Money under another of the provider's ids than the payment's own. */
const unmatchedReceiptResponse = z
  .strictObject({
    provider: providerName.describe('The name of the provider that has this money'),
    provider_payment_id: z
      .string()
      .describe(`The provider’s id of this money. ${ID_MAY_BE_UNREADABLE}`),
    provider_receipt: textOrNull.describe('The provider’s receipt; null when it told none'),
    is_held: z.boolean().meta({ description: 'Held for a capture, not taken' }),
    amount: minorOf('How much it is').nullable().describe('Null when the provider told no amount'),
    currency: textOrNull.describe('Its currency, by ISO 4217; null when the provider told none'),
    status: z
      .enum(UNMATCHED_RECEIPT_STATUSES)
      .describe('What became of it: `open` until an operator says so'),
  })
  .meta({ id: 'UnmatchedReceipt' });

/** The payer's bank wants money back. */
const disputeResponse = z
  .strictObject({
    id: z.string().describe('The provider’s id of the dispute'),
    status: z
      .enum(['open', 'won', 'lost'])
      .describe('`won`: you keep the money. `lost`: the payer got it back'),
    is_inquiry: z.boolean().meta({ description: 'The bank only asks so far; a refund answers it' }),
    amount: minorOf('What the bank asks back'),
    currency: textOrNull.describe('The currency that the bank counts in; null when not told'),
    reason: z.string().describe('Why, in the provider’s own word, such as `fraudulent`'),
  })
  .meta({ id: 'Dispute' });

/** A payment as it leaves the API; the only shape that does. Personal data is masked. */
export const paymentResponse = z
  .strictObject({
    id: idOf('payment'),
    object: objectOf('payment'),
    status: paymentStatus,
    provider: providerName.describe('The name of the provider that takes the payment'),
    amount: minorOf('What the payer is asked for'),
    amount_text: amountText,
    currency: currencyName,
    amount_captured: minorOf('What was taken from the payer so far'),
    amount_refunded: minorOf('What was given back so far', 0),
    amount_refundable: minorOf(
      'What was captured, less what was refunded, is being refunded, or was lost in disputes',
    ),
    refund_status: z
      .enum(['none', 'partial', 'full'])
      .describe('How much of what was captured was given back'),
    customer: z
      .strictObject({
        id: textOrNull.describe('Your own id of the payer, as you sent it'),
        phone: stringOrNullOf('The payer’s phone, masked', '+254•••••678'),
        email: stringOrNullOf('The payer’s e-mail address, masked', 'a•••@example.com'),
        name: stringOrNullOf('The payer’s name, masked', 'A••• N•••'),
      })
      .meta({ id: 'Customer' })
      .describe('Who pays. Personal data is only shown masked'),
    payment_method: textOrNull.describe('The provider’s token of the card; null with M-Pesa'),
    capture_method: z
      .enum(CAPTURE_METHODS)
      .describe(
        '`automatic`: the money is taken at once. `manual`: it is held until you capture it',
      ),
    reference: stringOf('What the payer reads', 'ORDER-1234'),
    description: textOrNull.describe('What the payment is for, as you sent it'),
    return_url: textOrNull.describe('Where the payer’s browser goes after an authentication'),
    next_action: nextActionResponse,
    failure: z
      .strictObject({
        code: namesOf(FAILURES).describe(explain('Why it failed', textsOf(FAILURES))),
        message: textOrNull.describe('The same in a sentence; it may say more'),
        retry: z.enum(['payer', 'merchant', 'later', 'never']).meta({
          description: 'Who can do something about it, so that a new payment is worth a try',
        }),
        retry_at: timeOrNull.meta({ description: 'From when on; null: at once, or nobody knows' }),
        provider_code: textOrNull.describe('The provider’s own code; null when it gave none'),
      })
      .meta({ id: 'PaymentFailure' })
      .nullable()
      .describe('Why it failed; null when it did not'),
    review_reason: z
      .enum(REVIEW_REASONS)
      .nullable()
      .describe(explain('Why a person has to decide; null while none has to', reasonsOf(REVIEWS))),
    amount_disputed: minorOf('What lost disputes took, so that it can no longer be refunded', 0),
    dispute: disputeResponse
      .nullable()
      .meta({ description: 'The newest that is open, else the newest; all are in disputes' }),
    disputes: z.array(disputeResponse).meta({
      description:
        'All disputes. While one is open, the payment cannot be refunded; an inquiry does not count',
      example: [],
    }),
    unmatched_receipts: z.array(unmatchedReceiptResponse).meta({
      description: 'Money that came beside its own: the payer may have paid twice',
      example: [],
    }),
    provider_payment_id: stringOrNullOf(
      `The provider’s id of the payment; null before it gave one. ${ID_MAY_BE_UNREADABLE}`,
      'ws_CO_24112026090000123456',
    ),
    provider_receipt: stringOrNullOf(
      'The provider’s receipt, which the payer sees as well, such as M-Pesa’s UKO7A1B2C3',
      'UKO7A1B2C3',
    ),
    workflow: workflowResponse,
    idempotency_key: stringOf('The Idempotency-Key that made it', 'order-1234'),
    metadata: metadataMap,
    created_at: createdAt,
    updated_at: updatedAt,
    completed_at: completedAt,
  })
  .meta({ id: 'Payment' });

/** What a verify answers beside the payment. */
export const verification = z
  .strictObject({
    asked: z.boolean().describe('Whether the provider was asked'),
    reason: stringOf(
      'What it said, or why it was not asked, in words',
      'the provider told how it stands',
    ),
  })
  .meta({ id: 'Verification' })
  .describe('What came of your request to ask the provider');
export const verifiedPaymentResponse = paymentResponse
  .extend({ verification })
  .meta({ id: 'VerifiedPayment' });

/** One entry of the timeline. */
export const auditEntryResponse = z
  .strictObject({
    id: idOf('audit'),
    object: objectOf('audit_entry'),
    sequence: z.int().positive().describe('Its place in the payment’s timeline, from 1 on'),
    action: z
      .enum(AUDIT_ACTIONS)
      .meta({ description: 'What happened', example: 'payment.succeeded' }),
    from: stringOrNullOf('The status before; null where the status did not change', 'processing'),
    to: stringOrNullOf('The status after; null where the status did not change', 'succeeded'),
    actor: z.enum(ACTORS).meta({ description: 'Who did it', example: 'workflow' }),
    cause: stringOf('Why it happened, in words', 'callback'),
    details: z.record(z.string(), z.unknown()).meta({
      description: 'More about it, by name, such as the amount or the provider’s code',
      example: { provider_code: '0' },
    }),
    at: time.describe('When it happened, in UTC'),
  })
  .meta({ id: 'AuditEntry' });

/** What a payment or a refund waits for, and what its workflow does now. */
export const executionFields = {
  waiting_for: waitingFor.meta({ example: 'callback' }),
  explanation: stringOf(
    'What is awaited and what comes next, in words',
    'The provider has it; its callback is awaited, then it is asked.',
  ),
  wait_until: timeOrNullOf('When the wait ends by itself, in UTC; null: it does not'),
  ...runningResponse,
};

/** Why a payment is where it is, and what comes next. */
export const executionResponse = z
  .strictObject({
    object: objectOf('execution'),
    payment_id: idOf('payment', 'The payment that it is about'),
    status: paymentStatus.meta({ example: 'processing' }),
    ...executionFields,
    policy: z
      .record(z.string(), z.unknown())
      .meta({ description: 'The policy it goes by', example: { callback_wait_ms: 30_000 } }),
  })
  .meta({ id: 'Execution' });
