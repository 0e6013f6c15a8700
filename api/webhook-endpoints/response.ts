import { z } from 'zod';
import { DELIVERY_STATUSES, type Delivery, type DeliveryAttempt } from '../../db/deliveries.ts';
import type { WebhookEndpoint } from '../../db/webhook-endpoints.ts';
import { WEBHOOK_EVENT_TYPES } from '../../domain/outgoing-event.ts';
import { eventType } from '../events/present.ts';
import {
  createdAt,
  idOf,
  objectOf,
  stringOf,
  stringOrNullOf,
  textOrNull,
  time,
  timeOrNull,
  updatedAt,
} from '../response.ts';
import { moment, text } from '../schema.ts';

const eventTypes = z
  .array(z.enum(WEBHOOK_EVENT_TYPES))
  .max(WEBHOOK_EVENT_TYPES.length)
  .meta({ description: 'Left out or empty: all of them' });
const url = z.string().max(2048).meta({
  description: 'Where we POST events, with https, 2048 characters at most',
  example: 'https://shop.example.com/malipo',
});
const description = text(200)
  .optional()
  .describe('What the endpoint is for, in your own words, 200 characters at most');

export const createEndpointBody = z
  .strictObject({
    url,
    description,
    event_types: eventTypes.default([]),
  })
  .meta({
    example: { url: 'https://shop.example.com/malipo', event_types: ['payment.succeeded'] },
  });
export const updateEndpointBody = z
  .strictObject({
    url: url.optional(),
    description,
    event_types: eventTypes.optional(),
    active: z.boolean().optional().describe('`true` switches it on, `false` off'),
  })
  .meta({ example: { description: 'The web shop' } });

export const endpointResponse = z
  .strictObject({
    id: idOf('webhook_endpoint'),
    object: objectOf('webhook_endpoint'),
    url: stringOf('Where we POST events', 'https://shop.example.com/malipo'),
    description: textOrNull.describe('What it is for, in your own words'),
    event_types: z.array(z.string()).meta({
      description: 'Which events it gets; empty: all of them',
      example: ['payment.succeeded'],
    }),
    active: z.boolean().meta({ description: 'Whether it gets events', example: true }),
    disabled_reason: textOrNull.describe('Why it was switched off; null when it was not by us'),
    failing_since: timeOrNull.describe('Since when nothing has arrived; null: the last try did'),
    created_at: createdAt,
    updated_at: updatedAt,
  })
  .meta({ id: 'WebhookEndpoint' });
export const newEndpointResponse = endpointResponse
  .extend({ secret: stringOf('Told this once', 'whsec_…') })
  .meta({ id: 'WebhookEndpointWithSecret' });
export const createdEndpointResponse = endpointResponse
  .extend({
    secret: stringOrNullOf('Told this once, in the answer 201; null in the answer 200', 'whsec_…'),
  })
  .meta({ id: 'CreatedWebhookEndpoint' });

export const recoverBody = z
  .strictObject({ since: moment.describe('From when on, such as 2026-11-24T09:00:00Z') })
  .meta({ example: { since: '2026-11-24T09:00:00Z' } });
export const testDeliveryResponse = z
  .strictObject({
    object: objectOf('test'),
    delivery_id: idOf('delivery', 'The delivery, to see what became of it'),
  })
  .meta({ id: 'TestDelivery' });
export const recoveryResponse = z
  .strictObject({
    object: objectOf('recovery'),
    deliveries: z.int().describe('How many events are sent again'),
  })
  .meta({ id: 'Recovery' });

export const deliveryResponse = z
  .strictObject({
    id: idOf('delivery'),
    object: objectOf('delivery'),
    event_id: idOf('message', 'The event'),
    event_type: eventType,
    endpoint_id: idOf('webhook_endpoint', 'The endpoint that it goes to'),
    status: z.enum(DELIVERY_STATUSES).meta({
      description: '`pending`: it is tried again. `canceled`: its endpoint was switched off',
      example: 'succeeded',
    }),
    attempt_count: z.int().describe('How many tries there were'),
    created_at: createdAt,
    updated_at: updatedAt,
  })
  .meta({ id: 'Delivery' });
export const deliveryWithAttemptsResponse = deliveryResponse
  .extend({
    attempts: z
      .array(
        z
          .strictObject({
            ordinal: z.int().describe('Which try it was, from 1 on'),
            at: time.describe('When it was tried, in UTC'),
            duration_ms: z
              .int()
              .meta({ description: 'How long your endpoint took, in milliseconds', example: 84 }),
            status_code: z
              .int()
              .nullable()
              .meta({ description: 'The HTTP status it answered; null: none', example: 200 }),
            error: textOrNull.describe('Why there was no answer; null when there was one'),
            response: textOrNull.meta({ description: 'Its first 2 KB' }),
          })
          .meta({ id: 'DeliveryAttempt' }),
      )
      .describe('The last 100 tries, oldest first'),
  })
  .meta({ id: 'DeliveryWithAttempts' });

export function presentEndpoint(endpoint: WebhookEndpoint): z.input<typeof endpointResponse> {
  const { merchant_id: _merchant, event_types, ...rest } = endpoint;
  return { object: 'webhook_endpoint', ...rest, event_types: [...event_types] };
}

export function presentDelivery(delivery: Delivery): z.input<typeof deliveryResponse> {
  const { merchant_id: _merchant, endpoint_url: _url, endpoint_active: _active, ...own } = delivery;
  return { object: 'delivery', ...own };
}

export function presentAttempts(
  delivery: Delivery,
  attempts: readonly DeliveryAttempt[],
): z.input<typeof deliveryWithAttemptsResponse> {
  return { ...presentDelivery(delivery), attempts: [...attempts] };
}
