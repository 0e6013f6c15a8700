import { randomBytes } from 'node:crypto';
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

/** @returns the endpoint and its secret, which is told this once. */
export function insertEndpoint(
  pool: Pool,
  vault: Vault,
  next: {
    readonly merchantId: string;
    readonly url: string;
    readonly description: string | null;
    readonly eventTypes: readonly string[];
  },
): Promise<{ readonly endpoint: WebhookEndpoint; readonly secret: string }> {
  return pool.transaction(async (db) => {
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

/** A merchant's endpoints, newest first; they are few. */
export async function listEndpoints(
  db: Connection,
  merchantId: string,
): Promise<readonly WebhookEndpoint[]> {
  return await db.any(sql.type(endpointRow)`
    SELECT ${ENDPOINT} FROM webhook_endpoints
    WHERE merchant_id = ${merchantId} AND deleted_at IS NULL ORDER BY id DESC LIMIT 1000`);
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

/** Changes what is given. Switching it on forgets why it was switched off. */
export async function updateEndpoint(
  db: Connection,
  id: string,
  changes: EndpointChanges,
): Promise<void> {
  const types = changes.eventTypes === undefined ? null : [...changes.eventTypes];
  await db.query(sql.typeAlias('none')`
    UPDATE webhook_endpoints SET url = coalesce(${changes.url ?? null}, url),
      description = coalesce(${changes.description ?? null}, description),
      event_types = coalesce(${types === null ? null : sql.array(types, 'text')}, event_types),
      active = coalesce(${changes.active ?? null}::boolean, active),
      disabled_reason = CASE WHEN ${changes.active ?? null} THEN NULL ELSE disabled_reason END,
      failing_since = CASE WHEN ${changes.active ?? null} THEN NULL ELSE failing_since END,
      updated_at = now()
    WHERE id = ${id}`);
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
