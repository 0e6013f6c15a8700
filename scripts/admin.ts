import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { moment, text } from '../api/schema.ts';
import { readDatabaseUrl, readEnvironment } from '../config/env.ts';
import { KEY_MODES, makeApiKey } from '../db/api-key.ts';
import { newId } from '../db/ids.ts';
import { ensureApiKey, ensureMerchant, findMerchant } from '../db/merchants.ts';
import { insertOperator, SET_BY_CLI } from '../db/operators.ts';
import { hashPassword } from '../db/password.ts';
import { openPool, type Pool } from '../db/pool.ts';
import { ROLES, SCOPE_NAMES } from '../domain/access.ts';
import { describeIssue } from '../domain/fault-words.ts';
import { storeActivity } from './activity.ts';
import { Refusal, runToExitCode } from './refusal.ts';
import { verifyAudit } from './verify-audit.ts';

/**
 * `npm run admin -- <what>`: what has to be there before anybody can sign in. It works on the
 * database of DATABASE_URL. Keys and passwords are printed once and stored as hashes only.
 */
const USAGE = `Usage: npm run admin -- <what>
  create-user --email E --name N --role ${ROLES.join('|')}   prints a password
  create-merchant --name N
  create-key --merchant mer_… --name N [--live] [--scopes payments:read,…] [--expires TIME]
                             prints the key: of all scopes by default, live in production (that
                             is, unless MALIPO_ENVIRONMENT is sandbox); --live refuses any other
  rotate-keys                                            as npm run rotate-keys
  verify-audit               follows every audit trail, and names what was changed`;

const OPTION = { type: 'string' } as const;
const OPTIONS = {
  email: OPTION,
  name: OPTION,
  role: OPTION,
  merchant: OPTION,
  scopes: OPTION,
  expires: OPTION,
  live: { type: 'boolean' },
} as const;

const nameOf = (lengthMax: number) => text(lengthMax).regex(/\S/, 'must say something');

type Verb = (pool: Pool, given: unknown) => Promise<string>;
const VERBS: Readonly<Record<string, Verb>> = {
  'create-user': verb(
    z.strictObject({
      email: z.email('must be an e-mail address').max(254),
      name: nameOf(200),
      role: z.enum(ROLES, `must be one of ${ROLES.join(', ')}`),
    }),
    async (pool, { email, name, role }) => {
      const password = randomBytes(15).toString('base64url');
      const operator = await insertOperator(pool, {
        email,
        name,
        role,
        password: { hash: await hashPassword(password), setBy: SET_BY_CLI },
      });
      if (operator === null) throw new Refusal(`${email} is taken`);
      return `${operator.id} ${operator.email} ${role}\npassword: ${password}\nits own: POST /api/v1/sessions/password`;
    },
  ),
  'create-merchant': verb(z.strictObject({ name: nameOf(200) }), async (pool, { name }) => {
    const id = newId('merchant');
    await ensureMerchant(pool, { id, name });
    return `${id} ${name}`;
  }),
  'create-key': verb(
    z.strictObject({
      merchant: z.string(),
      name: nameOf(100),
      live: z.boolean().default(false),
      scopes: z
        .string()
        .transform((list) => list.split(',').map((part) => part.trim()))
        .pipe(z.array(z.enum(SCOPE_NAMES, `takes ${SCOPE_NAMES.join(', ')}`)))
        .optional(),
      expires: moment.optional(),
    }),
    async (pool, { merchant: merchantId, name, live, scopes = SCOPE_NAMES, expires = null }) => {
      const environment = readEnvironment();
      const mode = KEY_MODES[environment];
      if (live && mode !== 'live') {
        throw new Refusal(`MALIPO_ENVIRONMENT is ${environment}, which takes ${mode} keys alone`);
      }
      const merchant = await findMerchant(pool, merchantId);
      if (merchant === null) throw new Refusal(`there is no merchant ${merchantId}`);
      const apiKey = makeApiKey(mode);
      const createdBy = 'npm run admin';
      await ensureApiKey(pool, { merchantId, apiKey, name, scopes, expiresAt: expires, createdBy });
      return `${merchant.id} ${merchant.name}\nkey: ${apiKey}`;
    },
  ),
};

function verb<S extends z.ZodType>(
  schema: S,
  run: (pool: Pool, options: z.output<S>) => Promise<string>,
): Verb {
  return async (pool, given) => {
    const options = schema.safeParse(given, { error: describeIssue });
    if (options.success) return await run(pool, options.data);
    const faults = options.error.issues.flatMap((issue) => faultsOf(issue, given));
    throw new Refusal(`${faults.join('\n')}\n${USAGE}`);
  };
}

function faultsOf(issue: z.core.$ZodIssue, given: unknown): readonly string[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => `--${key} is not for this`);
  const name = String(issue.path[0]);
  const isThere = typeof given === 'object' && given !== null && Object.hasOwn(given, name);
  return [`--${name} ${isThere ? issue.message : 'is missing'}`];
}

function readArguments() {
  try {
    return parseArgs({ options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new Refusal(`${error instanceof Error ? error.message : 'what?'}\n${USAGE}`);
  }
}

async function run(): Promise<number> {
  const { values, positionals } = readArguments();
  const [what = '', ...more] = positionals;
  if (what === 'rotate-keys') {
    await import('./rotate-keys.ts');
    return Number(process.exitCode ?? 0);
  }
  const isVerifying = what === 'verify-audit';
  const act = Object.hasOwn(VERBS, what) ? VERBS[what] : undefined;
  if (more.length > 0 || (act === undefined && !isVerifying)) throw new Refusal(USAGE);
  const databaseUrl = readDatabaseUrl();
  const pool = await openPool({ databaseUrl, size: 1, statementTimeoutMs: 10_000 });
  try {
    return await storeActivity(pool, what, values, async () => {
      if (act === undefined) return await verifyAudit(pool);
      console.log(await act(pool, { ...values }));
      return 0;
    });
  } finally {
    await pool.end();
  }
}

await runToExitCode(run);
