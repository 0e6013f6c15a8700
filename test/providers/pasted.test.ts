import { readEnv } from '../../config/env.ts';
import type { Provider } from '../../domain/provider.ts';
import { faultsOfOwn, PROVIDER_NAMES, PROVIDERS } from '../../providers/index.ts';
import { loadSimulator } from '../../sandbox/simulators.ts';

/**
 * Credentials are pasted from mails, portals and PDFs. What hangs unseen on either end comes off;
 * what no provider can have inside is refused: shown masked, nobody would find it later.
 */
type ProviderName = (typeof PROVIDER_NAMES)[number];
type Fields = Readonly<Record<string, string>>;
/** Fields that the account at the simulator leaves out. */
const MORE: Readonly<Record<string, Fields>> = {
  mpesa: { transaction_type: 'till', till_number: '600100' },
};
const ACCOUNTS = new Map<string, Fields>();
for (const name of PROVIDER_NAMES) {
  const { credentials } = (await loadSimulator(name)).SANDBOX;
  ACCOUNTS.set(name, { base_url: 'http://127.0.0.1:8090', ...credentials, ...MORE[name] });
}
const accountOf = (name: string): Fields => ACCOUNTS.get(name) ?? {};

const ODD = {
  'a blank': ' ',
  'a line end': '\n',
  'another line end': '\r\n',
  'a no-break space': '\u00a0',
  'a zero-width space': '\u200b',
  'a byte order mark': '\ufeff',
} as const;
/** Words of a person's own, and a PEM, hold these. */
const HELD: Readonly<Record<string, readonly string[]>> = {
  initiator_name: [' '],
  initiator_password: [' '],
  certificate: [' ', '\n', '\r\n'],
};

type Case = readonly [provider: ProviderName, field: string, what: string, odd: string];
const CASES: readonly Case[] = PROVIDER_NAMES.flatMap((name) =>
  Object.keys(accountOf(name)).flatMap((field) =>
    Object.entries(ODD).map(([what, odd]) => [name, field, what, odd] as const),
  ),
);

function read(name: ProviderName, changes: Readonly<Record<string, string>>) {
  const provider: Provider = PROVIDERS[name];
  return provider.readCredentials({ ...accountOf(name), ...changes });
}
const clearOf = (name: ProviderName, field: string): string => accountOf(name)[field] ?? '';

test.each(CASES)('%s: %s with %s at either end is read without', (name, field, _what, odd) => {
  const value = clearOf(name, field);
  const clean = read(name, {});
  expect(clean.ok).toBe(true);
  for (const pasted of [`${value}${odd}`, `${odd}${value}`, `${odd}${odd}${value}${odd}`]) {
    expect(read(name, { [field]: pasted })).toEqual(clean);
  }
});

test.each(CASES)('%s: %s with %s inside is refused, by its name', (name, field, _what, odd) => {
  const value = clearOf(name, field);
  const middle = Math.floor(value.length / 2);
  const inside = `${value.slice(0, middle)}${odd}${value.slice(middle)}`;
  const reading = read(name, { [field]: inside });
  if (HELD[field]?.includes(odd)) {
    expect(reading.ok).toBe(true);
    return;
  }
  expect(reading).toMatchObject({ ok: false });
  const faults = reading.ok ? [] : reading.faults;
  expect(faults.map((fault) => fault.split(':')[0])).toEqual([field]);
  expect(faults.join()).not.toContain(inside);
});

test.each(CASES)('%s: %s with nothing but %s is empty', (name, field, _what, odd) => {
  expect(read(name, { [field]: odd })).toMatchObject({ ok: false });
});

const KEY = Buffer.alloc(32, 7).toString('base64');
const OURS = {
  DATABASE_URL: 'postgres://malipo:pass-word-1@db.example.test/malipo',
  MALIPO_PUBLIC_URL: 'https://pay.example.test',
  MALIPO_DATA_KEYS: `k1:${KEY}`,
  MALIPO_HASH_KEY: KEY,
  MALIPO_TOKEN_KEYS: `k1:${KEY}`,
  MALIPO_OIDC_ISSUER: 'https://id.example.test',
  MALIPO_OIDC_AUDIENCE: 'malipo',
  MALIPO_OIDC_JWKS_URL: 'https://id.example.test/keys',
  TEMPORAL_API_KEY: 'key-of-the-cloud',
} as const;
// Production refuses keys like these.
const VARIABLES = { ...OURS, ...own(), MALIPO_ENVIRONMENT: 'sandbox' };
const ENVIRONMENT = Object.keys(VARIABLES).flatMap((name) =>
  Object.entries(ODD).map(([what, odd]) => [name, what, odd] as const),
);

/** The deployment's own accounts as variables. */
function own(): Readonly<Record<string, string>> {
  const variables: Record<string, string> = {};
  for (const name of PROVIDER_NAMES) {
    for (const [field, value] of Object.entries(accountOf(name))) {
      variables[`MALIPO_${name}_${field}`.toUpperCase()] = value;
    }
  }
  return variables;
}

test.each(ENVIRONMENT)('the variable %s with %s at either end is read without', (name, _, odd) => {
  const clean = readEnv(PROVIDER_NAMES, VARIABLES);
  expect(faultsOfOwn(clean.providers, 'sandbox')).toEqual([]);
  const value = Object.entries(VARIABLES).find(([it]) => it === name)?.[1];
  expect(readEnv(PROVIDER_NAMES, { ...VARIABLES, [name]: `${odd}${value}${odd}` })).toEqual(clean);
});

const INSIDE = Object.keys(OURS).flatMap((name) =>
  Object.entries(ODD).map(([what, odd]) => [name, what, odd] as const),
);

test.each(INSIDE)('the variable %s with %s inside is a fault of its own', (name, _what, odd) => {
  const value = Object.entries(OURS).find(([it]) => it === name)?.[1] ?? '';
  const middle = Math.ceil(value.length / 2);
  const inside = `${value.slice(0, middle)}${odd}${value.slice(middle)}`;
  expect(() => readEnv(PROVIDER_NAMES, { ...VARIABLES, [name]: inside })).toThrow(
    new RegExp(`^the environment is not complete:\n {2}${name}: .*$`),
  );
});
