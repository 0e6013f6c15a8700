import { z } from 'zod';
import {
  DELIVERY_STATUSES,
  type Delivery,
  findAnyDelivery,
  listDeliveries,
  listDeliveryAttempts,
  resendDelivery,
} from '../../db/deliveries.ts';
import { isId } from '../../domain/id.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { declare, type Operation } from '../operation.ts';
import { findPage, idOf, pageOf, stringOf } from '../response.ts';
import { pageQuery, text } from '../schema.ts';
import {
  deliveryResponse,
  deliveryWithAttemptsResponse,
  presentAttempts,
  presentDelivery,
} from '../webhook-endpoints/response.ts';

const tag = 'Operators';
const viewing = { kind: 'operator', role: 'viewer' } as const;
const one = '/api/v1/admin/deliveries/{id}';

const forOperators = {
  merchant_id: idOf('merchant', 'Whose endpoint it goes to'),
  endpoint_host: stringOf('No more of its address: paths may hold tokens', 'shop.example.com'),
  endpoint_active: z
    .boolean()
    .meta({ description: 'Whether the endpoint gets events now', example: true }),
};
const adminDeliveryResponse = deliveryResponse.extend(forOperators).meta({ id: 'AdminDelivery' });
const adminDeliveryWithAttemptsResponse = deliveryWithAttemptsResponse
  .extend(forOperators)
  .meta({ id: 'AdminDeliveryWithAttempts' });

/** Webhooks to all merchants: what did not arrive, why, and once more. */
export const deliveryOperations: readonly Operation[] = [
  declare({
    id: 'adminListDeliveries',
    method: 'get',
    path: '/api/v1/admin/deliveries',
    tag,
    summary: 'List deliveries to all merchants’ endpoints, newest first',
    description: 'With `status=failed` it is what was tried until the policy’s schedule ended.',
    access: viewing,
    query: pageQuery.extend({
      status: z.enum(DELIVERY_STATUSES).optional(),
      endpoint_id: text(100).optional(),
      merchant_id: text(100).optional(),
    }),
    answers: { 200: { description: 'A page', schema: pageOf(adminDeliveryResponse) } },
    async handle({ pool }, { query }) {
      const filter = {
        merchantId: query.merchant_id ?? null,
        endpointId: query.endpoint_id ?? null,
        status: query.status ?? null,
      };
      const list = (limit: number, beforeId: string | null) =>
        listDeliveries(pool, { ...filter, beforeId, limit });
      return { status: 200, body: await findPage('delivery', query, list, presentAny) };
    },
  }),
  declare({
    id: 'adminGetDelivery',
    method: 'get',
    path: one,
    tag,
    summary: 'See any delivery with its tries',
    access: viewing,
    answers: { 200: { description: 'The delivery', schema: adminDeliveryWithAttemptsResponse } },
    handle: async (deps, { param }) => await showDelivery(deps, param('id'), 200),
  }),
  declare({
    id: 'adminResendDelivery',
    method: 'post',
    path: `${one}/resend`,
    tag,
    summary: 'Send an event to a merchant’s endpoint once more',
    description:
      'With the same `webhook-id`. One that is still being tried stays as it is; one to an endpoint that is switched off is canceled again.',
    access: { kind: 'operator', role: 'operator' },
    answers: {
      202: { description: 'It is on its way', schema: adminDeliveryWithAttemptsResponse },
    },
    async handle(deps, { param }) {
      const { id } = await requireDelivery(deps, param('id'));
      await resendDelivery(deps.pool, id);
      return await showDelivery(deps, id, 202);
    },
  }),
];

async function requireDelivery({ pool }: ApiDeps, id: string): Promise<Delivery> {
  const delivery = isId('delivery', id) ? await findAnyDelivery(pool, id) : null;
  if (delivery === null) throw new ApiError('not_found', 'no delivery has this id');
  return delivery;
}

async function showDelivery(deps: ApiDeps, id: string, status: number) {
  const delivery = await requireDelivery(deps, id);
  const attempts = await listDeliveryAttempts(deps.pool, delivery.id);
  return { status, body: { ...presentAttempts(delivery, attempts), ...tellOperators(delivery) } };
}

function presentAny(delivery: Delivery): z.input<typeof adminDeliveryResponse> {
  return { ...presentDelivery(delivery), ...tellOperators(delivery) };
}

function tellOperators({ merchant_id, endpoint_url, endpoint_active }: Delivery) {
  return { merchant_id, endpoint_host: new URL(endpoint_url).host, endpoint_active };
}
