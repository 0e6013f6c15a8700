import { z } from 'zod';
import { KEY_MODES, makeApiKey } from '../../db/api-key.ts';
import { type ApiKey, insertApiKey, type Revocation } from '../../db/api-keys.ts';
import type { Connection } from '../../db/pool.ts';
import { SCOPE_NAMES, SCOPES } from '../../domain/access.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import {
  createdAt,
  exampleId,
  explain,
  idOf,
  objectOf,
  stringOf,
  timeOrNull,
  timeOrNullOf,
} from '../response.ts';
import { moment, pageQuery, text } from '../schema.ts';

export const createApiKeyBody = z
  .strictObject({
    name: text(100).meta({
      description: 'Who uses the key, in your own words, 100 characters at most',
      example: 'Web shop, 2026',
    }),
    scopes: z
      .array(z.enum(SCOPE_NAMES))
      .min(1)
      .optional()
      .describe(`${explain('What the key may do', SCOPES)}\n\nLeft out, all that may be given`),
    expires_at: moment
      .optional()
      .describe('When the key ends by itself, such as 2026-11-24T09:00:00Z; left out: never'),
  })
  .meta({ example: { name: 'Web shop, 2026', scopes: ['payments:read', 'payments:write'] } });

export const apiKeyResponse = z
  .strictObject({
    id: idOf('api_key'),
    object: objectOf('api_key'),
    merchant_id: idOf('merchant', 'Whose key it is'),
    name: stringOf('Who uses it, in your own words', 'Web shop, 2026'),
    hint: stringOf('How it begins', 'sk_test_4Xk9…'),
    scopes: z.array(z.enum(SCOPE_NAMES)).meta({
      description: explain('What it may do', SCOPES),
      example: ['payments:read', 'payments:write'],
    }),
    expires_at: timeOrNull.describe('When it ends by itself; null: never'),
    revoked_at: timeOrNull.describe('When it was revoked; null: it was not'),
    last_used_at: timeOrNullOf('When it was last used; null: not yet'),
    created_by: z
      .string()
      .nullable()
      .describe('The id of the key or operator that created it; null: the command line did'),
    created_at: createdAt,
  })
  .meta({ id: 'ApiKey' });

export const revokedApiKeyResponse = apiKeyResponse
  .extend({
    revoked_descendants: z.array(z.string()).meta({
      description: 'The ids of the keys that were revoked with it, oldest first',
      example: [exampleId('api_key')],
    }),
  })
  .meta({ id: 'RevokedApiKey' });

export const listApiKeysQuery = pageQuery.extend({
  status: z
    .literal('live')
    .optional()
    .meta({ description: 'Only those that are neither revoked nor have ended' }),
});

export const revokeApiKeyQuery = z.strictObject({
  descendants: z.enum(['revoke', 'keep']).default('revoke').meta({
    description:
      'What becomes of the keys that it made, and that those made: they are revoked as well, unless `keep` is sent',
  }),
});

/** Told once, at its creation. */
export const newApiKeyResponse = apiKeyResponse
  .extend({ key: stringOf('Shown this once', 'sk_test_4Xk9…') })
  .meta({ id: 'ApiKeyWithSecret' });

export function presentApiKey(key: ApiKey): z.input<typeof apiKeyResponse> {
  const { id, merchant_id, name, prefix, scopes, ...rest } = key;
  return {
    id,
    object: 'api_key',
    merchant_id,
    name,
    hint: prefix,
    scopes: [...scopes],
    expires_at: rest.expires_at,
    revoked_at: rest.revoked_at,
    last_used_at: rest.last_used_at,
    created_by: rest.created_by,
    created_at: rest.created_at,
  };
}

/**
 * Makes a key.
 * @param createdBy the id of the key or operator that asked.
 * @throws ApiError limit_reached, unauthorized.
 */
export async function createApiKey(
  db: Connection,
  { environment, policies }: Pick<ApiDeps, 'environment' | 'policies'>,
  merchantId: string,
  body: z.output<typeof createApiKeyBody>,
  createdBy: string,
): Promise<z.input<typeof newApiKeyResponse>> {
  const apiKey = makeApiKey(KEY_MODES[environment]);
  const liveMax = policies.api.live_keys_max;
  const made = await insertApiKey(db, {
    merchantId,
    apiKey,
    name: body.name,
    scopes: body.scopes ?? SCOPE_NAMES,
    expiresAt: body.expires_at ?? null,
    createdBy,
    liveMax,
  });
  if (made.kind === 'creator_ended') throw callerEnded();
  if (made.kind === 'too_many') {
    const detail = `the merchant has ${liveMax} keys that are good, and may have no more: revoke one that nobody uses`;
    throw new ApiError('limit_reached', detail);
  }
  return { ...presentApiKey(made.key), key: apiKey };
}

/** @throws ApiError not_found, forbidden, unauthorized. */
export function presentRevocation(revocation: Revocation): z.input<typeof revokedApiKeyResponse> {
  if (revocation.kind === 'unknown') throw new ApiError('not_found', 'there is no such key here');
  if (revocation.kind === 'caller_ended') throw callerEnded();
  if (revocation.kind === 'wider') {
    const lacking = revocation.scopes.join(', ');
    const detail = `the key holds ${lacking}, which the calling key lacks: revoke it with one that has all of its scopes, or with the key itself`;
    throw new ApiError('forbidden', detail);
  }
  const { key, descendants } = revocation;
  return { ...presentApiKey(key), revoked_descendants: [...descendants] };
}

function callerEnded(): ApiError {
  return new ApiError('unauthorized', 'the calling key was revoked or has ended: use another one');
}
