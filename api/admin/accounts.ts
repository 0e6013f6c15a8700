import { z } from 'zod';
import { listApiKeys, revokeApiKey } from '../../db/api-keys.ts';
import { newId } from '../../db/ids.ts';
import {
  ensureMerchant,
  findMerchant,
  listMerchants,
  type Merchant,
  updateMerchant,
} from '../../db/merchants.ts';
import { SCOPE_NAMES } from '../../domain/access.ts';
import { isId } from '../../domain/id.ts';
import {
  apiKeyResponse,
  createApiKey,
  createApiKeyBody,
  listApiKeysQuery,
  newApiKeyResponse,
  presentApiKey,
  presentRevocation,
  revokeApiKeyQuery,
  revokedApiKeyResponse,
} from '../api-keys/response.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { declare, type Operation } from '../operation.ts';
import { createdAt, findPage, idOf, objectOf, pageOf, stringOf } from '../response.ts';
import { pageQuery, text } from '../schema.ts';
import { awaitingSecond, MONEY_SCOPES, WHO_KNOWS_A_PASSWORD, withSecond } from './two-operators.ts';

const tag = 'Operators';
const viewing = { kind: 'operator', role: 'viewer' } as const;
const ruling = { kind: 'operator', role: 'admin' } as const;
const one = '/api/v1/admin/merchants/{id}';

const merchantName = text(200).describe('The merchant’s name, 200 characters at most');
const merchantResponse = z
  .strictObject({
    id: idOf('merchant'),
    object: objectOf('merchant'),
    name: stringOf('The merchant’s name', 'Duka la Mama Njeri'),
    active: z.boolean().meta({ description: 'Whether its API keys work', example: true }),
    created_at: createdAt,
  })
  .meta({ id: 'Merchant' });
const answers = { 200: { description: 'The merchant', schema: merchantResponse } };

/** Merchants and their keys, for operators. */
export const accountOperations: readonly Operation[] = [
  declare({
    id: 'adminListMerchants',
    method: 'get',
    path: '/api/v1/admin/merchants',
    tag,
    summary: 'List merchants, newest first',
    access: viewing,
    query: pageQuery,
    answers: { 200: { description: 'A page of merchants', schema: pageOf(merchantResponse) } },
    async handle({ pool }, { query }) {
      const list = (limit: number, beforeId: string | null) => listMerchants(pool, beforeId, limit);
      return { status: 200, body: await findPage('merchant', query, list, presentMerchant) };
    },
  }),
  declare({
    id: 'adminCreateMerchant',
    method: 'post',
    path: '/api/v1/admin/merchants',
    tag,
    summary: 'Create a merchant',
    access: ruling,
    body: z.strictObject({ name: merchantName }).meta({ example: { name: 'Duka' } }),
    answers: { 201: { description: 'The merchant', schema: merchantResponse } },
    async handle(deps, { body }) {
      const id = newId('merchant');
      await ensureMerchant(deps.pool, { id, name: body.name });
      return { status: 201, body: presentMerchant(await requireMerchant(deps, id)) };
    },
  }),
  declare({
    id: 'adminGetMerchant',
    method: 'get',
    path: one,
    tag,
    summary: 'See a merchant',
    access: viewing,
    answers,
    async handle(deps, { param }) {
      return { status: 200, body: presentMerchant(await requireMerchant(deps, param('id'))) };
    },
  }),
  declare({
    id: 'adminUpdateMerchant',
    method: 'patch',
    path: one,
    tag,
    summary: 'Rename a merchant, or switch it off and on',
    description: 'Switched off, none of its keys opens anything; its open payments go on.',
    access: ruling,
    body: z
      .strictObject({
        name: merchantName.optional(),
        active: z.boolean().optional().describe('`false`: none of its API keys works'),
      })
      .meta({ example: { name: 'Duka la Mtaa' } }),
    answers,
    async handle(deps, { param, body }) {
      const { id } = await requireMerchant(deps, param('id'));
      const merchant = await updateMerchant(deps.pool, id, body);
      return { status: 200, body: presentMerchant(requireFound(merchant)) };
    },
  }),
  declare({
    id: 'adminListApiKeys',
    method: 'get',
    path: `${one}/api-keys`,
    tag,
    summary: 'List a merchant’s API keys, newest first',
    description: '`created_by` tells which key or operator made which.',
    access: viewing,
    query: listApiKeysQuery,
    answers: { 200: { description: 'A page of keys', schema: pageOf(apiKeyResponse) } },
    async handle(deps, { param, query }) {
      const { id } = await requireMerchant(deps, param('id'));
      const isLiveOnly = query.status === 'live';
      const list = (limit: number, beforeId: string | null) =>
        listApiKeys(deps.pool, id, { isLiveOnly, beforeId, limit });
      return { status: 200, body: await findPage('api_key', query, list, presentApiKey) };
    },
  }),
  declare({
    id: 'adminCreateApiKey',
    method: 'post',
    path: `${one}/api-keys`,
    tag,
    summary: 'Create an API key for a merchant',
    description: `One that may give money back or say where it goes (${MONEY_SCOPES.join(', ')}) takes two admins who send the same request; the second is told the key. Without \`scopes\` it gets all of them. ${WHO_KNOWS_A_PASSWORD}`,
    access: ruling,
    body: createApiKeyBody,
    answers: {
      201: { description: 'The key, told once', schema: newApiKeyResponse },
      202: awaitingSecond,
    },
    problems: ['limit_reached', 'already_agreed'],
    async handle(deps, { param, body, caller: { operatorId } }) {
      const { id, created_at: madeAt } = await requireMerchant(deps, param('id'));
      const { name, scopes = SCOPE_NAMES, expires_at = null } = body;
      const summary = { name, scopes: [...scopes], expires_at };
      const about = { scopes };
      const action = 'adminCreateApiKey';
      const asked = { action, about, subjectId: id, madeAt, request: summary, summary } as const;
      return await withSecond(deps, operatorId, asked, async (db) => ({
        status: 201,
        body: await createApiKey(db, deps, id, body, operatorId),
      }));
    },
  }),
  declare({
    id: 'adminRevokeApiKey',
    method: 'delete',
    path: `${one}/api-keys/{key_id}`,
    tag,
    summary: 'Revoke a merchant’s API key, and the keys that were made with it',
    access: ruling,
    query: revokeApiKeyQuery,
    answers: { 200: { description: 'The revoked key', schema: revokedApiKeyResponse } },
    async handle(deps, { param, query }) {
      const { id: merchantId } = await requireMerchant(deps, param('id'));
      const id = param('key_id');
      if (!isId('api_key', id)) throw new ApiError('not_found', 'the merchant has no such key');
      const keepsDescendants = query.descendants === 'keep';
      const asked = { merchantId, id, by: null, keepsDescendants };
      return { status: 200, body: presentRevocation(await revokeApiKey(deps.pool, asked)) };
    },
  }),
];

async function requireMerchant({ pool }: ApiDeps, id: string): Promise<Merchant> {
  return requireFound(isId('merchant', id) ? await findMerchant(pool, id) : null);
}

function requireFound(merchant: Merchant | null): Merchant {
  if (merchant === null) throw new ApiError('not_found', 'no merchant has this id');
  return merchant;
}

function presentMerchant({
  id,
  name,
  active,
  created_at,
}: Merchant): z.input<typeof merchantResponse> {
  return { id, object: 'merchant', name, active, created_at };
}
