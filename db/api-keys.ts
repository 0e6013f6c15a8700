import { z } from 'zod';
import { isScope, type Scope } from '../domain/access.ts';
import { hashApiKey, hintOf } from './api-key.ts';
import { newId } from './ids.ts';
import { notifyAccessChanged } from './listener.ts';
import type { Connection } from './pool.ts';
import { sql } from './sql.ts';

const apiKeyRow = z.object({
  id: z.string(),
  merchant_id: z.string(),
  name: z.string(),
  prefix: z.string(),
  scopes: z.array(z.string()).transform((names) => names.filter(isScope)),
  expires_at: z.string().nullable(),
  revoked_at: z.string().nullable(),
  last_used_at: z.string().nullable(),
  created_by: z.string().nullable(),
  created_at: z.string(),
});
export type ApiKey = z.infer<typeof apiKeyRow>;
const API_KEY = sql.fragment`id, merchant_id, name, prefix, scopes, expires_at, revoked_at,
  last_used_at, created_by, created_at`;
const IS_LIVE = sql.fragment`revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`;

export type NewApiKey = {
  readonly merchantId: string;
  readonly apiKey: string;
  readonly scopes: readonly Scope[];
  readonly name: string;
  readonly expiresAt: string | null;
  /** The id of the key or operator that asked for it. */
  readonly createdBy: string;
  /** How many good keys the merchant may have. */
  readonly liveMax: number;
};

export type ApiKeyInsertion =
  | { readonly kind: 'inserted'; readonly key: ApiKey }
  | { readonly kind: 'too_many' }
  /** The key that asked has been revoked, or has ended. */
  | { readonly kind: 'creator_ended' };

/**
 * Stores a new key's hash; the key itself is never stored. Under the lock of the merchant's keys: a
 * key that is being revoked makes no other, and two creates at once are counted one by one.
 */
export function insertApiKey(db: Connection, next: NewApiKey): Promise<ApiKeyInsertion> {
  const { merchantId, apiKey, createdBy } = next;
  return db.transaction(async (tx) => {
    await lockKeys(tx, merchantId);
    if (await hasEnded(tx, createdBy)) return { kind: 'creator_ended' };
    const { live } = await tx.one(sql.type(z.object({ live: z.int() }))`
      SELECT count(id) AS live FROM api_keys WHERE merchant_id = ${merchantId} AND ${IS_LIVE}`);
    if (live >= next.liveMax) return { kind: 'too_many' };
    const key = await tx.one(sql.type(apiKeyRow)`
      INSERT INTO api_keys (id, merchant_id, prefix, hash, scopes, name, expires_at, created_by)
      VALUES (${newId('api_key')}, ${merchantId}, ${hintOf(apiKey)},
        ${sql.binary(hashApiKey(apiKey))}, ${sql.array([...next.scopes], 'text')}, ${next.name},
        ${next.expiresAt}, ${createdBy})
      RETURNING ${API_KEY}`);
    return { kind: 'inserted', key };
  });
}

/** One change of a merchant's keys at a time. It keeps no payment waiting. */
async function lockKeys(tx: Connection, merchantId: string): Promise<void> {
  await tx.query(sql.typeAlias('id')`
    SELECT id FROM merchants WHERE id = ${merchantId} FOR NO KEY UPDATE`);
}

/** Of a key's id, whether it is good no more; false for an operator's. */
async function hasEnded(tx: Connection, id: string): Promise<boolean> {
  const ended = await tx.maybeOne(sql.typeAlias('id')`
    SELECT id FROM api_keys WHERE id = ${id} AND NOT (${IS_LIVE})`);
  return ended !== null;
}

/** A merchant's keys, newest first. @param page.beforeId the last of the page before. */
export async function listApiKeys(
  db: Connection,
  merchantId: string,
  page: {
    readonly isLiveOnly: boolean;
    readonly beforeId: string | null;
    readonly limit: number;
  },
): Promise<readonly ApiKey[]> {
  return await db.any(sql.type(apiKeyRow)`
    SELECT ${API_KEY} FROM api_keys WHERE merchant_id = ${merchantId}
      AND (${page.beforeId}::text IS NULL OR id < ${page.beforeId})
      AND (NOT ${page.isLiveOnly} OR ${IS_LIVE})
    ORDER BY id DESC LIMIT ${page.limit}`);
}

export type Revocation =
  | {
      readonly kind: 'revoked';
      readonly key: ApiKey;
      /** The ids of those that were revoked with it, oldest first. */
      readonly descendants: readonly string[];
    }
  | { readonly kind: 'unknown' }
  /** It holds these scopes, which the key that asked does not. */
  | { readonly kind: 'wider'; readonly scopes: readonly Scope[] }
  /** The key that asked has been revoked meanwhile. */
  | { readonly kind: 'caller_ended' };

/**
 * Revokes a key, and all that it made and those made: a thief makes others of a stolen key. From
 * now on they open nothing.
 * @param asked.by the key that asks; null for an operator. It may revoke itself and what holds no
 * scope beyond its own, as all that it made does. Where another key takes the place of the one that
 * made it, it stays, and so does what it made itself.
 */
export function revokeApiKey(
  db: Connection,
  asked: {
    readonly merchantId: string;
    readonly id: string;
    readonly by: { readonly apiKeyId: string; readonly scopes: readonly Scope[] } | null;
    readonly keepsDescendants: boolean;
  },
): Promise<Revocation> {
  const { merchantId, id, by, keepsDescendants } = asked;
  return db.transaction(async (tx) => {
    await lockKeys(tx, merchantId);
    if (by !== null && (await hasEnded(tx, by.apiKeyId))) return { kind: 'caller_ended' };
    const key = await tx.maybeOne(sql.type(apiKeyRow)`
      SELECT ${API_KEY} FROM api_keys WHERE id = ${id} AND merchant_id = ${merchantId}`);
    if (key === null) return { kind: 'unknown' };
    const isOwn = by?.apiKeyId === id;
    const beyond = key.scopes.filter((scope) => by?.scopes.includes(scope) === false);
    if (!isOwn && beyond.length > 0) return { kind: 'wider', scopes: beyond };
    const spared = isOwn ? null : (by?.apiKeyId ?? null);
    const revoked = await tx.any(sql.type(apiKeyRow)`
      WITH RECURSIVE line (id) AS (
        VALUES (${id})
        UNION
        SELECT k.id FROM line JOIN api_keys k ON k.created_by = line.id
        WHERE NOT ${keepsDescendants} AND k.merchant_id = ${merchantId}
          AND k.id IS DISTINCT FROM ${spared}::text)
      UPDATE api_keys SET revoked_at = now()
      WHERE id IN (SELECT id FROM line) AND revoked_at IS NULL RETURNING ${API_KEY}`);
    if (revoked.length > 0) await notifyAccessChanged(tx, merchantId);
    const descendants = revoked.map((it) => it.id).filter((it) => it !== id);
    const current = revoked.find((it) => it.id === id) ?? key;
    return { kind: 'revoked', key: current, descendants: descendants.toSorted() };
  });
}
