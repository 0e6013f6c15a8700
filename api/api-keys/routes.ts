import { listApiKeys, revokeApiKey } from '../../db/merchants.ts';
import type { MerchantCaller } from '../../domain/access.ts';
import { isId } from '../../domain/id.ts';
import { ApiError } from '../errors.ts';
import { declare, type Operation } from '../operation.ts';
import { presentWholeList, wholeListOf } from '../shape.ts';
import {
  apiKeyShape,
  createApiKey,
  createApiKeyBody,
  newApiKeyShape,
  presentApiKey,
} from './shape.ts';

const tag = 'API keys';
const writing = { kind: 'merchant', scope: 'api_keys:write' } as const;

/** A merchant's own keys. Several may be good at once, so that one can take another's place. */
export const apiKeyOperations: readonly Operation[] = [
  declare({
    id: 'listApiKeys',
    method: 'get',
    path: '/api/v1/api-keys',
    tag,
    summary: 'List your API keys',
    access: { kind: 'merchant', scope: 'api_keys:read' },
    answers: { 200: { description: 'Newest first', schema: wholeListOf(apiKeyShape) } },
    async handle({ pool }, { caller }) {
      const keys = await listApiKeys(pool, caller.merchantId);
      return { status: 200, body: presentWholeList(keys.map(presentApiKey)) };
    },
  }),
  declare({
    id: 'createApiKey',
    method: 'post',
    path: '/api/v1/api-keys',
    tag,
    summary: 'Create an API key',
    description:
      'It is told once. It gets no scope that the calling key lacks, and does not outlive it.',
    access: writing,
    body: createApiKeyBody,
    answers: { 201: { description: 'The key', schema: newApiKeyShape } },
    async handle(deps, { caller, body }) {
      const scopes = body.scopes ?? [...caller.scopes];
      const beyond = scopes.filter((scope) => !caller.scopes.includes(scope));
      if (beyond.length > 0) {
        throw new ApiError('forbidden', `the calling key lacks ${beyond.join(', ')} itself`);
      }
      const asked = { ...body, scopes, expires_at: capExpiry(caller, body.expires_at) };
      const made = await createApiKey(deps, caller.merchantId, asked, caller.apiKeyId);
      return { status: 201, body: made };
    },
  }),
  declare({
    id: 'revokeApiKey',
    method: 'delete',
    path: '/api/v1/api-keys/{id}',
    tag,
    summary: 'Revoke an API key',
    description: 'It opens nothing from now on.',
    access: writing,
    answers: { 200: { description: 'The revoked key', schema: apiKeyShape } },
    async handle({ pool }, { caller, param }) {
      const id = param('id');
      const key = isId('api_key', id) ? await revokeApiKey(pool, caller.merchantId, id) : null;
      if (key === null) throw new ApiError('not_found', 'no key of yours has this id');
      return { status: 200, body: presentApiKey(key) };
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
