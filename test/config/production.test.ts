import { randomBytes } from 'node:crypto';
import { EnvError, readDatabaseUrl, readEnv } from '../../config/env.ts';
import { networkWarnings } from '../../config/production.ts';
import { faultsOfOwn, PROVIDER_NAMES } from '../../providers/index.ts';

/** What production does not start with, however complete it is. */
const key = () => randomBytes(32).toString('base64');
const ZEROS = Buffer.alloc(32).toString('base64');
const SAFE = {
  DATABASE_URL: 'postgres://malipo_app:secret@db.example.test/malipo?sslmode=verify-full',
  MALIPO_PUBLIC_URL: 'https://pay.example.test',
  MALIPO_DATA_KEYS: `k1:${key()}`,
  MALIPO_HASH_KEY: key(),
  MALIPO_TOKEN_KEYS: `k1:${key()}`,
};
const DB = 'postgres://malipo_app@db.example.test/malipo';
const MPESA = {
  MALIPO_MPESA_BASE_URL: 'https://api.safaricom.co.ke',
  MALIPO_MPESA_CONSUMER_KEY: 'key',
  MALIPO_MPESA_CONSUMER_SECRET: 'secret',
  MALIPO_MPESA_SHORT_CODE: '174379',
  MALIPO_MPESA_PASSKEY: 'passkey',
};
const STRIPE = {
  MALIPO_STRIPE_SECRET_KEY: 'sk_live_12345678',
  MALIPO_STRIPE_WEBHOOK_SECRETS: 'whsec_12345678',
};
type Source = Readonly<Record<string, string>>;

function faultsOf(changes: Source): readonly string[] {
  try {
    readEnv(PROVIDER_NAMES, { ...SAFE, ...changes }, ({ providers, environment }) =>
      faultsOfOwn(providers, environment),
    );
    return [];
  } catch (error) {
    if (!(error instanceof EnvError)) throw error;
    return error.message.split('\n  ').slice(1);
  }
}

// table
const FAULTS: readonly (readonly [string, Source, string])[] = [
  [
    'callbacks without TLS',
    { MALIPO_PUBLIC_URL: 'http://pay.example.test' },
    'MALIPO_PUBLIC_URL: must be https:// in production',
  ],
  [
    'a data key of zeros',
    { MALIPO_DATA_KEYS: `k1:${ZEROS}` },
    'MALIPO_DATA_KEYS: k1 is one byte 32 times',
  ],
  [
    'a former data key of ones',
    { MALIPO_DATA_KEYS: `k2:${key()},k1:${Buffer.alloc(32, 1).toString('base64')}` },
    'MALIPO_DATA_KEYS: k1 is one byte 32 times',
  ],
  ['a hash key of zeros', { MALIPO_HASH_KEY: ZEROS }, 'MALIPO_HASH_KEY: is one byte 32 times'],
  [
    'a token key of zeros',
    { MALIPO_TOKEN_KEYS: `k1:${ZEROS}` },
    'MALIPO_TOKEN_KEYS: k1 is one byte 32 times',
  ],
  [
    'one key to seal and to hash',
    { MALIPO_HASH_KEY: SAFE.MALIPO_DATA_KEYS.slice(3) },
    'MALIPO_HASH_KEY: is the same key as k1 of MALIPO_DATA_KEYS',
  ],
  [
    'one key to hash and to sign',
    { MALIPO_TOKEN_KEYS: `k1:${SAFE.MALIPO_HASH_KEY}` },
    'MALIPO_TOKEN_KEYS: k1 is the same key as MALIPO_HASH_KEY',
  ],
  [
    'one key by two names',
    { MALIPO_DATA_KEYS: `k2:${SAFE.MALIPO_DATA_KEYS.slice(3)},${SAFE.MALIPO_DATA_KEYS}` },
    'MALIPO_DATA_KEYS: k1 is the same key as k2 of MALIPO_DATA_KEYS',
  ],
  [
    'a foreign database that says nothing of TLS',
    { DATABASE_URL: DB },
    'DATABASE_URL: is on another machine',
  ],
  [
    'one that may do without',
    { DATABASE_URL: `${DB}?sslmode=prefer` },
    'DATABASE_URL: sslmode must be',
  ],
  [
    'one that rather does without',
    { DATABASE_URL: `${DB}?sslmode=allow` },
    'DATABASE_URL: sslmode must be',
  ],
  [
    'one that says it in a way that we do not read',
    { DATABASE_URL: `${DB}?ssl=true` },
    'DATABASE_URL: is on another machine',
  ],
  [
    'a foreign one in the place of a local one',
    { DATABASE_URL: 'postgres://malipo_app@127.0.0.1/malipo?host=db.example.test' },
    'DATABASE_URL: is on another machine',
  ],
  [
    'one to listen on',
    { MALIPO_LISTEN_DATABASE_URL: DB },
    'MALIPO_LISTEN_DATABASE_URL: is on another machine',
  ],
  [
    'merchants at this machine’s own addresses',
    { MALIPO_ALLOW_LOOPBACK: 'true' },
    'MALIPO_ALLOW_LOOPBACK: is for a sandbox',
  ],
  [
    'a test key of Stripe',
    { ...STRIPE, MALIPO_STRIPE_SECRET_KEY: 'sk_test_12345678' },
    'MALIPO_STRIPE_SECRET_KEY: must be a live key',
  ],
  [
    'a restricted test key of Stripe',
    { ...STRIPE, MALIPO_STRIPE_SECRET_KEY: 'rk_test_12345678' },
    'MALIPO_STRIPE_SECRET_KEY: must be a live key',
  ],
  [
    'the sandbox of M-Pesa',
    { ...MPESA, MALIPO_MPESA_BASE_URL: 'https://sandbox.safaricom.co.ke' },
    'MALIPO_MPESA_BASE_URL: is the provider’s sandbox',
  ],
  [
    'the same, spelled otherwise',
    { ...MPESA, MALIPO_MPESA_BASE_URL: 'https://SANDBOX.safaricom.co.ke:443/' },
    'MALIPO_MPESA_BASE_URL: is the provider’s sandbox',
  ],
  [
    'a simulator',
    { ...STRIPE, MALIPO_STRIPE_BASE_URL: 'http://127.0.0.1:8091' },
    'MALIPO_STRIPE_BASE_URL: must be https://',
  ],
  [
    'a simulator with TLS',
    { ...STRIPE, MALIPO_STRIPE_BASE_URL: 'https://localhost:8091' },
    'MALIPO_STRIPE_BASE_URL: is on this machine',
  ],
  [
    'a provider without TLS',
    { ...MPESA, MALIPO_MPESA_BASE_URL: 'http://api.safaricom.co.ke' },
    'MALIPO_MPESA_BASE_URL: must be https://',
  ],
];

test.each(FAULTS)('production refuses %s', (_what, changes, fault) => {
  expect(faultsOf(changes)).toEqual([expect.stringContaining(fault)]);
});

test('all of it is told at once, with what is missing or malformed, and no value is shown', () => {
  const faults = faultsOf({
    MALIPO_PUBLIC_URL: 'http://pay.example.test',
    MALIPO_DATA_KEYS: `k1:${ZEROS}`,
    MALIPO_HASH_KEY: ZEROS,
    MALIPO_TOKEN_KEYS: 'k1:short',
    DATABASE_URL: DB,
    MALIPO_API_PORT: 'eighty',
    MALIPO_OIDC_ISSUER: 'https://id.example.test',
    ...STRIPE,
    MALIPO_STRIPE_SECRET_KEY: 'sk_test_12345678',
    MALIPO_MPESA_PASSKEY: 'passkey',
  });
  const named = faults.map((fault) => fault.slice(0, fault.indexOf(':')));
  expect(new Set(named)).toEqual(
    new Set([
      'DATABASE_URL',
      'MALIPO_API_PORT',
      'MALIPO_DATA_KEYS',
      'MALIPO_HASH_KEY',
      'MALIPO_MPESA_CONSUMER_KEY',
      'MALIPO_MPESA_CONSUMER_SECRET',
      'MALIPO_MPESA_SHORT_CODE',
      'MALIPO_OIDC_AUDIENCE',
      'MALIPO_OIDC_JWKS_URL',
      'MALIPO_PUBLIC_URL',
      'MALIPO_STRIPE_SECRET_KEY',
      'MALIPO_TOKEN_KEYS',
    ]),
  );
  expect(faults.join('\n')).not.toMatch(/example\.test\/|12345678|AAAA|passkey|short$/m);
});

// table
test.each<readonly [string, Source]>([
  ['nothing that is wrong', {}],
  ['this machine’s database', { DATABASE_URL: 'postgres://malipo_app@127.0.0.1/malipo' }],
  ['it by its name', { DATABASE_URL: 'postgres://malipo_app@localhost:5433/malipo' }],
  ['it by IPv6', { DATABASE_URL: 'postgres://malipo_app@[::1]/malipo' }],
  ['it by a socket', { DATABASE_URL: 'postgres://malipo_app@%2Fvar%2Frun%2Fpostgresql/malipo' }],
  [
    'it by a socket that stands behind',
    { DATABASE_URL: 'postgres:///malipo?host=/run/postgresql' },
  ],
  ['a foreign one with TLS', { DATABASE_URL: `${DB}?sslmode=require&sslrootcert=/ca.pem` }],
  ['one where that is said not to be needed', { DATABASE_URL: `${DB}?sslmode=disable` }],
  [
    'the hash key, to read what it signed before',
    { MALIPO_CALLBACK_KEYS: `k1:${key()},hash:${SAFE.MALIPO_HASH_KEY}` },
  ],
  ['live accounts', { ...MPESA, ...STRIPE }],
  [
    'an account behind a gateway of one’s own',
    { ...MPESA, MALIPO_MPESA_BASE_URL: 'https://egress.example.test' },
  ],
  [
    'test money, said to be',
    {
      ...STRIPE,
      MALIPO_STRIPE_SECRET_KEY: 'sk_test_12345678',
      MALIPO_ENVIRONMENT: 'sandbox',
      MALIPO_PUBLIC_URL: 'http://127.0.0.1:8080',
      DATABASE_URL: DB,
      MALIPO_HASH_KEY: ZEROS,
      MALIPO_ALLOW_LOOPBACK: 'true',
    },
  ],
])('it starts with %s', (_what, changes) => {
  expect(faultsOf(changes)).toEqual([]);
});

test('a script that needs the database alone asks the same of it', () => {
  expect(() => readDatabaseUrl({ DATABASE_URL: DB })).toThrow('is on another machine');
  expect(readDatabaseUrl({ DATABASE_URL: DB, MALIPO_ENVIRONMENT: 'sandbox' })).toBe(DB);
});

test('test money does not make this machine the merchants’ own', () => {
  const sandbox = { ...SAFE, MALIPO_ENVIRONMENT: 'sandbox' };
  expect(readEnv([], sandbox)).toMatchObject({ environment: 'sandbox', allowsLoopback: false });
  const own = readEnv([], { ...sandbox, MALIPO_ALLOW_LOOPBACK: 'true' });
  expect(own).toMatchObject({ environment: 'sandbox', allowsLoopback: true });
});

// table
test.each<readonly [string, string, object, readonly string[]]>([
  ['a database with TLS', SAFE.DATABASE_URL, {}, []],
  [
    'this machine’s servers',
    'postgres://malipo_app@127.0.0.1/malipo',
    { address: '127.0.0.1:7233' },
    [],
  ],
  [
    'other containers',
    'postgres://malipo_app@postgres/malipo?sslmode=disable',
    { address: 'temporal:7233' },
    [],
  ],
  [
    'a database without TLS',
    `${DB}?sslmode=disable`,
    {},
    ['DATABASE_URL', 'MALIPO_LISTEN_DATABASE_URL'],
  ],
  ['a database of which nobody knows whose it is', `${DB}?sslmode=no-verify`, {}, ['DATABASE_URL']],
  [
    'a Temporal without TLS',
    SAFE.DATABASE_URL,
    { address: 'temporal.example.test:7233' },
    ['TEMPORAL_ADDRESS'],
  ],
  [
    'the same by its address',
    SAFE.DATABASE_URL,
    { address: '10.0.0.7:7233' },
    ['TEMPORAL_ADDRESS'],
  ],
  [
    'a Temporal with TLS',
    SAFE.DATABASE_URL,
    { address: 'temporal.example.test:7233', tls: true },
    [],
  ],
])('of %s it warns as it should', (_what, DATABASE_URL, temporal, named) => {
  const [warning] = networkWarnings(readEnv([], { ...SAFE, DATABASE_URL }), temporal);
  expect(warning?.code).toBe(named.length === 0 ? undefined : 'unencrypted_connection');
  for (const name of named) expect(warning?.detail).toContain(name);
});
