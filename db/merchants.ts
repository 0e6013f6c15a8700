import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { isScope, SCOPE_NAMES, type Scope } from '../domain/access.ts';
import { newId } from './ids.ts';
import type { Connection } from './pool.ts';
import { sql } from './sql.ts';

const authenticationRow = z.object({
  id: z.string(),
  merchant_id: z.string(),
  hash: z.instanceof(Uint8Array),
  scopes: z.array(z.string()).transform((scopes) => scopes.filter(isScope)),
});
export type Authentication = {
  readonly apiKeyId: string;
  readonly merchantId: string;
  readonly scopes: readonly Scope[];
};

/** What is stored of a key. Keys are random, so a plain SHA-256 cannot be guessed back. */
function hashApiKey(apiKey: string): Buffer {
  return createHash('sha256').update(apiKey).digest();
}

/** Creates a merchant, or keeps the one that is there. */
export async function ensureMerchant(
  db: Connection,
  merchant: { readonly id: string; readonly name: string },
): Promise<void> {
  await db.query(sql.typeAlias('none')`
    INSERT INTO merchants (id, name) VALUES (${merchant.id}, ${merchant.name})
    ON CONFLICT (id) DO NOTHING`);
}

/** Stores a key's hash; the key itself is never stored. The same key again changes nothing. */
export async function ensureApiKey(
  db: Connection,
  key: {
    readonly merchantId: string;
    readonly apiKey: string;
    readonly scopes?: readonly Scope[];
  },
): Promise<void> {
  await db.query(sql.typeAlias('none')`
    INSERT INTO api_keys (id, merchant_id, prefix, hash, scopes)
    VALUES (${newId('api_key')}, ${key.merchantId}, ${key.apiKey.slice(0, 12)},
      ${sql.binary(hashApiKey(key.apiKey))}, ${sql.array([...(key.scopes ?? SCOPE_NAMES)], 'text')})
    ON CONFLICT (hash) DO NOTHING`);
}

/** Whose key this is; null when it is unknown, revoked or expired. */
export async function authenticate(db: Connection, apiKey: string): Promise<Authentication | null> {
  const hash = hashApiKey(apiKey);
  const row = await db.maybeOne(sql.type(authenticationRow)`
    WITH key AS (
      SELECT id, merchant_id, hash, scopes FROM api_keys
      WHERE hash = ${sql.binary(hash)} AND revoked_at IS NULL
        AND (expires_at IS NULL OR expires_at > now())),
    touched AS (
      UPDATE api_keys SET last_used_at = now() WHERE id = (SELECT id FROM key)
        AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute'))
    SELECT * FROM key`);
  if (row === null || !timingSafeEqual(hash, row.hash)) return null;
  return { apiKeyId: row.id, merchantId: row.merchant_id, scopes: row.scopes };
}
