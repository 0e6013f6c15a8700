import { z } from 'zod';
import { DELIVERY_STATUSES, type Delivery, type DeliveryAttempt } from '../../db/deliveries.ts';
import type { WebhookEndpoint } from '../../db/webhook-endpoints.ts';
import { EVENT_TYPES, WEBHOOK_EVENT_TYPES } from '../../domain/outgoing-event.ts';
import { moment, text } from '../schema.ts';
import { namesOf, textOrNull, time, timeOrNull } from '../shape.ts';

const eventTypes = z
  .array(z.enum(WEBHOOK_EVENT_TYPES))
  .max(WEBHOOK_EVENT_TYPES.length)
  .meta({ description: 'Left out or empty: all of them' });
const url = z.string().max(2048).meta({ example: 'https://shop.example.com/malipo' });

export const createEndpointBody = z
  .strictObject({
    url,
    description: text(200).optional(),
    event_types: eventTypes.default([]),
  })
  .meta({
    example: { url: 'https://shop.example.com/malipo', event_types: ['payment.succeeded'] },
  });
export const updateEndpointBody = z
  .strictObject({
    url: url.optional(),
    description: text(200).optional(),
    event_types: eventTypes.optional(),
    active: z.boolean().optional(),
  })
  .meta({ example: { description: 'The web shop' } });

export const endpointShape = z
  .strictObject({
    id: z.string(),
    object: z.literal('webhook_endpoint'),
    url: z.string(),
    description: textOrNull,
    event_types: z.array(z.string()),
    active: z.boolean(),
    disabled_reason: textOrNull,
    failing_since: timeOrNull,
    created_at: time,
    updated_at: time,
  })
  .meta({ id: 'WebhookEndpoint' });
export const newEndpointShape = endpointShape
  .extend({ secret: z.string().meta({ description: 'Told this once', example: 'whsec_…' }) })
  .meta({ id: 'WebhookEndpointWithSecret' });
export const createdEndpointShape = endpointShape
  .extend({
    secret: textOrNull.meta({
      description: 'Told this once, in the answer 201; null in the answer 200',
      example: 'whsec_…',
    }),
  })
  .meta({ id: 'CreatedWebhookEndpoint' });

export const recoverBody = z
  .strictObject({ since: moment })
  .meta({ example: { since: '2026-11-24T09:00:00Z' } });
export const testDeliveryShape = z.strictObject({
  object: z.literal('test'),
  delivery_id: z.string(),
});
export const recoveryShape = z.strictObject({
  object: z.literal('recovery'),
  deliveries: z.int(),
});

export const deliveryShape = z
  .strictObject({
    id: z.string(),
    object: z.literal('delivery'),
    event_id: z.string(),
    event_type: namesOf(EVENT_TYPES),
    endpoint_id: z.string(),
    status: z.enum(DELIVERY_STATUSES),
    attempt_count: z.int(),
    created_at: time,
    updated_at: time,
  })
  .meta({ id: 'Delivery' });
export const deliveryWithAttemptsShape = deliveryShape
  .extend({
    attempts: z
      .array(
        z.strictObject({
          ordinal: z.int(),
          at: time,
          duration_ms: z.int(),
          status_code: z.int().nullable(),
          error: textOrNull,
          response: textOrNull.meta({ description: 'Its first 2 KB' }),
        }),
      )
      .meta({ description: 'The last 100 tries, in order' }),
  })
  .meta({ id: 'DeliveryWithAttempts' });

export function presentEndpoint(endpoint: WebhookEndpoint): z.input<typeof endpointShape> {
  const { merchant_id: _merchant, event_types, ...rest } = endpoint;
  return { object: 'webhook_endpoint', ...rest, event_types: [...event_types] };
}

export function presentDelivery(delivery: Delivery): z.input<typeof deliveryShape> {
  const { merchant_id: _merchant, endpoint_url: _url, endpoint_active: _active, ...own } = delivery;
  return { object: 'delivery', ...own };
}

export function presentAttempts(
  delivery: Delivery,
  attempts: readonly DeliveryAttempt[],
): z.input<typeof deliveryWithAttemptsShape> {
  return { ...presentDelivery(delivery), attempts: [...attempts] };
}
