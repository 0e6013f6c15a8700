import { z } from 'zod';
import { CAPTURE_METHODS } from '../../domain/capture.ts';
import { CURRENCIES, isCurrency } from '../../domain/money.ts';
import { isPaymentStatus, PAYMENT_STATUSES } from '../../domain/payment-states.ts';
import { isProviderName, PROVIDER_NAMES } from '../../providers/index.ts';
import { metadata, moment, pageQuery, positiveAmount, text } from '../schema.ts';

const customer = z
  .strictObject({
    id: text(100).optional().describe('Your own id of the payer, to find payments by'),
    phone: text(30).optional().meta({
      description:
        'The payer’s phone, which M-Pesa needs: a Kenyan mobile number in any usual form, such as 0712345678 or +254712345678. With other providers it begins with + and the country',
      example: '+254712345678',
    }),
    email: z
      .email()
      .max(254)
      .optional()
      .describe('The payer’s e-mail address, 254 characters at most'),
    name: text(200).optional().describe('The payer’s name, 200 characters at most'),
  })
  .meta({ id: 'CreatePaymentCustomer' });

export const createPaymentBody = z
  .strictObject({
    provider: z
      .string({ error: `is required: one of ${PROVIDER_NAMES.join(', ')}` })
      .refine(isProviderName, `must be one of ${PROVIDER_NAMES.join(', ')}`)
      .meta({ description: 'Who takes the payment', enum: PROVIDER_NAMES, example: 'mpesa' }),
    amount: positiveAmount,
    currency: z
      .string({ error: 'is required, such as KES; there is no default' })
      .refine(isCurrency, `must be one of ${CURRENCIES.join(', ')}, in capitals`)
      .meta({
        description: 'ISO 4217, in capitals. M-Pesa takes KES',
        enum: CURRENCIES,
        example: 'KES',
      }),
    customer: customer
      .default({})
      .describe('Who pays. It is kept encrypted, and only shown masked'),
    payment_method: text(100)
      .optional()
      .meta({ description: 'What the provider’s own form made of a card, such as pm_… or tok_…' }),
    capture_method: z
      .enum(CAPTURE_METHODS)
      .default('automatic')
      .describe(
        '`automatic`: the money is taken at once. `manual`: it is held until you capture it, which only cards can',
      ),
    reference: z
      .string()
      .regex(
        /^[ ._/-]*[A-Za-z0-9][A-Za-z0-9 ._/-]*$/,
        'takes letters, digits, space and . _ / -, and at least one letter or digit',
      )
      .optional()
      .meta({
        description:
          'What the payer reads on the phone or the statement: letters, digits, space and . _ / -. M-Pesa takes at most 12 characters. Left out, we make one',
        example: 'ORDER-1234',
      }),
    description: text(200).optional().meta({
      description: 'What the payment is for, 200 characters at most',
      example: 'Two shirts',
    }),
    return_url: z
      .url({ protocol: /^https?$/ })
      .max(2000)
      .nullable()
      .optional()
      .meta({
        description:
          'Where the payer’s browser goes after an authentication (3-D Secure), 2000 characters at most. Stripe’s cards need it. Send null where no payer is present, as with a stored card: a card that asks for an authentication then fails as `return_url_missing`',
        example: 'https://shop.example.com/thanks',
      }),
    metadata: metadata.default({}),
  })
  .meta({
    example: {
      provider: 'mpesa',
      amount: 10_000,
      currency: 'KES',
      customer: { phone: '+254712345678' },
      reference: 'ORDER-1234',
    },
  });
export type CreatePaymentBody = z.infer<typeof createPaymentBody>;

/** Left out: all that is authorized. */
export const capturePaymentBody = z
  .strictObject({
    amount: positiveAmount
      .optional()
      .describe(
        'How much to take, in integer minor units: USD 50 is 5000. Left out, all that is authorized; the rest is released',
      ),
  })
  .meta({ example: { amount: 5_000 } });

const commaList = z
  .string()
  .transform((list) => list.split(','))
  .refine(
    (list) => list.every(isPaymentStatus),
    `must be one of ${PAYMENT_STATUSES.join(', ')}, or several of them with commas`,
  )
  .transform((list) => list.filter(isPaymentStatus));

export const listPaymentsQuery = pageQuery.extend({
  status: commaList.optional().meta({ description: 'Only these, separated by commas' }),
  provider: z.string().refine(isProviderName, 'no such provider').optional(),
  phone: text(30).optional(),
  reference: text(50).optional(),
  created_from: moment.optional(),
  created_before: moment.optional(),
});

/** What operators search by as well, over all merchants. */
export const searchPaymentsQuery = listPaymentsQuery.extend({
  reference: text(50).optional().meta({ description: 'In any case: `shop-1` finds SHOP-1' }),
  merchant_id: text(100).optional(),
  email: z.email().max(254).optional(),
  customer_id: text(100).optional(),
  amount: z.coerce.number().pipe(positiveAmount).optional(),
  receipt: text(100).optional().meta({ description: 'The provider’s, in any case' }),
  provider_payment_id: text(200)
    .optional()
    .meta({ description: 'The provider’s id of any attempt' }),
});
