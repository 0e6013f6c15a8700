import { randomBytes } from 'node:crypto';
import { listApiKeys } from '../../db/api-keys.ts';
import { openCustomer, sealCustomer } from '../../db/customers.ts';
import { newId } from '../../db/ids.ts';
import { authenticate, ensureMerchant, findMerchant } from '../../db/merchants.ts';
import { findOperatorByEmail } from '../../db/operators.ts';
import { isPassword } from '../../db/password.ts';
import { createVault } from '../../db/vault.ts';
import { SCOPE_NAMES } from '../../domain/access.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { openPooler } from '../db/pooler.ts';
import { MERCHANT, storePayment } from '../factories.ts';
import { runScript } from './run-script.ts';

const FIRST_PAGE = { isLiveOnly: false, beforeId: null, limit: 10 };

/** `npm run admin` as a person calls it. */
let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
  await ensureMerchant(database.pool, MERCHANT);
});
afterAll(() => database.close());

let environment: 'sandbox' | 'production' = 'sandbox';
beforeEach(() => {
  environment = 'sandbox';
});
const admin = (...args: readonly string[]) =>
  runScript('admin.ts', args, {
    DATABASE_URL: database.appUrl,
    MALIPO_ENVIRONMENT: environment,
  });

/** What it told, the one word that a pattern names. */
async function tell(pattern: RegExp, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await admin(...args);
  expect([code, stderr]).toEqual([0, '']);
  const [, word] = pattern.exec(stdout) ?? [];
  if (word === undefined) throw new Error(`${args.join(' ')} told ${stdout}`);
  return word;
}

test('a new merchant gets a key that opens everything, told once', async () => {
  const id = await tell(/^(mer_\w+) Duka$/m, 'create-merchant', '--name', 'Duka');
  expect(await findMerchant(database.pool, id)).toMatchObject({ name: 'Duka', active: true });
  const named = ['create-key', '--merchant', id, '--name', 'Web shop'];
  const key = await tell(/^key: (sk_test_\w+)$/m, ...named);
  const opened = await authenticate(database.pool, key);
  expect(opened).toMatchObject({ merchantId: id, scopes: SCOPE_NAMES });
  environment = 'production';
  const live = await tell(/^key: (sk_live_\w+)$/m, ...named);
  expect((await authenticate(database.pool, live))?.merchantId).toBe(id);
  const acts = await database.queryAsOwner(
    "SELECT action, target, status FROM operator_activity WHERE operator_id = 'cli' ORDER BY id",
  );
  expect(acts).toEqual([
    { action: 'npm run admin -- create-merchant', target: null, status: 200 },
    { action: 'npm run admin -- create-key', target: id, status: 200 },
    { action: 'npm run admin -- create-key', target: id, status: 200 },
  ]);
  const keys = await listApiKeys(database.pool, id, FIRST_PAGE);
  expect(keys.map(({ name, created_by }) => [name, created_by])).toEqual([
    ['Web shop', 'npm run admin'],
    ['Web shop', 'npm run admin'],
  ]);
  const rows = await database.queryAsOwner<{ row: string }>(
    'SELECT k::text AS row FROM api_keys k',
  );
  expect(rows.map(({ row }) => row).join()).not.toContain(key);
});

test('a key is of the environment’s mode; asked for another, none is made', async () => {
  const named = ['create-key', '--merchant', MERCHANT.id, '--name', 'Web shop'];
  const refused = await admin(...named, '--live');
  expect([refused.code, refused.stdout]).toEqual([2, '']);
  expect(refused.stderr).toContain('MALIPO_ENVIRONMENT is sandbox');
  environment = 'production';
  await tell(/^key: (sk_live_\w+)$/m, ...named, '--live');
  const unsaid = await runScript('admin.ts', named, { DATABASE_URL: database.appUrl });
  expect(unsaid.stdout).toMatch(/^key: sk_live_/m);
  const unknown = { DATABASE_URL: database.appUrl, MALIPO_ENVIRONMENT: 'live' };
  const wrong = await runScript('admin.ts', named, unknown);
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('MALIPO_ENVIRONMENT')]);
});

test('a key may be given less, and an end', async () => {
  const scopes = ['--scopes', 'payments:read,refunds:write'];
  const ends = ['--expires', '2030-01-01T00:00:00Z'];
  const given = ['create-key', '--merchant', MERCHANT.id, '--name', 'Till', ...scopes, ...ends];
  const key = await tell(/^key: (sk_\w+)$/m, ...given);
  const opened = await authenticate(database.pool, key);
  expect(opened?.scopes).toEqual(['payments:read', 'refunds:write']);
  const [stored] = await listApiKeys(database.pool, MERCHANT.id, FIRST_PAGE);
  expect(stored?.expires_at).toBe('2030-01-01T00:00:00.000Z');
});

test.each(['viewer', 'operator', 'admin'])('a new %s can sign in', async (role) => {
  const email = `New.${role}@example.test`;
  const given = ['create-user', '--email', email, '--name', 'Amina', '--role', role];
  const password = await tell(/^password: (\S+)$/m, ...given);
  const found = await findOperatorByEmail(database.pool, email);
  expect(found?.operator).toMatchObject({ email: email.toLowerCase(), name: 'Amina', role });
  expect(await isPassword(password, found?.passwordHash ?? null)).toBe(true);
  expect(found?.operator.password_set_by).toBe('cli');
  const again = await admin(...given);
  expect([again.code, again.stderr]).toEqual([2, `${email} is taken\n`]);
});

/** The acts at the command line that were asked for with this word in an option. */
const actsAbout = (word: string) =>
  database.queryAsOwner<{ readonly details: { readonly request_summary: string } }>(
    `SELECT action, email, target, details, status FROM operator_activity
     WHERE operator_id = 'cli' AND details->>'request_summary' LIKE '%' || $1 || '%' ORDER BY id`,
    [word],
  );

// biome-ignore format: table, one command per line
test.each<readonly [string, Readonly<Record<string, string>>, readonly string[]]>([
  ['create-user', { email: 'kept@example.test', name: 'Kept one', role: 'viewer' }, []],
  ['create-key', { merchant: MERCHANT.id, name: 'Kept two', scopes: 'payments:read', expires: '2031-01-01T00:00:00Z' }, ['live']],
])('what %s was asked for is kept whole', async (what, options, flags) => {
  environment = 'production';
  const given = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const told = await admin(what, ...given, ...flags.map((name) => `--${name}`));
  expect([told.code, told.stderr]).toEqual([0, '']);
  const [act] = await actsAbout(options.name ?? '');
  expect(act).toMatchObject({ action: `npm run admin -- ${what}`, status: 200 });
  const asked: unknown = JSON.parse(act?.details.request_summary ?? '');
  expect(asked).toEqual({ ...options, ...Object.fromEntries(flags.map((name) => [name, true])) });
});

test('what is too long to keep is cut between two letters, and refused in words', async () => {
  // Of each length around the cut, so that it falls into the middle of a pair of surrogates.
  for (const before of ['', 'x']) {
    const told = await admin('create-merchant', '--name', `Cut ${before}${'🦒'.repeat(1_500)}`);
    expect([told.code, told.stderr]).toEqual([2, expect.stringContaining('--name')]);
  }
  expect(await actsAbout('Cut ')).toMatchObject([{ status: null }, { status: null }]);
});

test('no control character of what was asked is kept', async () => {
  const merchant = 'mer_\u001b[2J';
  const told = await admin('create-key', '--merchant', merchant, '--name', 'Clean\u009b');
  expect(told.code).toBe(2);
  const [act] = await actsAbout('Clean');
  expect(act).toMatchObject({ target: 'mer_ [2J', status: null });
  expect(JSON.stringify(act)).not.toMatch(/\p{Cc}/u);
});

test('it works for a user whom the machine has no name for, and keeps the number', async () => {
  // As in a container that is run by a number alone: the system knows no such user.
  const nameless = `import os from 'node:os';
    import { syncBuiltinESMExports } from 'node:module';
    os.userInfo = () => { throw new Error('uv_os_get_passwd returned ENOENT'); };
    syncBuiltinESMExports();`;
  const told = await runScript('admin.ts', ['create-merchant', '--name', 'Nameless'], {
    DATABASE_URL: database.appUrl,
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(nameless)}`,
  });
  expect([told.code, told.stderr]).toEqual([0, '']);
  const [act] = await actsAbout('Nameless');
  expect(act).toMatchObject({ email: `uid ${process.getuid?.()}`, status: 200 });
});

test('it also rotates the data keys', async () => {
  const [id, hashKey] = [newId('payment'), randomBytes(32)];
  const [old, next] = ['old', 'next'].map((name) => ({ id: name, key: randomBytes(32) }));
  if (old === undefined || next === undefined) throw new Error('two keys were to be made');
  const payer = { phone: '+254712345678', email: null, name: null };
  const customer = sealCustomer(createVault([old], hashKey), id, { id: null, ...payer });
  await storePayment(database.pool, { id, customer });
  const told = await runScript('admin.ts', ['rotate-keys'], {
    DATABASE_URL: database.appUrl,
    MALIPO_PUBLIC_URL: 'https://pay.example.test',
    MALIPO_HASH_KEY: hashKey.toString('base64'),
    MALIPO_DATA_KEYS: [next, old].map((it) => `${it.id}:${it.key.toString('base64')}`).join(),
  });
  expect(told).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing is sealed') });
  expect(await openCustomer(database.pool, createVault([next], hashKey), id)).toEqual(payer);
  const [act] = await database.queryAsOwner(
    'SELECT * FROM operator_activity ORDER BY id DESC LIMIT 1',
  );
  const action = 'npm run admin -- rotate-keys';
  expect(act).toMatchObject({ operator_id: 'cli', action, status: 200 });
  expect(JSON.stringify(act)).not.toContain(next.key.toString('base64'));
});

const USER = ['create-user', '--email', 'a@example.test', '--name', 'A', '--role'];
// biome-ignore format: table, one case per line
test.each<readonly [readonly string[], string]>([
  [[], 'Usage'],
  [['help'], 'Usage'],
  [['toString'], 'Usage'],
  [['create-merchant'], '--name is missing'],
  [['create-merchant', '--name', ' '], '--name must say something'],
  [['create-merchant', '--name'], '--name'],
  [['create-merchant', '--title', 'Duka'], "'--title'"],
  [['create-merchant', 'Duka'], 'Usage'],
  [['create-merchant', '--name', 'Duka', '--live'], '--live is not for this'],
  [['create-key', '--name', 'Till'], '--merchant is missing'],
  [['create-key', '--merchant', MERCHANT.id], '--name is missing'],
  [['create-key', '--merchant', 'mer_none', '--name', 'Till'], 'there is no merchant mer_none'],
  [['create-key', '--merchant', MERCHANT.id, '--name', 'Till', '--scopes', 'payments:rule'], '--scopes takes payments:read, '],
  [['create-key', '--merchant', MERCHANT.id, '--name', 'Till', '--expires', 'soon'], '--expires'],
  [[...USER, 'king'], '--role must be one of viewer, operator, admin'],
  [['create-user', '--name', 'A', '--role', 'admin'], '--email is missing'],
  [['create-user', '--email', 'nobody', '--name', 'A', '--role', 'admin'], '--email'],
])('%j is refused in words, and makes nothing', async (args, why) => {
  const look = () =>
    database.queryAsOwner(
      `SELECT (SELECT array_agg(id) FROM merchants) AS merchants,
         (SELECT array_agg(id) FROM api_keys) AS keys,
         (SELECT array_agg(id) FROM operators) AS users`,
    );
  const before = await look();
  const told = await admin(...args);
  expect([told.code, told.stdout]).toEqual([2, '']);
  expect(told.stderr).toContain(why);
  expect(told.stderr).not.toMatch(/^\s+at /m);
  expect(await look()).toEqual(before);
});

test.each([
  [{}, 'DATABASE_URL: is missing'],
  [{ DATABASE_URL: ' ' }, 'DATABASE_URL: is missing'],
  [
    { DATABASE_URL: 'mysql://root@127.0.0.1:1/malipo' },
    'DATABASE_URL: must be a postgres:// address',
  ],
  [
    { DATABASE_URL: 'postgres://malipo@127.0.0.1:1/malipo' },
    'DATABASE_URL cannot be used: connect ECONNREFUSED 127.0.0.1:1',
  ],
])('with %j it says what is missing', async (environment, why) => {
  const told = await runScript('admin.ts', ['create-merchant', '--name', 'Duka'], environment);
  expect(told.code).toBe(2);
  expect(told.stderr).toContain(why);
  expect(told.stderr).not.toMatch(/^\s+at /m);
});

test.each([
  [{}, 'DATABASE_URL: is missing'],
  [{ DATABASE_URL: '127.0.0.1/malipo' }, 'DATABASE_URL: must be a postgres:// address'],
  [{ MALIPO_MIGRATE_DATABASE_URL: 'x' }, 'MALIPO_MIGRATE_DATABASE_URL: must be a postgres://'],
])('with %j npm run migrate says so too', async (environment, why) => {
  const told = await runScript('migrate.ts', [], environment);
  expect([told.code, told.stdout]).toEqual([2, '']);
  expect(told.stderr).toContain(why);
  expect(told.stderr).not.toMatch(/^\s+at /m);
});

test('verify-audit follows every trail, and names what was changed', async () => {
  const { id } = await storePayment(database.pool);
  const whole = await admin('verify-audit');
  expect([whole.code, whole.stderr]).toEqual([0, '']);
  expect(whole.stdout).toMatch(/^[1-9]\d* trails followed, 0 faults$/m);
  await database.changeBehindTheTrigger(
    "UPDATE audit_entries SET actor = 'merchant', cause = 'other' WHERE payment_id = $1",
    [id],
  );
  const forged = await admin('verify-audit');
  expect(forged).toMatchObject({ code: 1, stderr: expect.stringContaining(`${id} entry 1 does`) });
});

test.each([
  ['drops', 'the connection has no statement_timeout. If a pooler'],
  ['refuses', 'unsupported startup parameter: statement_timeout. If a pooler'],
] as const)('behind a pooler that %s settings it says what to do', async (manner, why) => {
  const pooler = await openPooler(database.appUrl, manner);
  try {
    const told = await runScript('admin.ts', ['create-merchant', '--name', 'Duka'], {
      DATABASE_URL: pooler.url,
    });
    expect([told.code, told.stdout]).toEqual([2, '']);
    expect(told.stderr).toContain(why);
    expect(told.stderr).not.toMatch(/^\s+at /m);
  } finally {
    await pooler.close();
  }
});
