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
/** Has the same password, and counts as another: for what takes two. */
export const SECOND_SANDBOX_OPERATOR = 'second@sandbox.malipo.test';

/** Makes the sandbox's merchant with its key, and its operators; a second time changes nothing. */
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
    await seedOperator(pool, SANDBOX_OPERATOR, 'Sandbox admin', operatorPassword);
    await seedOperator(pool, SECOND_SANDBOX_OPERATOR, 'Second sandbox admin', operatorPassword);
    return { merchantId: SANDBOX_MERCHANT.id };
  } finally {
    await pool.end();
  }
}

/** Whoever runs a sandbox is everybody in it, so each is taken to have chosen its own password. */
async function seedOperator(
  pool: Pool,
  email: string,
  name: string,
  password: string,
): Promise<void> {
  const found = await findOperatorByEmail(pool, email);
  if (found !== null) {
    // The database may be older than this home, and know another password.
    const isOwn = found.operator.password_set_by === null;
    if (isOwn && (await isPassword(password, found.passwordHash))) return;
    const next = { hash: await hashPassword(password), setBy: null };
    await updateOperator(pool, found.operator.id, { password: next });
    return;
  }
  await insertOperator(pool, {
    email,
    name,
    role: 'admin',
    password: { hash: await hashPassword(password), setBy: null },
  });
}
