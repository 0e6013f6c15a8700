import type { ZodOpenApiPathItemObject } from 'zod-openapi';
import { EVENT_TYPES, WEBHOOK_EVENT_TYPES } from '../../domain/outgoing-event.ts';
import { deliveredEventShape } from '../events/present.ts';

const header = (description: string) => ({ description, schema: { type: 'string' } as const });

/** What is POSTed to merchants' endpoints, signed by Standard Webhooks; one entry a type. */
export function describeWebhooks(): Record<string, ZodOpenApiPathItemObject> {
  return Object.fromEntries(
    WEBHOOK_EVENT_TYPES.map((type) => [
      type,
      {
        post: {
          operationId: `on.${type}`,
          tags: ['Webhook endpoints'],
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
          requestBody: { content: { 'application/json': { schema: deliveredEventShape } } },
          responses: {
            '2XX': { description: 'Taken; anything else is tried again' },
            '410': { description: 'Gone: the endpoint is switched off' },
          },
        },
      },
    ]),
  );
}
