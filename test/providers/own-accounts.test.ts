import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { faultsOfOwn } from '../../providers/index.ts';
import { mpesa } from '../../providers/mpesa/index.ts';
import { TEST_CERTIFICATE } from '../../providers/mpesa/simulator/test-key.ts';

/** The deployment's own accounts at providers, as API and worker find them when they start. */
const KEY = randomBytes(32).toString('base64');
const COMPLETE = {
  DATABASE_URL: 'postgres://malipo:malipo@127.0.0.1:1/malipo',
  MALIPO_PUBLIC_URL: 'https://pay.example.test',
  MALIPO_API_PORT: '0',
  MALIPO_DATA_KEYS: `k1:${KEY}`,
  MALIPO_TOKEN_KEYS: `k1:${KEY}`,
  MALIPO_HASH_KEY: KEY,
  TEMPORAL_ADDRESS: '127.0.0.1:1',
};
const MPESA = {
  consumer_key: 'key',
  consumer_secret: 'secret',
  short_code: '174379',
  passkey: 'passkey',
};
const INITIATOR = {
  initiator_name: 'apiop37',
  initiator_password: 'Pa55word!',
  certificate: TEST_CERTIFICATE.replaceAll('\n', '\\n'),
};
const STRIPE = { secret_key: 'sk_test_12345678', webhook_secrets: 'whsec_12345678' };

// biome-ignore format: table, one case per line
test.each<readonly [string, Parameters<typeof faultsOfOwn>[0], readonly string[]]>([
  ['none', {}, []],
  ['none at mpesa', { mpesa: {} }, []],
  ['one that only takes payments', { mpesa: MPESA }, []],
  ['one that gives back as well', { mpesa: { ...MPESA, ...INITIATOR } }, []],
  ['test money, whatever the deployment is', { stripe: STRIPE }, []],
  ['live money', { stripe: { ...STRIPE, secret_key: 'sk_live_12345678' } }, []],
  ['half of two', { mpesa: { ...MPESA, certificate: TEST_CERTIFICATE }, stripe: { secret_key: STRIPE.secret_key } },
    ['MALIPO_MPESA_INITIATOR_NAME:', 'MALIPO_MPESA_INITIATOR_PASSWORD:', 'MALIPO_STRIPE_WEBHOOK_SECRETS:']],
  ['a field of nobody', { stripe: { ...STRIPE, colour: 'red' } }, ['MALIPO_STRIPE_COLOUR:']],
])('%s has as many faults as it has', (_what, accounts, variables) => {
  expect(faultsOfOwn(accounts)).toEqual(variables.map((it) => expect.stringContaining(it)));
});

test('what was stored before it was refused still opens: payments are open with it', () => {
  const half = { ...MPESA, initiator_name: 'apiop37' };
  expect(mpesa.readCredentials(half)).toMatchObject({ ok: true });
  expect(faultsOfOwn({ mpesa: half })).toHaveLength(2);
});

/** What a process says that ends by itself; it is ended when it does not. */
function start(file: string, env: NodeJS.ProcessEnv): Promise<string> {
  const path = join(import.meta.dirname, '../..', file);
  return new Promise((resolve) => {
    execFile(process.execPath, [path], { env, timeout: 55_000 }, (error, _stdout, stderr) =>
      resolve(error?.killed === false ? stderr : 'it went on'),
    );
  });
}

test.each(['api/main.ts', 'worker/main.ts'])(
  '%s says what is missing, and does not start',
  async (file) => {
    const said = await start(file, {
      ...COMPLETE,
      ...Object.fromEntries(
        Object.entries(MPESA).map(([field, value]) => [
          `MALIPO_MPESA_${field.toUpperCase()}`,
          value,
        ]),
      ),
      MALIPO_MPESA_INITIATOR_NAME: 'apiop37',
      MALIPO_MPESA_CERTIFICATE: '-----BEGIN CERTIFICATE-----junk',
      MALIPO_STRIPE_SECRET_KEY: 'sk_test_12345678',
    });
    for (const variable of [
      'MALIPO_MPESA_INITIATOR_PASSWORD: is missing',
      'MALIPO_MPESA_CERTIFICATE: must be',
      'MALIPO_STRIPE_WEBHOOK_SECRETS: is missing',
    ]) {
      expect(said).toContain(`\n  ${variable}`);
    }
    expect(said).not.toMatch(/junk|12345678|CPAY/);
  },
  60_000,
);
