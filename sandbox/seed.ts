import { ensureApiKey, ensureMerchant } from '../db/merchants.ts';
import { openPool } from '../db/pool.ts';

/** The sandbox's one merchant; a test value, the same on every machine. */
const SANDBOX_MERCHANT = {
  id: 'mer_00000000000070008000000000000001',
  name: 'Sandbox shop',
} as const;

/** Makes the sandbox's merchant and its key known; a second time changes nothing. */
export async function seed(options: {
  readonly databaseUrl: string;
  readonly apiKey: string;
}): Promise<{ readonly merchantId: string }> {
  const { databaseUrl, apiKey } = options;
  const pool = await openPool({ databaseUrl, size: 1, statementTimeoutMs: 5_000 });
  try {
    await ensureMerchant(pool, SANDBOX_MERCHANT);
    await ensureApiKey(pool, { merchantId: SANDBOX_MERCHANT.id, apiKey });
    return { merchantId: SANDBOX_MERCHANT.id };
  } finally {
    await pool.end();
  }
}
