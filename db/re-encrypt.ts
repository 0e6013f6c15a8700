import { z } from 'zod';
import { placeOfCustomer } from './customers.ts';
import type { Connection, Pool } from './pool.ts';
import { placeOfCredentials } from './provider-configs.ts';
import { sql } from './sql.ts';
import { keyIdOf, type Vault } from './vault.ts';
import { placeOfSecret } from './webhook-endpoints.ts';
import { placeOfBody } from './webhook-events.ts';

/** A row's primary key, each part as text. */
type Key = readonly string[];
type SealedTable = {
  readonly table: string;
  readonly key: readonly string[];
  /** Each sealed column, and what its ciphertext is bound to in the row of a key. */
  readonly columns: Readonly<Record<string, (key: Key) => string>>;
  /** True where a column beside it repeats which key sealed the row. */
  readonly hasKeyId: boolean;
};

/** Everything that data keys seal. A test holds it against the columns that there are. */
export const SEALED_TABLES: readonly SealedTable[] = [
  {
    table: 'payments',
    key: ['id'],
    columns: {
      phone_cipher: ([id = '']) => placeOfCustomer('phone', id),
      email_cipher: ([id = '']) => placeOfCustomer('email', id),
      name_cipher: ([id = '']) => placeOfCustomer('name', id),
    },
    hasKeyId: false,
  },
  {
    table: 'webhook_events',
    key: ['id'],
    columns: { body_cipher: ([id = '']) => placeOfBody(id) },
    hasKeyId: false,
  },
  {
    table: 'provider_credentials',
    key: ['config_id', 'version'],
    columns: {
      credentials_cipher: ([id = '', version]) => placeOfCredentials(id, Number(version)),
    },
    hasKeyId: true,
  },
  {
    table: 'webhook_secrets',
    key: ['endpoint_id', 'version'],
    columns: { secret_cipher: ([id = '', version]) => placeOfSecret(id, Number(version)) },
    hasKeyId: true,
  },
];

const REENCRYPT_ROWS = 200;
const COUNT_ROWS = 5_000;

/**
 * Seals all of a table anew that a former key of the vault sealed, page by page, each in a
 * transaction: it may be killed and begun again at any time, beside an engine at work. A row is
 * locked as it is read, so no change of it is lost, and never for longer than its page takes.
 * @returns how many rows it sealed, and which do not open; those stay as they are.
 */
export async function reencryptTable(
  pool: Pool,
  vault: Vault,
  sealed: SealedTable,
): Promise<{ readonly rows: number; readonly damaged: readonly string[] }> {
  const damaged: string[] = [];
  let rows = 0;
  let after: Key | null = null;
  for (;;) {
    const last: Key | null = await findPageEnd(pool, sealed, after);
    if (last === null) return { rows, damaged };
    const page = await reencryptPage(pool, vault, sealed, { after, last });
    rows += page.rows;
    damaged.push(...page.damaged);
    after = last;
  }
}

const keyRow = z.object({ key: z.array(z.string()) });

/** The last row of the next page; null when there is none. Most pages hold nothing to be done. */
async function findPageEnd(
  db: Connection,
  sealed: SealedTable,
  after: Key | null,
): Promise<Key | null> {
  const row = await db.maybeOne(sql.type(keyRow)`
    WITH page AS (
      SELECT ${keyColumns(sealed)} FROM ${sql.identifier([sealed.table])}
      WHERE ${isAfter(sealed, after)} ORDER BY ${keyColumns(sealed)} LIMIT ${REENCRYPT_ROWS})
    SELECT ARRAY[${keyAsText(sealed)}] AS key FROM page ORDER BY ${backwards(sealed)} LIMIT 1`);
  return row?.key ?? null;
}

const sealedRow = keyRow.extend({ ciphers: z.array(z.string().nullable()) });

function reencryptPage(
  pool: Pool,
  vault: Vault,
  sealed: SealedTable,
  { after, last }: { readonly after: Key | null; readonly last: Key },
): Promise<{ readonly rows: number; readonly damaged: readonly string[] }> {
  const formerKeys = sql.array(vault.keyIds.slice(1), 'text');
  const isOld = Object.keys(sealed.columns).map(
    (column) => sql.fragment`${keyIdIn(column)} = ANY(${formerKeys})`,
  );
  const asText = columnsOf(sealed).map((column) => sql.fragment`encode(${column}, 'hex')`);
  return pool.transaction(async (db) => {
    // The lock of an update that touches no key: rows that refer to this one still come in.
    const found = await db.any(sql.type(sealedRow)`
      SELECT ARRAY[${keyAsText(sealed)}] AS key, ARRAY[${commas(asText)}] AS ciphers
      FROM ${sql.identifier([sealed.table])}
      WHERE ${isAfter(sealed, after)} AND (${keyColumns(sealed)}) <= (${valuesOf(last)})
        AND (${sql.join(isOld, sql.fragment` OR `)})
      ORDER BY ${keyColumns(sealed)} FOR NO KEY UPDATE`);
    const damaged: string[] = [];
    for (const { key, ciphers } of found) {
      const anew = sealAnew(vault, sealed, key, ciphers);
      if (anew === null) damaged.push(`${sealed.table} ${key.join(' ')}`);
      else await updateRow(db, vault, sealed, key, anew);
    }
    return { rows: found.length - damaged.length, damaged };
  });
}

/** By column, what former keys of the vault sealed; null when some of it does not open. */
function sealAnew(
  vault: Vault,
  { columns }: SealedTable,
  key: Key,
  ciphers: readonly (string | null)[],
): ReadonlyMap<string, Buffer> | null {
  const anew = new Map<string, Buffer>();
  const formerKeys = new Set(vault.keyIds.slice(1));
  try {
    for (const [index, [column, placeOf]] of Object.entries(columns).entries()) {
      const cipher = Buffer.from(ciphers[index] ?? '', 'hex');
      if (cipher.length === 0 || !formerKeys.has(keyIdOf(cipher))) continue;
      const place = placeOf(key);
      anew.set(column, vault.encrypt(place, vault.decrypt(place, cipher)));
    }
    return anew;
  } catch {
    return null;
  }
}

async function updateRow(
  db: Connection,
  vault: Vault,
  sealed: SealedTable,
  key: Key,
  anew: ReadonlyMap<string, Buffer>,
): Promise<void> {
  const changes = [...anew].map(
    ([column, cipher]) => sql.fragment`${sql.identifier([column])} = ${sql.binary(cipher)}`,
  );
  if (sealed.hasKeyId) changes.push(sql.fragment`key_id = ${vault.keyId}`);
  await db.query(sql.typeAlias('none')`
    UPDATE ${sql.identifier([sealed.table])} SET ${commas(changes)}
    WHERE (${keyColumns(sealed)}) = (${valuesOf(key)})`);
}

const countRow = z.object({
  key_id: z.string().nullable(),
  sealed: z.int(),
  last: z.array(z.string()),
});

/** How many ciphertexts of a table each key sealed, by the key's id; read page by page. */
export async function countByKey(
  db: Connection,
  sealed: SealedTable,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  const each = columnsOf(sealed).map((column) => sql.fragment`(${column})`);
  let after: Key | null = null;
  do {
    const groups: readonly z.infer<typeof countRow>[] = await db.any(sql.type(countRow)`
      WITH page AS (
        SELECT * FROM ${sql.identifier([sealed.table])} WHERE ${isAfter(sealed, after)}
        ORDER BY ${keyColumns(sealed)} LIMIT ${COUNT_ROWS})
      SELECT ${keyIdIn('cipher')} AS key_id, count(cipher)::int AS sealed,
        (SELECT ARRAY[${keyAsText(sealed)}] FROM page
          ORDER BY ${backwards(sealed)} LIMIT 1) AS last
      FROM page CROSS JOIN LATERAL (VALUES ${commas(each)}) AS one (cipher) GROUP BY 1`);
    for (const { key_id, sealed: count } of groups) {
      if (key_id !== null) counts.set(key_id, (counts.get(key_id) ?? 0) + count);
    }
    after = groups[0]?.last ?? null;
  } while (after !== null);
  return counts;
}

/** The head of a ciphertext, as db/vault.ts writes it. */
function keyIdIn(column: string) {
  const cipher = sql.identifier([column]);
  return sql.fragment`convert_from(substring(${cipher} FROM 3 FOR get_byte(${cipher}, 1)), 'LATIN1')`;
}

function columnsOf({ columns }: SealedTable) {
  return Object.keys(columns).map((name) => sql.fragment`${sql.identifier([name])}`);
}

function keyColumns({ key }: SealedTable) {
  return commas(key.map((name) => sql.fragment`${sql.identifier([name])}`));
}

function backwards({ key }: SealedTable) {
  return commas(key.map((name) => sql.fragment`${sql.identifier([name])} DESC`));
}

function keyAsText({ key }: SealedTable) {
  return commas(key.map((name) => sql.fragment`${sql.identifier([name])}::text`));
}

function isAfter(sealed: SealedTable, key: Key | null) {
  if (key === null) return sql.fragment`true`;
  return sql.fragment`(${keyColumns(sealed)}) > (${valuesOf(key)})`;
}

function valuesOf(key: Key) {
  return commas(key.map((part) => sql.fragment`${part}`));
}

function commas(parts: readonly ReturnType<typeof columnsOf>[number][]) {
  return sql.join(parts, sql.fragment`, `);
}
