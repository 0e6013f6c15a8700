import { randomBytes } from 'node:crypto';
import { UniqueIntegrityConstraintViolationError } from 'slonik';
import { z } from 'zod';
import { newId } from './ids.ts';
import type { Connection, Pool } from './pool.ts';
import { sql } from './sql.ts';
import { ifReadable, type Vault } from './vault.ts';

const endpointRow = z.object({
  id: z.string(),
  merchant_id: z.string(),
  url: z.string(),
  description: z.string().nullable(),
  event_types: z.array(z.string()),
  active: z.boolean(),
  disabled_reason: z.string().nullable(),
  failing_since: z.string().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
});
export type WebhookEndpoint = z.infer<typeof endpointRow>;
const ENDPOINT = sql.join(
  Object.keys(endpointRow.shape).map((name) => sql.identifier([name])),
  sql.fragment`, `,
);
const SECRET_BYTES = 32;
/** What a version of a secret is bound to. */
export const placeOfSecret = (endpointId: string, version: number) =>
  `webhook_secrets.secret/${endpointId}/${version}`;

export type EndpointChanges = {
  readonly url?: string | undefined;
  readonly description?: string | null | undefined;
  readonly eventTypes?: readonly string[] | undefined;
  readonly active?: boolean | undefined;
};

export type NewEndpoint = {
  readonly merchantId: string;
  readonly url: string;
  readonly description: string | null;
  readonly eventTypes: readonly string[];
};
/** `secret` is told at its creation and never again: null where the endpoint was there before. */
export type Inserted = { readonly endpoint: WebhookEndpoint; readonly secret: string | null };

/**
 * An address is an endpoint once for each merchant, so the same again is the first one, as it is.
 * @returns null when the merchant has as many endpoints as it may have.
 */
export function insertEndpoint(
  pool: Pool,
  vault: Vault,
  next: NewEndpoint,
  endpointsMax: number,
): Promise<Inserted | null> {
  return pool.transaction(async (db) => {
    // Creations of one merchant wait for each other; its payments, which refer to this row, do not.
    await db.one(sql.typeAlias('id')`
      SELECT id FROM merchants WHERE id = ${next.merchantId} FOR NO KEY UPDATE`);
    const isLive = sql.fragment`merchant_id = ${next.merchantId} AND deleted_at IS NULL`;
    const known = await db.maybeOne(sql.type(endpointRow)`
      SELECT ${ENDPOINT} FROM webhook_endpoints
      WHERE ${isLive} AND md5(url) = md5(${next.url}) AND url = ${next.url}`);
    if (known !== null) return { endpoint: known, secret: null };
    const { live } = await db.one(sql.type(z.object({ live: z.int() }))`
      SELECT count(id) AS live FROM webhook_endpoints WHERE ${isLive}`);
    if (live >= endpointsMax) return null;
    const endpoint = await db.one(sql.type(endpointRow)`
      INSERT INTO webhook_endpoints (id, merchant_id, url, description, event_types)
      VALUES (${newId('webhook_endpoint')}, ${next.merchantId}, ${next.url}, ${next.description},
        ${sql.array([...next.eventTypes], 'text')})
      RETURNING ${ENDPOINT}`);
    return { endpoint, secret: await insertSecret(db, vault, endpoint.id, 1) };
  });
}

/** `whsec_` and 32 random bytes, as Standard Webhooks has them. */
async function insertSecret(
  db: Connection,
  vault: Vault,
  endpointId: string,
  version: number,
): Promise<string> {
  const secret = `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
  const sealed = vault.encrypt(placeOfSecret(endpointId, version), secret);
  await db.query(sql.typeAlias('none')`
    INSERT INTO webhook_secrets (endpoint_id, version, secret_cipher, key_id)
    VALUES (${endpointId}, ${version}, ${sql.binary(sealed)}, ${vault.keyId})`);
  return secret;
}

/** Newest first, from the one behind this id on; null: from the newest. */
export async function listEndpoints(
  db: Connection,
  merchantId: string,
  { limit, beforeId }: { readonly limit: number; readonly beforeId: string | null },
): Promise<readonly WebhookEndpoint[]> {
  return await db.any(sql.type(endpointRow)`
    SELECT ${ENDPOINT} FROM webhook_endpoints
    WHERE merchant_id = ${merchantId} AND deleted_at IS NULL
      AND (${beforeId}::text IS NULL OR id < ${beforeId})
    ORDER BY id DESC LIMIT ${limit}`);
}

export async function findEndpoint(
  db: Connection,
  merchantId: string,
  id: string,
): Promise<WebhookEndpoint | null> {
  return await db.maybeOne(sql.type(endpointRow)`
    SELECT ${ENDPOINT} FROM webhook_endpoints
    WHERE id = ${id} AND merchant_id = ${merchantId} AND deleted_at IS NULL`);
}

/**
 * Changes what is given. Switching it on forgets why it was switched off.
 * @returns false, and nothing is changed, when another endpoint of the merchant has the address.
 */
export async function updateEndpoint(
  db: Connection,
  id: string,
  changes: EndpointChanges,
): Promise<boolean> {
  const types = changes.eventTypes === undefined ? null : [...changes.eventTypes];
  try {
    await db.query(sql.typeAlias('none')`
      UPDATE webhook_endpoints SET url = coalesce(${changes.url ?? null}, url),
        description = coalesce(${changes.description ?? null}, description),
        event_types = coalesce(${types === null ? null : sql.array(types, 'text')}, event_types),
        active = coalesce(${changes.active ?? null}::boolean, active),
        disabled_reason = CASE WHEN ${changes.active ?? null} THEN NULL ELSE disabled_reason END,
        failing_since = CASE WHEN ${changes.active ?? null} THEN NULL ELSE failing_since END,
        updated_at = now()
      WHERE id = ${id}`);
    return true;
  } catch (error) {
    if (error instanceof UniqueIntegrityConstraintViolationError) return false;
    throw error;
  }
}

/** It gets nothing more; what was sent stays to be read. */
export async function deleteEndpoint(db: Connection, id: string): Promise<void> {
  await db.query(sql.typeAlias('none')`
    UPDATE webhook_endpoints SET deleted_at = now(), active = false, updated_at = now()
    WHERE id = ${id} AND deleted_at IS NULL`);
}

/** A new secret; those before sign as well for the overlap. @returns the new one, this once. */
export function rotateSecret(
  pool: Pool,
  vault: Vault,
  id: string,
  overlapMs: number,
): Promise<string> {
  return pool.transaction(async (db) => {
    const { version } = await db.one(sql.type(z.object({ version: z.int() }))`
      SELECT max(version) AS version FROM webhook_secrets
      WHERE endpoint_id = (SELECT id FROM webhook_endpoints WHERE id = ${id} FOR UPDATE)`);
    await db.query(sql.typeAlias('none')`
      UPDATE webhook_secrets SET expires_at = now() + ${overlapMs} * interval '1 millisecond'
      WHERE endpoint_id = ${id} AND expires_at IS NULL`);
    return await insertSecret(db, vault, id, version + 1);
  });
}

/** All that sign now, newest first; none that does not open. */
export async function openSecrets(
  db: Connection,
  vault: Vault,
  endpointId: string,
): Promise<readonly string[]> {
  const row = z.object({ version: z.int(), secret_cipher: z.instanceof(Uint8Array) });
  const rows = await db.any(sql.type(row)`
    SELECT version, secret_cipher FROM webhook_secrets
    WHERE endpoint_id = ${endpointId} AND (expires_at IS NULL OR expires_at > now())
    ORDER BY version DESC LIMIT 5`);
  return rows.flatMap(({ version, secret_cipher }) => {
    const place = placeOfSecret(endpointId, version);
    const secret = ifReadable(() => vault.decrypt(place, secret_cipher));
    return secret === null ? [] : [secret];
  });
}
