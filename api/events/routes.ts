import {
  type Delivery,
  findDelivery,
  listDeliveries,
  listDeliveryAttempts,
  resendDelivery,
} from '../../db/deliveries.ts';
import { findEvent, listEvents } from '../../db/outgoing-events.ts';
import { EVENT_ACCESS } from '../../domain/access.ts';
import { isId } from '../../domain/id.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { requireRate } from '../middleware/rate-limit.ts';
import { declare, type Operation } from '../operation.ts';
import { findPage, pageOf, presentPage } from '../response.ts';
import {
  deliveryResponse,
  deliveryWithAttemptsResponse,
  presentAttempts,
  presentDelivery,
} from '../webhook-endpoints/response.ts';
import { eventResponse, presentEvent } from './present.ts';
import { listDeliveriesQuery, listEventsQuery } from './schema.ts';

/** How it was told holds nothing of what was told. */
const reading = { kind: 'merchant', scope: 'webhook_endpoints:read' } as const;

/** What happened, and how it was told. */
export const eventOperations: readonly Operation[] = [
  declare({
    id: 'listEvents',
    method: 'get',
    path: '/api/v1/events',
    tag: 'Events',
    summary: 'List events, oldest first',
    description:
      'Go on with `next_cursor`, or with the `cursor` of any event: nothing that happens later lands behind it.',
    access: EVENT_ACCESS,
    query: listEventsQuery,
    answers: { 200: { description: 'A page of events', schema: pageOf(eventResponse) } },
    async handle({ pool }, { caller, query }) {
      const events = await listEvents(pool, {
        merchantId: caller.merchantId,
        paymentId: query.payment_id ?? null,
        after: query.cursor ?? null,
        limit: query.limit + 1,
      });
      const body = presentPage(events, query.limit, presentEvent, (event) => event.cursor);
      return { status: 200, body };
    },
  }),
  declare({
    id: 'getEvent',
    method: 'get',
    path: '/api/v1/events/{id}',
    tag: 'Events',
    summary: 'See an event',
    access: EVENT_ACCESS,
    answers: { 200: { description: 'The event', schema: eventResponse } },
    async handle({ pool }, { caller, param }) {
      const id = param('id');
      const event = isId('message', id) ? await findEvent(pool, caller.merchantId, id) : null;
      if (event === null) throw new ApiError('not_found', 'no event of yours has this id');
      return { status: 200, body: presentEvent(event) };
    },
  }),
  declare({
    id: 'listDeliveries',
    method: 'get',
    path: '/api/v1/deliveries',
    tag: 'Events',
    summary: 'List deliveries to your endpoints, newest first',
    access: reading,
    query: listDeliveriesQuery,
    answers: { 200: { description: 'A page of deliveries', schema: pageOf(deliveryResponse) } },
    async handle({ pool }, { caller, query }) {
      const filter = {
        merchantId: caller.merchantId,
        endpointId: query.endpoint_id ?? null,
        status: query.status ?? null,
      };
      const list = (limit: number, beforeId: string | null) =>
        listDeliveries(pool, { ...filter, beforeId, limit });
      return { status: 200, body: await findPage('delivery', query, list, presentDelivery) };
    },
  }),
  declare({
    id: 'getDelivery',
    method: 'get',
    path: '/api/v1/deliveries/{id}',
    tag: 'Events',
    summary: 'See a delivery with its tries',
    access: reading,
    answers: { 200: { description: 'The delivery', schema: deliveryWithAttemptsResponse } },
    async handle(deps, call) {
      return await showDelivery(deps, await requireDelivery(deps, call), 200);
    },
  }),
  declare({
    id: 'resendDelivery',
    method: 'post',
    path: '/api/v1/deliveries/{id}/resend',
    tag: 'Events',
    summary: 'Send an event to an endpoint once more',
    description:
      'With the same `webhook-id`. One that is still being tried stays as it is. It shares a limit of 300 a minute for each merchant with test events.',
    access: { kind: 'merchant', scope: 'webhook_endpoints:write' },
    answers: { 202: { description: 'It is on its way', schema: deliveryWithAttemptsResponse } },
    async handle(deps, call) {
      const { id } = await requireDelivery(deps, call);
      await requireRate(deps, 'resend', call.caller.merchantId);
      await resendDelivery(deps.pool, id);
      return await showDelivery(deps, await requireDelivery(deps, call), 202);
    },
  }),
];

async function requireDelivery(
  { pool }: ApiDeps,
  call: {
    readonly caller: { readonly merchantId: string };
    readonly param: (name: string) => string;
  },
): Promise<Delivery> {
  const id = call.param('id');
  const isOne = isId('delivery', id);
  const delivery = isOne ? await findDelivery(pool, call.caller.merchantId, id) : null;
  if (delivery === null) throw new ApiError('not_found', 'no delivery of yours has this id');
  return delivery;
}

async function showDelivery({ pool }: ApiDeps, delivery: Delivery, status: number) {
  const attempts = await listDeliveryAttempts(pool, delivery.id);
  return { status, body: presentAttempts(delivery, attempts) };
}
