import type { ZodOpenApiPathItemObject } from 'zod-openapi';
import { formatMoney } from '../../domain/money.ts';
import { EVENT_TYPES, type EventType, WEBHOOK_EVENT_TYPES } from '../../domain/outgoing-event.ts';
import type { PaymentStatus } from '../../domain/payment-states.ts';
import type { RefundStatus } from '../../domain/refund-states.ts';
import { deliveredEventResponse } from '../events/present.ts';
import { exampleId, TIME } from '../response.ts';

const header = (description: string) => ({ description, schema: { type: 'string' } as const });

/** What it tells of, in short; `status` is the one that the type names, where it names one. */
function exampleEvent(type: EventType) {
  const [subject = '', news = ''] = type.split('.');
  const status = (subject === 'payment' ? PAYMENT_NEWS : REFUND_NEWS)[news] ?? news;
  const amount = 15_000;
  const amount_text = formatMoney({ amountMinor: amount, currency: 'KES' });
  const money = { status, amount, amount_text, currency: 'KES', metadata: {} };
  const payment = { id: exampleId('payment'), object: 'payment', ...money };
  const data: Readonly<Record<string, object>> = {
    payment,
    refund: { id: exampleId('refund'), object: 'refund', payment_id: payment.id, ...money },
    endpoint: { id: exampleId('webhook_endpoint'), object: 'webhook_endpoint' },
  };
  return { id: exampleId('message'), type, timestamp: TIME, data: data[subject] ?? {} };
}
const PAYMENT_NEWS: Readonly<Record<string, PaymentStatus>> = {
  disputed: 'succeeded',
  unmatched_receipt: 'succeeded',
};
const REFUND_NEWS: Readonly<Record<string, RefundStatus>> = { created: 'pending' };

/** Their own chapter: generators make a class of each, and would mix it up with the operations'. */
export const WEBHOOK_TAG = {
  name: 'Webhooks',
  description: 'What we POST to your endpoints; not for you to call',
} as const;

/** What is POSTed to merchants' endpoints, signed by Standard Webhooks; one entry a type. */
export function describeWebhooks(): Record<string, ZodOpenApiPathItemObject> {
  return Object.fromEntries(
    WEBHOOK_EVENT_TYPES.map((type) => [
      type,
      {
        post: {
          operationId: `on.${type}`,
          tags: [WEBHOOK_TAG.name],
          // The signature proves the sender; there is no key to send along.
          security: [],
          summary: EVENT_TYPES[type],
          parameters: [
            {
              name: 'webhook-id',
              in: 'header',
              required: true,
              ...header('The event’s id, the same at every try: keep those you have seen'),
            },
            {
              name: 'webhook-timestamp',
              in: 'header',
              required: true,
              ...header('Seconds since 1970; refuse what is older than five minutes'),
            },
            {
              name: 'webhook-signature',
              in: 'header',
              required: true,
              ...header(
                '`v1,` and an HMAC-SHA256 in base64; two of them while a secret is rotated',
              ),
            },
          ],
          requestBody: {
            required: true,
            content: {
              'application/json': { schema: deliveredEventResponse, example: exampleEvent(type) },
            },
          },
          responses: {
            '2XX': { description: 'Taken; anything else is tried again' },
            '410': { description: 'Gone: the endpoint is switched off' },
          },
        },
      },
    ]),
  );
}
