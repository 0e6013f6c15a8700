import { readEnv } from '../config/env.ts';
import { openPool, type Pool } from '../db/pool.ts';
import { countByKey, reencryptTable, SEALED_TABLES } from '../db/re-encrypt.ts';
import { createVault, type Vault } from '../db/vault.ts';
import { PROVIDER_NAMES } from '../providers/index.ts';
import { storeActivity } from './activity.ts';
import { runToExitCode } from './refusal.ts';

/**
 * `npm run rotate-keys`: seals everything anew with the first key of MALIPO_DATA_KEYS, and says
 * which of the others may be taken out. It may be ended and begun again at any time, beside an
 * engine at work. How to change keys: docs/trying-it.md.
 */
const STATEMENT_TIMEOUT_MS = 30_000;

/** By key id, how much each table still has of it. */
type Left = ReadonlyMap<string, Readonly<Record<string, number>>>;

async function reencryptAll(pool: Pool, vault: Vault): Promise<readonly string[]> {
  const damaged: string[] = [];
  for (const sealed of SEALED_TABLES) {
    const done = await reencryptTable(pool, vault, sealed);
    console.log(`${sealed.table}: ${done.rows} sealed anew with ${vault.keyId}`);
    damaged.push(...done.damaged);
  }
  return damaged;
}

async function countLeft(pool: Pool, { keyId }: Vault): Promise<Left> {
  const left = new Map<string, Record<string, number>>();
  for (const sealed of SEALED_TABLES) {
    for (const [id, count] of await countByKey(pool, sealed)) {
      if (id !== keyId) left.set(id, { ...left.get(id), [sealed.table]: count });
    }
  }
  return left;
}

/** @returns the exit code: 0 when all is sealed with the first key. */
function report({ keyIds, keyId }: Vault, left: Left, damaged: readonly string[]): number {
  for (const row of damaged) console.error(`${row} does not open; it was left as it is`);
  for (const [id, tables] of left) {
    const counts = Object.entries(tables);
    const total = counts.reduce((sum, [, count]) => sum + count, 0);
    const where = counts.map(([table, count]) => `${table} ${count}`).join(', ');
    const remedy = keyIds.includes(id)
      ? `keep it; start every API and worker with ${keyId} first, then run this again`
      : 'it is missing: put it back into MALIPO_DATA_KEYS, behind the others, and run this again';
    console.error(`${id} sealed ${total} (${where}): ${remedy}`);
  }
  for (const id of keyIds.filter((it) => it !== keyId && !left.has(it))) {
    console.log(
      `nothing is sealed with ${id}: take it out of MALIPO_DATA_KEYS, if every API and worker ` +
        `had ${keyId} first before this began; else run this once more when they have`,
    );
  }
  return left.size === 0 ? 0 : 1;
}

async function rotate(): Promise<number> {
  const { databaseUrl, dataKeys, hashKey } = readEnv(PROVIDER_NAMES);
  const options = { databaseUrl, size: 1, statementTimeoutMs: STATEMENT_TIMEOUT_MS };
  const pool = await openPool(options);
  try {
    const vault = createVault(dataKeys, hashKey);
    return await storeActivity(pool, 'rotate-keys', {}, async () => {
      const damaged = await reencryptAll(pool, vault);
      return report(vault, await countLeft(pool, vault), damaged);
    });
  } finally {
    await pool.end();
  }
}

await runToExitCode(rotate);
