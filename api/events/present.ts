import { z } from 'zod';
import type { OutgoingEvent } from '../../db/outgoing-events.ts';
import { EVENT_TYPES } from '../../domain/outgoing-event.ts';
import { explain, idOf, namesOf, objectOf, time } from '../shape.ts';

export const eventType = namesOf(EVENT_TYPES).describe(explain('What happened', EVENT_TYPES));

/** An event as it leaves the API, by HTTP and live. */
export const eventShape = z
  .strictObject({
    id: idOf('message'),
    object: objectOf('event'),
    type: eventType,
    cursor: z.string().meta({ description: 'Its place in the order, to go on from' }),
    data: z.record(z.string(), z.unknown()).meta({
      description:
        'The payment, refund or endpoint as it stood then, in short; `amount_text` shows its `amount` as a person reads it',
    }),
    created_at: time.describe('When it happened, in UTC'),
  })
  .meta({ id: 'Event' });

/** An event as it is POSTed to an endpoint: Standard Webhooks' own three fields, and its id. */
export const deliveredEventShape = z
  .strictObject({
    id: z.string().meta({ description: 'The same at every try, as `webhook-id`' }),
    type: eventType,
    timestamp: time.describe('When it happened, in UTC'),
    data: eventShape.shape.data,
  })
  .meta({ id: 'DeliveredEvent' });

export function presentEvent(event: OutgoingEvent): z.input<typeof eventShape> {
  const { id, type, data, created_at } = event;
  return { id, object: 'event', type, cursor: event.cursor, data, created_at };
}
