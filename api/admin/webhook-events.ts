import { z } from 'zod';
import { webhookEventRow } from '../../db/rows.ts';
import {
  findCallback,
  listCallbacks,
  openCallbackBody,
  replayCallback,
  resolveCallback,
  type StoredCallback,
} from '../../db/stored-callbacks.ts';
import { isId } from '../../domain/id.ts';
import { isUnreadable } from '../../domain/webhook-event.ts';
import { isProviderName, PROVIDER_NAMES } from '../../providers/index.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { declare, type Operation } from '../operation.ts';
import { providerName } from '../payments/response.ts';
import {
  EXAMPLE_WORKFLOW,
  exampleId,
  findPage,
  idOf,
  objectOf,
  pageOf,
  stringOf,
  stringOrNullOf,
  textMap,
  textOrNull,
  time,
  timeOrNullOf,
} from '../response.ts';
import { pageQuery, text } from '../schema.ts';

const tag = 'Operators';
const viewing = { kind: 'operator', role: 'viewer' } as const;
const acting = { kind: 'operator', role: 'operator' } as const;
const one = '/api/v1/admin/webhook-events/{id}';
const status = webhookEventRow.shape.status;

const callbackResponse = z
  .strictObject({
    id: idOf('event'),
    object: objectOf('webhook_event'),
    provider: providerName,
    account: textOrNull.meta({ description: 'Whose signature proved it; null: a token did' }),
    event_key: stringOf(
      'What makes it one event, however often it is sent',
      'ws_CO_24112026090000123456',
    ),
    status: status.meta({
      description: 'What became of it. `parked`: a person has to look at it',
      example: 'applied',
    }),
    payment_id: stringOrNullOf(
      'The payment that it is about; null: not known',
      exampleId('payment'),
    ),
    workflow_id: stringOrNullOf(
      'The workflow that it was delivered to; null: none',
      EXAMPLE_WORKFLOW,
    ),
    event_kind: stringOrNullOf('The kind of event; null when it could not be read', 'succeeded'),
    headers: textMap.meta({
      description: 'The request’s headers that are kept',
      example: { 'content-type': 'application/json' },
    }),
    verified_by: stringOf('What proved the sender: `token` or `signature`', 'token'),
    remote_address: stringOrNullOf('The address that it came from', '203.0.113.7'),
    note: textOrNull.describe('Why it is where it is, in words'),
    duplicate_count: z.int().describe('How often it came again'),
    delivery_count: z.int().describe('How often it was delivered to its workflow'),
    replay_count: z.int().describe('How often an operator had it delivered again'),
    delivered_at: timeOrNullOf('When it was last delivered to its workflow'),
    received_at: time.describe('When it came, in UTC'),
    applied_at: timeOrNullOf('When it changed the payment; null: it did not'),
  })
  .meta({ id: 'WebhookEvent' });
const answers = { 200: { description: 'The callback', schema: callbackResponse } };

/** What providers sent us: where it stands, its bytes, and doing it again. */
export const webhookEventOperations: readonly Operation[] = [
  declare({
    id: 'adminListWebhookEvents',
    method: 'get',
    path: '/api/v1/admin/webhook-events',
    tag,
    summary: 'List providers’ callbacks, newest first',
    access: viewing,
    query: pageQuery.extend({
      status: status.optional(),
      provider: z
        .string()
        .refine(isProviderName, 'no such provider')
        .optional()
        .meta({ enum: PROVIDER_NAMES }),
      payment_id: text(100).optional(),
    }),
    answers: { 200: { description: 'A page', schema: pageOf(callbackResponse) } },
    async handle({ pool }, { query }) {
      const filter = {
        status: query.status ?? null,
        provider: query.provider ?? null,
        paymentId: query.payment_id ?? null,
      };
      const list = (limit: number, beforeId: string | null) =>
        listCallbacks(pool, { ...filter, beforeId, limit });
      return { status: 200, body: await findPage('event', query, list, presentCallback) };
    },
  }),
  declare({
    id: 'adminGetWebhookEvent',
    method: 'get',
    path: one,
    tag,
    summary: 'See a callback',
    access: viewing,
    answers,
    async handle(deps, { param }) {
      return { status: 200, body: presentCallback(await requireCallback(deps, param('id'))) };
    },
  }),
  declare({
    id: 'adminGetWebhookEventBody',
    method: 'get',
    path: `${one}/body`,
    tag,
    summary: 'See a callback’s bytes as they came',
    description: 'They may hold personal data, such as the payer’s phone.',
    access: { kind: 'operator', role: 'admin' },
    audited: true,
    answers: { 200: { description: 'The bytes', contentType: 'application/octet-stream' } },
    problems: ['not_readable'],
    async handle({ pool, vault }, { param }) {
      const id = param('id');
      const body = isId('event', id) ? await openCallbackBody(pool, vault, id) : null;
      if (body === null) throw notFound();
      if (body === 'unreadable') {
        throw new ApiError('not_readable', 'the bytes are kept, and cannot be opened');
      }
      return { status: 200, body };
    },
  }),
  declare({
    id: 'adminReplayWebhookEvent',
    method: 'post',
    path: `${one}/replay`,
    tag,
    summary: 'Deliver a callback to its payment once more',
    description:
      'The payment’s own table judges it anew, so what it said before changes nothing. The reason is kept with the act.',
    access: acting,
    body: z
      .strictObject({
        reason: text(500).describe('Why it is delivered again, 500 characters at most'),
      })
      .meta({ example: { reason: 'the database was put back to before it' } }),
    answers,
    problems: ['not_replayable'],
    async handle(deps, { param }) {
      const { id, event, payment_id } = await requireCallback(deps, param('id'));
      if (event === null || payment_id === null) {
        throw new ApiError('not_replayable', 'it names no payment that its sender may speak of');
      }
      if (isUnreadable(event)) {
        const detail =
          'it could not be read, so there is nothing to deliver; its payment or refund was told to ask the provider';
        throw new ApiError('not_replayable', detail);
      }
      await replayCallback(deps.pool, id);
      return { status: 200, body: presentCallback(await requireCallback(deps, id)) };
    },
  }),
  declare({
    id: 'adminResolveWebhookEvent',
    method: 'post',
    path: `${one}/resolve`,
    tag,
    summary: 'Close a parked callback',
    access: acting,
    body: z
      .strictObject({
        reason: text(500).describe('Why nothing has to be done, 500 characters at most'),
      })
      .meta({ example: { reason: 'a test of the provider’s' } }),
    answers,
    problems: ['not_parked'],
    async handle(deps, { param, body, caller }) {
      const { id } = await requireCallback(deps, param('id'));
      const note = `${caller.operatorId}: ${body.reason}`;
      if (!(await resolveCallback(deps.pool, id, note))) {
        const { status: standing } = await requireCallback(deps, id);
        throw new ApiError('not_parked', `nothing was closed: it is ${standing}`);
      }
      return { status: 200, body: presentCallback(await requireCallback(deps, id)) };
    },
  }),
];

function notFound(): ApiError {
  return new ApiError('not_found', 'no callback has this id');
}

async function requireCallback({ pool }: ApiDeps, id: string): Promise<StoredCallback> {
  const callback = isId('event', id) ? await findCallback(pool, id) : null;
  if (callback === null) throw notFound();
  return callback;
}

function presentCallback(callback: StoredCallback): z.input<typeof callbackResponse> {
  const { event, error, ...rest } = callback;
  const kind = event === null || isUnreadable(event) ? null : event.kind;
  return { object: 'webhook_event', ...rest, event_kind: kind, note: error };
}
