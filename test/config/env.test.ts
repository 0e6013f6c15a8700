import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { type Env, EnvError, readEnv } from '../../config/env.ts';
import { findProvider, PROVIDER_NAMES } from '../../providers/index.ts';

const EXAMPLE = readFileSync(join(import.meta.dirname, '../../.env.example'), 'utf8');

const KEY = randomBytes(32);
const HASH_KEY = randomBytes(32);

const COMPLETE = {
  DATABASE_URL: 'postgres://malipo:pass-word-1@db.example.test/malipo?sslmode=verify-full',
  MALIPO_PUBLIC_URL: 'https://pay.example.test/',
  MALIPO_DATA_KEYS: `k1:${KEY.toString('base64')}`,
  MALIPO_HASH_KEY: HASH_KEY.toString('base64'),
} as const;

/** What has no default. */
const ACCOUNTS = {
  mpesa: { CONSUMER_KEY: 'k', CONSUMER_SECRET: 's', SHORT_CODE: '174379', PASSKEY: 'p' },
  stripe: { SECRET_KEY: 'sk_test_12345678', WEBHOOK_SECRETS: 'whsec_12345678' },
  cpay: {
    BASE_URL: 'https://cpay.example.test',
    API_KEY: 'cpay_12345678',
    WEBHOOK_SECRETS: '0123456789abcdef',
  },
} as const;

type Source = Readonly<Record<string, string | undefined>>;

function read(changes: Source = {}): Env {
  return readEnv(['mpesa', 'cpay'], { ...COMPLETE, ...changes });
}

function faultsOf(source: Source): readonly string[] {
  try {
    readEnv(['mpesa'], source);
  } catch (error) {
    if (!(error instanceof EnvError)) throw error;
    return error.message.split('\n  ').slice(1);
  }
  return [];
}

test('what is needed at least gives the documented defaults', () => {
  expect(read()).toEqual({
    databaseUrl: COMPLETE.DATABASE_URL,
    listenDatabaseUrl: COMPLETE.DATABASE_URL,
    apiHost: '127.0.0.1',
    apiPort: 8080,
    publicUrl: 'https://pay.example.test',
    temporalUiUrl: null,
    dataKeys: [{ id: 'k1', key: KEY }],
    hashKey: HASH_KEY,
    callbackKeys: [HASH_KEY],
    tokenKeys: [],
    oidc: null,
    metrics: null,
    workerMetrics: null,
    workerHealth: { host: '127.0.0.1', port: 8081 },
    corsOrigins: [],
    trustedProxies: 0,
    logLevel: 'info',
    policiesPath: null,
    environment: 'production',
    allowsLoopback: false,
    temporal: {},
    providers: { mpesa: {}, cpay: {} },
  });
});

test('everything else is read when it is there', () => {
  const [next, nextData] = [randomBytes(32), randomBytes(32)];
  const env = read({
    MALIPO_API_HOST: '0.0.0.0',
    MALIPO_API_PORT: '9000',
    MALIPO_TEMPORAL_UI_URL: 'http://127.0.0.1:8233/',
    MALIPO_DATA_KEYS: `k2:${nextData.toString('base64')}, k1:${KEY.toString('base64')}`,
    MALIPO_CALLBACK_KEYS: `c2:${next.toString('base64')},c1:${HASH_KEY.toString('base64')}`,
    MALIPO_LISTEN_DATABASE_URL: 'postgres://malipo@direct.example.test/malipo?sslmode=verify-full',
    MALIPO_WORKER_HEALTH_PORT: '0',
    MALIPO_LOG_LEVEL: 'debug',
    MALIPO_POLICIES: 'policies.local.yaml',
  });
  expect(env).toMatchObject({
    apiHost: '0.0.0.0',
    apiPort: 9000,
    listenDatabaseUrl: 'postgres://malipo@direct.example.test/malipo?sslmode=verify-full',
    workerHealth: null,
    temporalUiUrl: 'http://127.0.0.1:8233',
    logLevel: 'debug',
    policiesPath: 'policies.local.yaml',
  });
  // The first key encrypts or signs, so their order must stay.
  expect(env.callbackKeys).toEqual([next, HASH_KEY]);
  expect(env.dataKeys).toEqual([
    { id: 'k2', key: nextData },
    { id: 'k1', key: KEY },
  ]);
});

test('an issuer for operators is whole or not there', () => {
  const issuer = {
    MALIPO_OIDC_ISSUER: 'https://id.example.test',
    MALIPO_OIDC_AUDIENCE: 'malipo',
    MALIPO_OIDC_JWKS_URL: 'https://id.example.test/keys',
  };
  expect(read(issuer).oidc).toMatchObject({ audience: 'malipo', roleClaim: 'malipo_role' });
  const half = faultsOf({ ...COMPLETE, ...issuer, MALIPO_OIDC_AUDIENCE: undefined });
  expect(half).toEqual([expect.stringContaining('MALIPO_OIDC_AUDIENCE: is missing')]);
});

test.each([
  ['https://shop.example.test', ['https://shop.example.test']],
  [
    'https://a.example.test, http://127.0.0.1:3000',
    ['https://a.example.test', 'http://127.0.0.1:3000'],
  ],
])('the origins %s may call from a browser', (list, origins) => {
  expect(read({ MALIPO_CORS_ORIGINS: list }).corsOrigins).toEqual(origins);
});

test.each(['*', 'shop.example.test', 'https://shop.example.test/page'])(
  '%s is no origin',
  (MALIPO_CORS_ORIGINS) => {
    const faults = faultsOf({ ...COMPLETE, MALIPO_CORS_ORIGINS });
    expect(faults).toEqual([expect.stringContaining('MALIPO_CORS_ORIGINS: must be origins')]);
  },
);

test('each provider gets its own variables, by field, and nobody else’s', () => {
  const { providers, temporal } = read({
    MALIPO_MPESA_SHORT_CODE: '174379',
    MALIPO_MPESA_PASSKEY: 'passkey',
    MALIPO_CPAY_API_KEY: 'key',
    MALIPO_STRIPE_SECRET_KEY: 'of no known provider',
    MALIPO_MPESA_UNSET: undefined,
    TEMPORAL_ADDRESS: '127.0.0.1:7233',
    TEMPORAL_API_KEY: 'cloud',
  });
  expect(providers).toEqual({
    mpesa: { short_code: '174379', passkey: 'passkey' },
    cpay: { api_key: 'key' },
  });
  expect(temporal).toEqual({ TEMPORAL_ADDRESS: '127.0.0.1:7233', TEMPORAL_API_KEY: 'cloud' });
});

test('an empty environment is told all that is missing at once', () => {
  expect(faultsOf({})).toEqual([
    'DATABASE_URL: is missing',
    'MALIPO_PUBLIC_URL: is missing',
    'MALIPO_DATA_KEYS: is missing',
    'MALIPO_HASH_KEY: is missing',
  ]);
});

const BAD_VALUES = {
  DATABASE_URL: 'mysql://root:s3cret-a@db/malipo',
  MALIPO_API_PORT: 's3cret-b',
  MALIPO_PUBLIC_URL: 'ftp://s3cret-c',
  MALIPO_TEMPORAL_UI_URL: 's3cret-d',
  MALIPO_DATA_KEYS: 'k1:s3cret-e,K2:s3cret-f',
  MALIPO_HASH_KEY: 's3cret-g',
  MALIPO_LOG_LEVEL: 's3cret-h',
} as const;

test('every bad value is a fault of its own, and none is shown', () => {
  const faults = faultsOf(BAD_VALUES);
  const named = new Set(faults.map((fault) => fault.slice(0, fault.indexOf(':'))));
  expect([...named].sort()).toEqual(Object.keys(BAD_VALUES).sort());
  expect(faults.join('\n')).not.toContain('s3cret');
});

const short = randomBytes(31).toString('base64');
const ONE_FAULT = [
  { name: 'DATABASE_URL', value: 'db.example.test', fault: 'must be a postgres:// address' },
  { name: 'MALIPO_PUBLIC_URL', value: 'pay.test', fault: 'must be an http(s):// address' },
  { name: 'MALIPO_HASH_KEY', value: short, fault: 'must be 32 bytes in base64' },
  { name: 'MALIPO_HASH_KEY', value: '*'.repeat(44), fault: 'must be base64' },
  { name: 'MALIPO_DATA_KEYS', value: `k1:${short}`, fault: 'must be 32 bytes in base64' },
  { name: 'MALIPO_DATA_KEYS', value: KEY.toString('base64'), fault: /^must be id:base64/ },
  { name: 'MALIPO_DATA_KEYS', value: `${COMPLETE.MALIPO_DATA_KEYS},`, fault: /^must be id:base64/ },
  { name: 'MALIPO_API_PORT', value: '65536', fault: /65535/ },
  { name: 'MALIPO_API_PORT', value: '80.5', fault: /whole number/ },
  { name: 'MALIPO_LOG_LEVEL', value: 'loud', fault: /info/ },
] as const;

test.each(ONE_FAULT)('$name says how to mend it: $fault', ({ name, value, fault }) => {
  const faults = faultsOf({ ...COMPLETE, [name]: value });
  expect(faults).toHaveLength(1);
  const [found = ''] = faults;
  expect(found.slice(0, name.length + 2)).toBe(`${name}: `);
  if (typeof fault === 'string') expect(found).toBe(`${name}: ${fault}`);
  else expect(found.slice(name.length + 2)).toMatch(fault);
});

test.each(['', ' ', '\r\n', '\u200b'])(
  'what is %j is not set: Compose passes each variable, with or without a value',
  (nothing) => {
    const names = Object.keys(parseEnv(EXAMPLE)).filter((name) => !Object.hasOwn(COMPLETE, name));
    expect(names.length).toBeGreaterThan(20);
    expect(read(Object.fromEntries(names.map((name) => [name, nothing])))).toEqual(read());
    expect(read({ MALIPO_API_PORT: nothing })).toMatchObject({ apiPort: 8080 });
    expect(faultsOf({ ...COMPLETE, MALIPO_HASH_KEY: nothing })).toEqual([
      'MALIPO_HASH_KEY: is missing',
    ]);
  },
);

test('.env.example is complete once its keys and accounts are filled in', () => {
  const example = parseEnv(EXAMPLE);
  const tokenKey = randomBytes(32).toString('base64');
  const keys = { ...COMPLETE, MALIPO_TOKEN_KEYS: `k1:${tokenKey}` };
  const env = readEnv(PROVIDER_NAMES, { ...example, ...keys });
  expect(env).toMatchObject({ metrics: null, workerMetrics: null, oidc: null, policiesPath: null });
  expect(env.tokenKeys).toHaveLength(1);
  const ports = { MALIPO_METRICS_PORT: '9464', MALIPO_METRICS_WORKER_PORT: '9465' };
  expect(readEnv(PROVIDER_NAMES, { ...example, ...keys, ...ports })).toMatchObject({
    metrics: { host: '127.0.0.1', port: 9464 },
    workerMetrics: { host: '127.0.0.1', port: 9465 },
  });
});

test.each(Object.entries(ACCOUNTS))(
  '.env.example has all that an account at %s needs',
  (name, account) => {
    const prefix = `MALIPO_${name.toUpperCase()}_`;
    const filled = Object.entries(account).map(([field, value]) => [`${prefix}${field}`, value]);
    const source = { ...parseEnv(EXAMPLE), ...COMPLETE, ...Object.fromEntries(filled) };
    for (const [variable] of filled) expect(EXAMPLE).toContain(`\n${variable}=`);
    expect(
      findProvider(name)?.readCredentials(readEnv([name], source).providers[name] ?? {}),
    ).toMatchObject({ ok: true });
  },
);

test('two data keys of one id are a fault: what one sealed the other would not open', () => {
  const [first, second] = [KEY, randomBytes(32)].map((key) => `k1:${key.toString('base64')}`);
  expect(faultsOf({ ...COMPLETE, MALIPO_DATA_KEYS: `${first},${second}` })).toHaveLength(1);
});

test('without a source the process’s own environment is read', () => {
  const before = process.env.DATABASE_URL;
  process.env.DATABASE_URL = 'mysql://here';
  try {
    expect(() => readEnv([])).toThrow('DATABASE_URL: must be a postgres:// address');
  } finally {
    if (before === undefined) delete process.env.DATABASE_URL;
    else process.env.DATABASE_URL = before;
  }
});
