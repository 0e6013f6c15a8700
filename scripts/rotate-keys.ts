import { readEnv } from '../config/env.ts';
import { openPool } from '../db/pool.ts';
import { resealCredentials } from '../db/provider-configs.ts';
import { createVault } from '../db/vault.ts';
import { resealSecrets } from '../db/webhook-endpoints.ts';
import { PROVIDER_NAMES } from '../providers/index.ts';

/**
 * Seals stored credentials again with the first key of MALIPO_DATA_KEYS. Put the new key first,
 * keep the old ones behind it, run this, and take the old ones out when it says that none is left.
 * It may be ended and started again at any time.
 */
const BATCH = 100;
const STATEMENT_TIMEOUT_MS = 30_000;

const env = readEnv(PROVIDER_NAMES);
const pool = await openPool({
  databaseUrl: env.databaseUrl,
  size: 1,
  statementTimeoutMs: STATEMENT_TIMEOUT_MS,
});
try {
  const vault = createVault(env.dataKeys, env.hashKey);
  let sealed = 0;
  for (const reseal of [resealCredentials, resealSecrets]) {
    for (let done = BATCH; done === BATCH; sealed += done) {
      done = await reseal(pool, vault, BATCH);
    }
  }
  process.stdout.write(`${sealed} secrets sealed with ${vault.keyId}; none is left\n`);
} finally {
  await pool.end();
}
