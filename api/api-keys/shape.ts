import { z } from 'zod';
import { KEY_MODES, makeApiKey } from '../../db/api-key.ts';
import { type ApiKey, ensureApiKey } from '../../db/merchants.ts';
import { SCOPE_NAMES } from '../../domain/access.ts';
import type { ApiDeps } from '../deps.ts';
import { moment, text } from '../schema.ts';
import { time, timeOrNull } from '../shape.ts';

export const createApiKeyBody = z
  .strictObject({
    name: text(100).meta({ example: 'Web shop, 2026' }),
    scopes: z.array(z.enum(SCOPE_NAMES)).min(1).optional(),
    expires_at: moment.optional(),
  })
  .meta({ example: { name: 'Web shop, 2026', scopes: ['payments:read', 'payments:write'] } });

export const apiKeyShape = z
  .strictObject({
    id: z.string(),
    object: z.literal('api_key'),
    merchant_id: z.string(),
    name: z.string(),
    hint: z.string().meta({ description: 'How it begins', example: 'sk_test_4Xk9…' }),
    scopes: z.array(z.enum(SCOPE_NAMES)),
    expires_at: timeOrNull,
    revoked_at: timeOrNull,
    last_used_at: timeOrNull,
    created_by: z.string().nullable(),
    created_at: time,
  })
  .meta({ id: 'ApiKey' });

/** Told once, at its creation. */
export const newApiKeyShape = apiKeyShape
  .extend({ key: z.string().meta({ description: 'Shown this once' }) })
  .meta({ id: 'NewApiKey' });

export function presentApiKey(key: ApiKey): z.input<typeof apiKeyShape> {
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

/** Makes a key. @param createdBy the id of the key or operator that asked. */
export async function createApiKey(
  { pool, environment }: ApiDeps,
  merchantId: string,
  body: z.output<typeof createApiKeyBody>,
  createdBy: string,
): Promise<z.input<typeof newApiKeyShape>> {
  const apiKey = makeApiKey(KEY_MODES[environment]);
  const stored = await ensureApiKey(pool, {
    merchantId,
    apiKey,
    name: body.name,
    scopes: body.scopes ?? SCOPE_NAMES,
    expiresAt: body.expires_at ?? null,
    createdBy,
  });
  if (stored === null) throw new Error('a new key cannot be there already');
  return { ...presentApiKey(stored), key: apiKey };
}
