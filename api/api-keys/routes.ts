import { listApiKeys, revokeApiKey } from '../../db/api-keys.ts';
import type { MerchantCaller } from '../../domain/access.ts';
import { isId } from '../../domain/id.ts';
import { ApiError } from '../errors.ts';
import { declare, type Operation } from '../operation.ts';
import { findPage, pageOf } from '../response.ts';
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
} from './response.ts';

const tag = 'API keys';
const writing = { kind: 'merchant', scope: 'api_keys:write' } as const;

/** A merchant's own keys. Several may be good at once, so that one can take another's place. */
export const apiKeyOperations: readonly Operation[] = [
  declare({
    id: 'listApiKeys',
    method: 'get',
    path: '/api/v1/api-keys',
    tag,
    summary: 'List your API keys, newest first',
    description: '`created_by` tells which key made which.',
    access: { kind: 'merchant', scope: 'api_keys:read' },
    query: listApiKeysQuery,
    answers: { 200: { description: 'A page of keys', schema: pageOf(apiKeyResponse) } },
    async handle({ pool }, { caller, query }) {
      const isLiveOnly = query.status === 'live';
      const list = (limit: number, beforeId: string | null) =>
        listApiKeys(pool, caller.merchantId, { isLiveOnly, beforeId, limit });
      return { status: 200, body: await findPage('api_key', query, list, presentApiKey) };
    },
  }),
  declare({
    id: 'createApiKey',
    method: 'post',
    path: '/api/v1/api-keys',
    tag,
    summary: 'Create an API key',
    description:
      'It is told once. It gets no scope that the calling key lacks, ends no later, and is revoked with it. A merchant has 50 good keys at most, unless `api.live_keys_max` of the policies says otherwise.',
    access: writing,
    body: createApiKeyBody,
    answers: { 201: { description: 'The key', schema: newApiKeyResponse } },
    problems: ['limit_reached'],
    async handle(deps, { caller, body }) {
      const scopes = body.scopes ?? [...caller.scopes];
      const beyond = scopes.filter((scope) => !caller.scopes.includes(scope));
      if (beyond.length > 0) {
        throw new ApiError('forbidden', `the calling key lacks ${beyond.join(', ')} itself`);
      }
      const asked = { ...body, scopes, expires_at: capExpiry(caller, body.expires_at) };
      const { merchantId, apiKeyId } = caller;
      const made = await createApiKey(deps.pool, deps, merchantId, asked, apiKeyId);
      return { status: 201, body: made };
    },
  }),
  declare({
    id: 'revokeApiKey',
    method: 'delete',
    path: '/api/v1/api-keys/{id}',
    tag,
    summary: 'Revoke an API key',
    description:
      'It opens nothing from now on, and neither do the keys that it made, and that those made: a thief makes others of a stolen key. A key revokes itself and those that hold no scope beyond its own. To replace a key, make the next one with it and revoke it with the next one, which stays.',
    access: writing,
    query: revokeApiKeyQuery,
    answers: { 200: { description: 'The revoked key', schema: revokedApiKeyResponse } },
    async handle({ pool }, { caller, param, query }) {
      const id = param('id');
      if (!isId('api_key', id)) throw new ApiError('not_found', 'no key of yours has this id');
      const keepsDescendants = query.descendants === 'keep';
      const { merchantId } = caller;
      const asked = { merchantId, id, by: caller, keepsDescendants };
      return { status: 200, body: presentRevocation(await revokeApiKey(pool, asked)) };
    },
  }),
];

/** As long as the calling key is good, unless a shorter time is asked for. */
function capExpiry({ expiresAtMs }: MerchantCaller, asked: string | undefined): string | undefined {
  if (expiresAtMs === null) return asked;
  const own = new Date(expiresAtMs).toISOString();
  if (asked === undefined) return own;
  if (Date.parse(asked) <= expiresAtMs) return asked;
  throw new ApiError('forbidden', `the calling key itself ends at ${own}`);
}
