import { z } from 'zod';
import type { OutgoingEvent } from '../../db/outgoing-events.ts';
import { EVENT_TYPES } from '../../domain/outgoing-event.ts';
import { exampleId, explain, idOf, namesOf, objectOf, stringOf, time } from '../response.ts';

export const eventType = namesOf(EVENT_TYPES).meta({
  description: explain('What happened', EVENT_TYPES),
  example: 'payment.succeeded',
});

/** An event as it leaves the API, by HTTP and live. */
export const eventResponse = z
  .strictObject({
    id: idOf('message'),
    object: objectOf('event'),
    type: eventType,
    cursor: stringOf('Its place in the order, to go on from', '733-42'),
    data: z.record(z.string(), z.unknown()).meta({
      description:
        'The payment, refund or endpoint as it stood then, in short; `amount_text` shows its `amount` as a person reads it',
      example: { id: exampleId('payment'), object: 'payment', status: 'succeeded' },
    }),
    created_at: time.describe('When it happened, in UTC'),
  })
  .meta({ id: 'Event' });

/** An event as it is POSTed to an endpoint: Standard Webhooks' own three fields, and its id. */
export const deliveredEventResponse = z
  .strictObject({
    id: z.string().meta({ description: 'The same at every try, as `webhook-id`' }),
    type: eventType,
    timestamp: time.describe('When it happened, in UTC'),
    data: eventResponse.shape.data,
  })
  .meta({ id: 'DeliveredEvent' });

export function presentEvent(event: OutgoingEvent): z.input<typeof eventResponse> {
  const { id, type, data, created_at } = event;
  return { id, object: 'event', type, cursor: event.cursor, data, created_at };
}
