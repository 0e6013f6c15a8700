import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { makeApiKey } from '../db/api-key.ts';
import { newId } from '../db/ids.ts';
import { ensureApiKey, ensureMerchant, findMerchant } from '../db/merchants.ts';
import { insertOperator } from '../db/operators.ts';
import { hashPassword } from '../db/password.ts';
import { openPool, type Pool } from '../db/pool.ts';
import { ROLES } from '../domain/access.ts';

/**
 * `npm run admin -- <what>`: what has to be there before anybody can sign in. It works on the
 * database of DATABASE_URL. Keys and passwords are printed once and stored as hashes only.
 */
const USAGE = `Usage: npm run admin -- <what>
  create-user --email E --name N --role ${ROLES.join('|')}   prints a password
  create-merchant --name N
  create-key --merchant mer_… --name N [--live]          prints the key
  rotate-keys                                            as npm run rotate-keys`;

type Options = Readonly<Record<string, string | boolean | undefined>>;
class Refusal extends Error {}

const VERBS: Readonly<Record<string, (pool: Pool, options: Options) => Promise<string>>> = {
  'create-user': createUser,
  'create-merchant': createMerchant,
  'create-key': createKey,
};

async function createUser(pool: Pool, options: Options): Promise<string> {
  const email = requireText(options, 'email');
  const role = ROLES.find((name) => name === options.role);
  if (role === undefined) throw new Refusal(`--role must be one of ${ROLES.join(', ')}`);
  const password = randomBytes(15).toString('base64url');
  const passwordHash = await hashPassword(password);
  const name = requireText(options, 'name');
  const operator = await insertOperator(pool, { email, name, role, passwordHash });
  if (operator === null) throw new Refusal(`${email} is taken`);
  return `${operator.id} ${operator.email} ${role}\npassword: ${password}`;
}

async function createMerchant(pool: Pool, options: Options): Promise<string> {
  const id = newId('merchant');
  const name = requireText(options, 'name');
  await ensureMerchant(pool, { id, name });
  return `${id} ${name}`;
}

async function createKey(pool: Pool, options: Options): Promise<string> {
  const merchantId = requireText(options, 'merchant');
  const merchant = await findMerchant(pool, merchantId);
  if (merchant === null) throw new Refusal(`there is no merchant ${merchantId}`);
  const apiKey = makeApiKey(options.live === true ? 'live' : 'test');
  const name = requireText(options, 'name');
  await ensureApiKey(pool, { merchantId, apiKey, name, createdBy: 'npm run admin' });
  return `${merchant.id} ${merchant.name}\nkey: ${apiKey}`;
}

function requireText(options: Options, name: string): string {
  const value = options[name];
  if (typeof value === 'string' && value.trim() !== '') return value;
  throw new Refusal(`--${name} is missing\n${USAGE}`);
}

async function run(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values, positionals } = parseArgs({
    options: { email: text, name: text, role: text, merchant: text, live: { type: 'boolean' } },
    allowPositionals: true,
  });
  const [what = ''] = positionals;
  if (what === 'rotate-keys') {
    await import('./rotate-keys.ts');
    return;
  }
  const verb = Object.hasOwn(VERBS, what) ? VERBS[what] : undefined;
  if (verb === undefined) throw new Refusal(USAGE);
  const databaseUrl = process.env.DATABASE_URL;
  if (databaseUrl === undefined) throw new Refusal('set DATABASE_URL');
  const pool = await openPool({ databaseUrl, size: 1, statementTimeoutMs: 10_000 });
  try {
    console.log(await verb(pool, values));
  } finally {
    await pool.end();
  }
}

try {
  await run();
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
