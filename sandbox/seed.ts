import { ensureApiKey, ensureMerchant } from '../db/merchants.ts';
import { findOperatorByEmail, insertOperator, updateOperator } from '../db/operators.ts';
import { hashPassword, isPassword } from '../db/password.ts';
import { openPool, type Pool } from '../db/pool.ts';

/** The sandbox's one merchant; a test value, the same on every machine. */
const SANDBOX_MERCHANT = {
  id: 'mer_00000000000070008000000000000001',
  name: 'Sandbox shop',
} as const;

export const SANDBOX_OPERATOR = 'admin@sandbox.malipo.test';

/** Makes the sandbox's merchant with its key, and its operator; a second time changes nothing. */
export async function seed(options: {
  readonly databaseUrl: string;
  readonly apiKey: string;
  readonly operatorPassword: string;
}): Promise<{ readonly merchantId: string }> {
  const { databaseUrl, apiKey, operatorPassword } = options;
  const pool = await openPool({ databaseUrl, size: 1, statementTimeoutMs: 5_000 });
  try {
    await ensureMerchant(pool, SANDBOX_MERCHANT);
    await ensureApiKey(pool, { merchantId: SANDBOX_MERCHANT.id, apiKey });
    await seedOperator(pool, operatorPassword);
    return { merchantId: SANDBOX_MERCHANT.id };
  } finally {
    await pool.end();
  }
}

async function seedOperator(pool: Pool, password: string): Promise<void> {
  const found = await findOperatorByEmail(pool, SANDBOX_OPERATOR);
  if (found !== null) {
    // The database may be older than this home, and know another password.
    if (await isPassword(password, found.passwordHash)) return;
    await updateOperator(pool, found.operator.id, { passwordHash: await hashPassword(password) });
    return;
  }
  await insertOperator(pool, {
    email: SANDBOX_OPERATOR,
    name: 'Sandbox admin',
    role: 'admin',
    passwordHash: await hashPassword(password),
  });
}
