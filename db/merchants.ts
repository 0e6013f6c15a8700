import { timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { isScope, SCOPE_NAMES, type Scope } from '../domain/access.ts';
import { hashApiKey, hintOf } from './api-key.ts';
import { newId } from './ids.ts';
import { notifyAccessChanged } from './listener.ts';
import type { Connection } from './pool.ts';
import { sql } from './sql.ts';
import { isReadOnly } from './unavailable.ts';

const scopes = z.array(z.string()).transform((names) => names.filter(isScope));
const authenticationRow = z.object({
  id: z.string(),
  merchant_id: z.string(),
  hash: z.instanceof(Uint8Array),
  scopes,
  expires_at: z.string().nullable(),
});
export type Authentication = {
  readonly apiKeyId: string;
  readonly merchantId: string;
  readonly scopes: readonly Scope[];
  readonly expiresAtMs: number | null;
};

const merchantRow = z.object({
  id: z.string(),
  name: z.string(),
  active: z.boolean(),
  created_at: z.string(),
});
export type Merchant = z.infer<typeof merchantRow>;

/** Creates a merchant, or keeps the one that is there. */
export async function ensureMerchant(
  db: Connection,
  merchant: { readonly id: string; readonly name: string },
): Promise<void> {
  await db.query(sql.typeAlias('none')`
    INSERT INTO merchants (id, name) VALUES (${merchant.id}, ${merchant.name})
    ON CONFLICT (id) DO NOTHING`);
}

export async function findMerchant(db: Connection, id: string): Promise<Merchant | null> {
  return await db.maybeOne(sql.type(merchantRow)`
    SELECT id, name, active, created_at FROM merchants WHERE id = ${id}`);
}

/** When the first merchant was made; null while there is none. */
export async function findFirstEnrollment(db: Connection): Promise<string | null> {
  const row = await db.one(sql.type(z.object({ at: z.string().nullable() }))`
    SELECT min(created_at) AS at FROM merchants`);
  return row.at;
}

/** Newest first. @param beforeId the last of the page before. */
export async function listMerchants(
  db: Connection,
  beforeId: string | null,
  limit: number,
): Promise<readonly Merchant[]> {
  return await db.any(sql.type(merchantRow)`
    SELECT id, name, active, created_at FROM merchants
    WHERE ${beforeId}::text IS NULL OR id < ${beforeId} ORDER BY id DESC LIMIT ${limit}`);
}

/** Changes what is given. Null when there is none. A merchant switched off gets no request in. */
export async function updateMerchant(
  db: Connection,
  id: string,
  changes: { readonly name?: string | undefined; readonly active?: boolean | undefined },
): Promise<Merchant | null> {
  const merchant = await db.maybeOne(sql.type(merchantRow)`
    UPDATE merchants SET name = coalesce(${changes.name ?? null}, name),
      active = coalesce(${changes.active ?? null}::boolean, active)
    WHERE id = ${id} RETURNING id, name, active, created_at`);
  if (merchant?.active === false) await notifyAccessChanged(db, id);
  return merchant;
}

/**
 * Stores a given key's hash, for the command line, a sandbox or demo data; the same key again
 * changes nothing. Keys that the API makes are counted, see `insertApiKey`.
 * @returns the key's id; null where the key was there.
 */
export async function ensureApiKey(
  db: Connection,
  key: {
    readonly merchantId: string;
    readonly apiKey: string;
    readonly scopes?: readonly Scope[];
    readonly name?: string;
    readonly expiresAt?: string | null;
    readonly createdBy?: string;
  },
): Promise<{ readonly id: string } | null> {
  return await db.maybeOne(sql.typeAlias('id')`
    INSERT INTO api_keys (id, merchant_id, prefix, hash, scopes, name, expires_at, created_by)
    VALUES (${newId('api_key')}, ${key.merchantId}, ${hintOf(key.apiKey)},
      ${sql.binary(hashApiKey(key.apiKey))}, ${sql.array([...(key.scopes ?? SCOPE_NAMES)], 'text')},
      ${key.name ?? ''}, ${key.expiresAt ?? null}, ${key.createdBy ?? null})
    ON CONFLICT (hash) DO NOTHING RETURNING id`);
}

/**
 * Whose key this is; null when it is unknown, revoked, expired or its merchant switched off. While
 * the database takes no writes, the use of the key is not written down, and reading goes on.
 */
export async function authenticate(db: Connection, apiKey: string): Promise<Authentication | null> {
  const hash = hashApiKey(apiKey);
  const key = sql.fragment`
      SELECT k.id, merchant_id, hash, scopes, expires_at
      FROM api_keys k JOIN merchants m ON m.id = merchant_id
      WHERE hash = ${sql.binary(hash)} AND revoked_at IS NULL AND m.active
        AND (expires_at IS NULL OR expires_at > now())`;
  const touching = sql.type(authenticationRow)`
    WITH key AS (${key}),
    touched AS (
      UPDATE api_keys SET last_used_at = now() WHERE id = (SELECT id FROM key)
        AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute'))
    SELECT * FROM key`;
  const row = await db.maybeOne(touching).catch((error: unknown) => {
    if (!isReadOnly(error)) throw error;
    return db.maybeOne(sql.type(authenticationRow)`${key}`);
  });
  if (row === null || !timingSafeEqual(hash, row.hash)) return null;
  const { id, merchant_id, scopes: held, expires_at } = row;
  const expiresAtMs = expires_at === null ? null : Date.parse(expires_at);
  return { apiKeyId: id, merchantId: merchant_id, scopes: held, expiresAtMs };
}
