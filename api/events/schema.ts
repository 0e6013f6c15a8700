import { z } from 'zod';
import { DELIVERY_STATUSES } from '../../db/deliveries.ts';
import { isEventCursor } from '../../db/outgoing-events.ts';
import { pageQuery, text } from '../schema.ts';

export const listEventsQuery = pageQuery.extend({
  cursor: z
    .string()
    .refine(isEventCursor, 'must be the cursor of an event')
    .optional()
    .meta({ description: 'A `next_cursor`, or the `cursor` of any event: what came after it' }),
  payment_id: text(100).optional(),
});

export const listDeliveriesQuery = pageQuery.extend({
  endpoint_id: text(100).optional(),
  status: z.enum(DELIVERY_STATUSES).optional(),
});
