import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { type Env, readEnv, readOwnerDatabaseUrl } from '../config/env.ts';
import { readPolicies } from '../config/policies.ts';
import { openOwnerPool, openPool, type Pool } from '../db/pool.ts';
import { sql } from '../db/sql.ts';
import { createVault } from '../db/vault.ts';
import { POLICY_DEFAULTS, PROVIDER_NAMES } from '../providers/index.ts';
import { chooseHome } from '../sandbox/home.ts';
import { dropPostgresVariables } from '../sandbox/shell-settings.ts';
import { Refusal, runToExitCode } from './refusal.ts';
import { mayAge } from './seed/age.ts';
import { storeNobodys } from './seed/callbacks.ts';
import { storeDeliveries } from './seed/deliveries.ts';
import { storeKeys, storeMerchants } from './seed/merchants.ts';
import type { Parts } from './seed/parts.ts';
import { storePayment } from './seed/payments.ts';
import { DAYS, planPayments } from './seed/plan.ts';

/**
 * `npm run seed`: fills a sandbox with what might have happened in the last 30 days. It takes the
 * database of DATABASE_URL, with its owner of MALIPO_MIGRATE_DATABASE_URL, else the one of the
 * sandbox that runs. The same seed gives the same,
 * and a second run adds nothing. It is no part of production, and refuses to touch it.
 */
const USAGE = 'Usage: npm run seed [-- --seed NUMBER]';
const PAYMENTS = 420;
const OWNER = 'the role that owns the tables: demo data are put into the past';

const sandboxDetails = z.object({
  database_url: z.string(),
  owner_database_url: z.string(),
  api_url: z.string(),
});
const sandboxSecrets = z.object({ data_keys: z.string(), hash_key: z.string() });

type Place = { readonly env: Env; readonly ownerUrl: string | null };

/** What DATABASE_URL goes with, or the sandbox that runs. */
function readPlace(): Place {
  if (process.env.DATABASE_URL !== undefined) {
    return { env: readEnv(PROVIDER_NAMES), ownerUrl: readOwnerDatabaseUrl() };
  }
  // The sandbox's own server, to which the shell's settings for another one say nothing.
  dropPostgresVariables(process.env);
  const home = chooseHome(process.env);
  const paths = ['sandbox.json', 'secrets.json'].map((name) => join(home, name));
  const [details, secrets] = paths.map((path) =>
    existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : null,
  );
  if (details === null) throw new Refusal('no sandbox runs: npm start, or set DATABASE_URL');
  const { database_url, owner_database_url, api_url } = sandboxDetails.parse(details);
  const { data_keys, hash_key } = sandboxSecrets.parse(secrets);
  const env = readEnv(PROVIDER_NAMES, {
    DATABASE_URL: database_url,
    MALIPO_PUBLIC_URL: api_url,
    MALIPO_DATA_KEYS: data_keys,
    MALIPO_HASH_KEY: hash_key,
    MALIPO_ENVIRONMENT: 'sandbox',
  });
  return { env, ownerUrl: owner_database_url };
}

function readSeed(): number {
  try {
    const { values } = parseArgs({ options: { seed: { type: 'string', default: '1' } } });
    const seed = z.coerce.number().int().nonnegative().safeParse(values.seed);
    if (seed.success) return seed.data;
  } catch {
    // Told below.
  }
  throw new Refusal(USAGE);
}

/** @throws Refusal for what is not said to be a sandbox. */
function requireSandbox({ environment }: Env): void {
  if (environment === 'sandbox') return;
  const mend = 'set it to sandbox if this is one';
  throw new Refusal(
    `MALIPO_ENVIRONMENT is ${environment}, and demo data has no place beside real payments: ${mend}`,
  );
}

/** @throws Refusal for what looks like anything but a sandbox, or cannot be filled. */
async function requireFillable(pool: Pool, owner: Pool): Promise<void> {
  const isLive = await pool.exists(sql.typeAlias('none')`
    SELECT FROM api_keys WHERE starts_with(prefix, 'sk_live_')`);
  if (isLive) throw new Refusal('the database knows live keys: it is no sandbox');
  if (await mayAge(owner)) return;
  throw new Refusal(`MALIPO_MIGRATE_DATABASE_URL has to name ${OWNER}`);
}

async function seedAll(parts: Parts): Promise<void> {
  const { merchants, anchorMs } = await storeMerchants(parts, Date.now());
  for (const merchant of merchants) {
    console.log(`${merchant.id} ${merchant.shop.name}`);
    for (const { name, apiKey } of await storeKeys(parts, merchant)) {
      console.log(`  ${name.padEnd(10)}${apiKey}`);
    }
  }
  let stored = 0;
  for (const planned of planPayments(parts.seed, anchorMs, PAYMENTS)) {
    const merchant = merchants.find(({ shop }) => shop === planned.shop);
    if (merchant && (await storePayment(parts, merchant.id, planned))) stored += 1;
  }
  await storeNobodys(parts);
  let deliveries = 0;
  for (const merchant of merchants) deliveries += await storeDeliveries(parts, merchant);
  const before = stored < PAYMENTS ? `; ${PAYMENTS - stored} payments were there before` : '';
  const end = new Date(anchorMs).toISOString();
  console.log(
    `${stored} payments and ${deliveries} deliveries of ${DAYS} days until ${end}${before}`,
  );
}

async function run(): Promise<number> {
  const seed = readSeed();
  const { env, ownerUrl } = readPlace();
  requireSandbox(env);
  if (ownerUrl === null) throw new Refusal(`set MALIPO_MIGRATE_DATABASE_URL to ${OWNER}`);
  const common = { size: 2, statementTimeoutMs: 30_000 };
  const pool = await openPool({ ...common, databaseUrl: env.databaseUrl });
  try {
    const owner = await openOwnerPool({ ...common, databaseUrl: ownerUrl });
    try {
      await requireFillable(pool, owner);
      const policies = readPolicies(POLICY_DEFAULTS, env.policiesPath);
      const vault = createVault(env.dataKeys, env.hashKey);
      await seedAll({ pool, owner, vault, policies, seed });
      return 0;
    } finally {
      await owner.end();
    }
  } finally {
    await pool.end();
  }
}

await runToExitCode(run);
