import { z } from 'zod';
import { ENVIRONMENTS, type Environment } from '../domain/provider.ts';
import { newId } from './ids.ts';
import type { Connection } from './pool.ts';
import { sql } from './sql.ts';
import { ifReadable, type Vault } from './vault.ts';

const textMap = z.record(z.string(), z.string());
const configRow = z.object({
  id: z.string(),
  merchant_id: z.string().nullable(),
  provider: z.string(),
  environment: z.enum(ENVIRONMENTS),
  active: z.boolean(),
  version: z.int(),
  policy_override: z.record(z.string(), z.unknown()),
  shown: textMap,
  created_at: z.string(),
  updated_at: z.string(),
});
/** A merchant's configuration of a provider. `shown` holds the credentials with secrets masked. */
export type ProviderConfig = z.infer<typeof configRow>;

const COLUMNS = sql.fragment`c.id, c.merchant_id, c.provider, c.environment, c.active, c.version,
  c.policy_override, k.shown, c.created_at, c.updated_at`;
const FROM = sql.fragment`FROM provider_configs c
  JOIN provider_credentials k ON k.config_id = c.id AND k.version = c.version`;

export type NewProviderConfig = {
  /** Null: the default of all merchants that have none of their own. */
  readonly merchantId: string | null;
  readonly provider: string;
  readonly environment: Environment;
  readonly active: boolean;
  readonly policyOverride: Readonly<Record<string, unknown>>;
  readonly credentials: Readonly<Record<string, string>>;
  readonly shown: Readonly<Record<string, string>>;
  /** What tells the account at the provider from any other, and stays when its secrets change. */
  readonly account: string;
};

/**
 * Creates or replaces a configuration. Credentials become a new version; payments that began with
 * an earlier one finish with it.
 */
export function saveProviderConfig(
  pool: Connection,
  vault: Vault,
  next: NewProviderConfig,
): Promise<ProviderConfig> {
  return pool.transaction(async (db) => {
    const { id, version } = await db.one(sql.type(z.object({ id: z.string(), version: z.int() }))`
      INSERT INTO provider_configs AS c (id, merchant_id, provider, environment, active, version,
        policy_override)
      VALUES (${newId('provider_config')}, ${next.merchantId}, ${next.provider},
        ${next.environment}, ${next.active}, 1, ${sql.jsonb(next.policyOverride)})
      ON CONFLICT ON CONSTRAINT provider_configs_owner DO UPDATE
        SET environment = EXCLUDED.environment, active = EXCLUDED.active,
          policy_override = EXCLUDED.policy_override, version = c.version + 1, updated_at = now()
      RETURNING id, version`);
    const sealed = vault.encrypt(placeOfCredentials(id, version), JSON.stringify(next.credentials));
    await db.query(sql.typeAlias('none')`
      INSERT INTO provider_credentials (config_id, version, credentials_cipher, key_id, shown,
        account)
      VALUES (${id}, ${version}, ${sql.binary(sealed)}, ${vault.keyId}, ${sql.jsonb(next.shown)},
        ${next.account})`);
    return await db.one(sql.type(configRow)`SELECT ${COLUMNS} ${FROM} WHERE c.id = ${id}`);
  });
}

/**
 * Switches a configuration on or off, and nothing else; null when there is none.
 * @param merchantId null: the default.
 */
export async function setProviderConfigActive(
  db: Connection,
  merchantId: string | null,
  provider: string,
  active: boolean,
): Promise<ProviderConfig | null> {
  return await db.maybeOne(sql.type(configRow)`
    WITH c AS (
      UPDATE provider_configs SET active = ${active}, updated_at = now()
      WHERE merchant_id IS NOT DISTINCT FROM ${merchantId} AND provider = ${provider} RETURNING *)
    SELECT ${COLUMNS} FROM c
    JOIN provider_credentials k ON k.config_id = c.id AND k.version = c.version`);
}

/** A merchant's own configurations. */
export async function listProviderConfigs(
  db: Connection,
  merchantId: string,
): Promise<readonly ProviderConfig[]> {
  return await db.any(sql.type(configRow)`
    SELECT ${COLUMNS} ${FROM} WHERE c.merchant_id = ${merchantId} ORDER BY c.provider`);
}

/** The default of all merchants that have none of their own; null when there is none. */
export async function findDefaultConfig(
  db: Connection,
  provider: string,
): Promise<ProviderConfig | null> {
  return await db.maybeOne(sql.type(configRow)`
    SELECT ${COLUMNS} ${FROM} WHERE c.merchant_id IS NULL AND c.provider = ${provider}`);
}

/** Of all merchants and the defaults, newest first. */
export async function listAllProviderConfigs(
  db: Connection,
  filter: {
    /** Null: everybody's. */
    readonly merchantId: string | null;
    readonly beforeId: string | null;
    readonly limit: number;
  },
): Promise<readonly ProviderConfig[]> {
  return await db.any(sql.type(configRow)`
    SELECT ${COLUMNS} ${FROM}
    WHERE (${filter.merchantId}::text IS NULL OR c.merchant_id = ${filter.merchantId})
      AND (${filter.beforeId}::text IS NULL OR c.id < ${filter.beforeId})
    ORDER BY c.id DESC LIMIT ${filter.limit}`);
}

/** What counts for a payment: the merchant's own configuration, else the default, else null. */
export async function findProviderConfig(
  db: Connection,
  merchantId: string,
  provider: string,
): Promise<ProviderConfig | null> {
  return await db.maybeOne(sql.type(configRow)`
    SELECT ${COLUMNS} ${FROM}
    WHERE c.provider = ${provider} AND (c.merchant_id = ${merchantId} OR c.merchant_id IS NULL)
    ORDER BY c.merchant_id NULLS LAST LIMIT 1`);
}

const REFERENCE = /^config:(pcf_[0-9a-f]{32})@(\d{1,9})$/;

/** Null for the deployment's own credentials. */
function readReference(credentialsRef: string): Pick<ProviderConfig, 'id' | 'version'> | null {
  const [, id, version] = REFERENCE.exec(credentialsRef) ?? [];
  return id === undefined || version === undefined ? null : { id, version: Number(version) };
}

/** What stands in a payment's row and in its workflow instead of credentials. */
export function referTo({ id, version }: Pick<ProviderConfig, 'id' | 'version'>): string {
  return `config:${id}@${version}`;
}

/** Which configuration a reference is to; null for the deployment's own credentials. */
export function configIdOf(credentialsRef: string): string | null {
  return readReference(credentialsRef)?.id ?? null;
}

/**
 * The newest credentials of the account that a reference opens, as a reference: what goes out today
 * must not need a key that was changed long ago. Of another account's it is never one.
 */
export async function referToNewest(db: Connection, credentialsRef: string): Promise<string> {
  const known = readReference(credentialsRef);
  if (known === null) return credentialsRef;
  const newest = await db.maybeOne(sql.type(z.object({ version: z.int() }))`
    SELECT k.version FROM provider_credentials k
    JOIN provider_credentials known USING (config_id, account)
    WHERE known.config_id = ${known.id} AND known.version = ${known.version}
    ORDER BY k.version DESC LIMIT 1`);
  return newest === null ? credentialsRef : referTo({ id: known.id, version: newest.version });
}

/**
 * The credentials behind a reference, in clear; null when there are none.
 * @throws Error when the data key that sealed them is missing.
 */
export async function openCredentials(
  db: Connection,
  vault: Vault,
  credentialsRef: string,
): Promise<Readonly<Record<string, string>> | null> {
  const known = readReference(credentialsRef);
  if (known === null) return null;
  const row = await db.maybeOne(sql.type(cipherRow)`
    SELECT config_id, version, credentials_cipher FROM provider_credentials
    WHERE config_id = ${known.id} AND version = ${known.version}`);
  return row === null ? null : unseal(vault, row);
}

/**
 * All versions of a configuration's credentials, newest first: callbacks may be signed by any. Null
 * stands for one that does not open.
 */
export async function openCredentialVersions(
  db: Connection,
  vault: Vault,
  configId: string,
): Promise<readonly (Readonly<Record<string, string>> | null)[]> {
  const rows = await db.any(sql.type(cipherRow)`
    SELECT config_id, version, credentials_cipher FROM provider_credentials
    WHERE config_id = ${configId} ORDER BY version DESC LIMIT 5`);
  return rows.map((row) => ifReadable(() => unseal(vault, row)));
}

const cipherRow = z.object({
  config_id: z.string(),
  version: z.int(),
  credentials_cipher: z.instanceof(Uint8Array),
});

function unseal(vault: Vault, row: z.infer<typeof cipherRow>): Readonly<Record<string, string>> {
  const plain = vault.decrypt(
    placeOfCredentials(row.config_id, row.version),
    row.credentials_cipher,
  );
  return textMap.parse(JSON.parse(plain));
}

/** What a version of credentials is bound to. */
export function placeOfCredentials(configId: string, version: number): string {
  return `provider_credentials/${configId}/${version}`;
}
