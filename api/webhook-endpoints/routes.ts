import { insertTestDelivery, recoverDeliveries } from '../../db/deliveries.ts';
import {
  deleteEndpoint,
  findEndpoint,
  insertEndpoint,
  listEndpoints,
  rotateSecret,
  updateEndpoint,
  type WebhookEndpoint,
} from '../../db/webhook-endpoints.ts';
import { isId } from '../../domain/id.ts';
import { isWebhookPort } from '../../domain/outgoing-event.ts';
import { isLocalHttp } from '../addresses.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError, faulty } from '../errors.ts';
import { requireRate } from '../middleware/rate-limit.ts';
import { declare, type Operation } from '../operation.ts';
import { findPage, pageOf } from '../response.ts';
import { pageQuery } from '../schema.ts';
import {
  createdEndpointResponse,
  createEndpointBody,
  endpointResponse,
  newEndpointResponse,
  presentEndpoint,
  recoverBody,
  recoveryResponse,
  testDeliveryResponse,
  updateEndpointBody,
} from './response.ts';

const tag = 'Webhook endpoints';
const reading = { kind: 'merchant', scope: 'webhook_endpoints:read' } as const;
const writing = { kind: 'merchant', scope: 'webhook_endpoints:write' } as const;
const one = '/api/v1/webhook-endpoints/{id}';
const answers = { 200: { description: 'The endpoint', schema: endpointResponse } };
const OVERLAP_MS = 24 * 3_600_000;

/** Where a merchant is told what happened. */
export const webhookEndpointOperations: readonly Operation[] = [
  declare({
    id: 'createWebhookEndpoint',
    method: 'post',
    path: '/api/v1/webhook-endpoints',
    tag,
    summary: 'Create a webhook endpoint',
    description:
      'Events are POSTed to it, signed by Standard Webhooks (`webhook-id`, `webhook-timestamp`, `webhook-signature`) with the secret that is told here once. Answer 2xx within ten seconds. Else it is tried again for about three days; an event may come twice, with one `webhook-id`. The same `url` again answers 200 with the endpoint that has it: nothing of it is changed, and its secret is not told again. If you do not have the secret, rotate it. You may have 20 endpoints, switched on or off; deleted ones do not count.',
    access: writing,
    problems: ['limit_reached'],
    body: createEndpointBody,
    answers: {
      200: {
        description: 'It was there before; without its secret',
        schema: createdEndpointResponse,
        example: { secret: null },
      },
      201: { description: 'With its secret', schema: createdEndpointResponse },
    },
    async handle(deps, { caller, body }) {
      const { endpoints_max } = deps.policies.delivery_limits;
      const next = {
        merchantId: caller.merchantId,
        url: requireUrl(deps, body.url),
        description: body.description ?? null,
        eventTypes: body.event_types,
      };
      const made = await insertEndpoint(deps.pool, deps.vault, next, endpoints_max);
      if (made === null) throw tooManyEndpoints(endpoints_max);
      const { endpoint, secret } = made;
      const status = secret === null ? 200 : 201;
      return { status, body: { ...presentEndpoint(endpoint), secret } };
    },
  }),
  declare({
    id: 'listWebhookEndpoints',
    method: 'get',
    path: '/api/v1/webhook-endpoints',
    tag,
    summary: 'List your webhook endpoints',
    access: reading,
    query: pageQuery,
    answers: { 200: { description: 'Newest first', schema: pageOf(endpointResponse) } },
    async handle({ pool }, { caller, query }) {
      const list = (limit: number, beforeId: string | null) =>
        listEndpoints(pool, caller.merchantId, { limit, beforeId });
      return {
        status: 200,
        body: await findPage('webhook_endpoint', query, list, presentEndpoint),
      };
    },
  }),
  declare({
    id: 'getWebhookEndpoint',
    method: 'get',
    path: one,
    tag,
    summary: 'See a webhook endpoint',
    access: reading,
    answers,
    handle: async (deps, call) => show(await requireEndpoint(deps, call)),
  }),
  declare({
    id: 'updateWebhookEndpoint',
    method: 'patch',
    path: one,
    tag,
    summary: 'Change a webhook endpoint, or switch it on again',
    access: writing,
    problems: ['url_taken'],
    body: updateEndpointBody,
    answers,
    async handle(deps, call) {
      const { id } = await requireEndpoint(deps, call);
      const { url, description, event_types, active } = call.body;
      const isChanged = await updateEndpoint(deps.pool, id, {
        url: url === undefined ? undefined : requireUrl(deps, url),
        description,
        eventTypes: event_types,
        active,
      });
      if (!isChanged) throw new ApiError('url_taken', 'another endpoint of yours has this url');
      return show(await requireEndpoint(deps, call));
    },
  }),
  declare({
    id: 'deleteWebhookEndpoint',
    method: 'delete',
    path: one,
    tag,
    summary: 'Delete a webhook endpoint',
    access: writing,
    answers: { 204: { description: 'It gets nothing more' } },
    async handle(deps, call) {
      await deleteEndpoint(deps.pool, (await requireEndpoint(deps, call)).id);
      return { status: 204, body: null };
    },
  }),
  declare({
    id: 'rotateWebhookSecret',
    method: 'post',
    path: `${one}/rotate-secret`,
    tag,
    summary: 'Get a new secret',
    description: 'For a day the old one signs as well, so that both verify.',
    access: writing,
    answers: { 200: { description: 'With its new secret', schema: newEndpointResponse } },
    async handle(deps, call) {
      const endpoint = await requireEndpoint(deps, call);
      const secret = await rotateSecret(deps.pool, deps.vault, endpoint.id, OVERLAP_MS);
      return { status: 200, body: { ...presentEndpoint(endpoint), secret } };
    },
  }),
  declare({
    id: 'testWebhookEndpoint',
    method: 'post',
    path: `${one}/test`,
    tag,
    summary: 'Send a test event to a webhook endpoint',
    description: 'Test events and `resend` share a limit of 300 a minute for each merchant.',
    access: writing,
    answers: {
      202: {
        description: 'It is on its way: see the delivery',
        schema: testDeliveryResponse,
      },
    },
    async handle(deps, call) {
      const { id } = await requireEndpoint(deps, call);
      const { merchantId } = call.caller;
      await requireRate(deps, 'resend', merchantId);
      const delivery_id = await insertTestDelivery(deps.pool, { id, merchantId });
      return { status: 202, body: { object: 'test', delivery_id } };
    },
  }),
  declare({
    id: 'recoverWebhookEndpoint',
    method: 'post',
    path: `${one}/recover`,
    tag,
    summary: 'Send what a webhook endpoint lacks since a time',
    description:
      'What failed, and what happened while it was switched off, of the events that it asks for. Switch it on first. It is limited to 10 times in ten minutes for each merchant.',
    access: writing,
    problems: ['endpoint_off'],
    body: recoverBody,
    answers: { 202: { description: 'So many are on their way', schema: recoveryResponse } },
    async handle(deps, call) {
      const endpoint = await requireEndpoint(deps, call);
      if (!endpoint.active) throw new ApiError('endpoint_off', 'nothing would reach it');
      await requireRate(deps, 'recover', endpoint.merchant_id);
      const deliveries = await recoverDeliveries(deps.pool, endpoint, call.body.since);
      return { status: 202, body: { object: 'recovery', deliveries } };
    },
  }),
];

function tooManyEndpoints(most: number): ApiError {
  const detail = `a merchant has at most ${most} endpoints, switched on or off: delete one first`;
  return new ApiError('limit_reached', detail);
}

function show(endpoint: WebhookEndpoint) {
  return { status: 200, body: presentEndpoint(endpoint) };
}

async function requireEndpoint(
  { pool }: ApiDeps,
  call: {
    readonly caller: { readonly merchantId: string };
    readonly param: (name: string) => string;
  },
): Promise<WebhookEndpoint> {
  const id = call.param('id');
  const isOne = isId('webhook_endpoint', id);
  const endpoint = isOne ? await findEndpoint(pool, call.caller.merchantId, id) : null;
  if (endpoint === null) throw new ApiError('not_found', 'no endpoint of yours has this id');
  return endpoint;
}

/** What its name resolves to is checked at each connection; here only what can be seen. */
function requireUrl({ allowsLoopback }: ApiDeps, text: string): string {
  const url = URL.parse(text);
  const isHttps = url?.protocol === 'https:';
  const isOwnMachine = allowsLoopback && url !== null && isLocalHttp(url);
  const isBare = url !== null && url.username === '' && url.password === '' && url.hash === '';
  const isReached = isBare && (isHttps || isOwnMachine);
  if (isReached && isWebhookPort(url.port)) return url.href;
  const detail = isReached
    ? 'must be on port 443, or 1024 and above'
    : 'must be https://, without user, password or fragment';
  throw faulty('invalid_request', [{ pointer: '/url', detail }]);
}
