import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { faultsOfOwn, testMoneyOfOwn } from '../../providers/index.ts';
import { mpesa } from '../../providers/mpesa/index.ts';
import { TEST_CERTIFICATE } from '../../providers/mpesa/simulator/test-key.ts';

/** The deployment's own accounts at providers, as API and worker find them when they start. */
const key = () => randomBytes(32).toString('base64');
const COMPLETE = {
  DATABASE_URL: 'postgres://malipo:malipo@127.0.0.1:1/malipo',
  MALIPO_PUBLIC_URL: 'https://pay.example.test',
  MALIPO_API_PORT: '0',
  MALIPO_DATA_KEYS: `k1:${key()}`,
  MALIPO_TOKEN_KEYS: `k1:${key()}`,
  MALIPO_HASH_KEY: key(),
  TEMPORAL_ADDRESS: '127.0.0.1:1',
};
const MPESA = {
  consumer_key: 'key',
  consumer_secret: 'secret',
  short_code: '174379',
  passkey: 'passkey',
};
const LIVE = { ...MPESA, base_url: 'https://api.safaricom.co.ke' };
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
  ['one that only takes payments', { mpesa: LIVE }, []],
  ['one that gives back as well', { mpesa: { ...LIVE, ...INITIATOR } }, []],
  ['the sandbox of Daraja, on purpose', { mpesa: { ...MPESA, base_url: 'https://sandbox.safaricom.co.ke' } }, ['MALIPO_MPESA_BASE_URL: is the provider’s sandbox']],
  ['the sandbox of Daraja, by an empty line', { mpesa: MPESA }, ['MALIPO_MPESA_BASE_URL: is missing']],
  ['test money', { stripe: STRIPE }, ['MALIPO_STRIPE_SECRET_KEY: must be a live key']],
  ['live money', { stripe: { ...STRIPE, secret_key: 'sk_live_12345678' } }, []],
  ['half of two', { mpesa: { ...LIVE, certificate: TEST_CERTIFICATE }, stripe: { secret_key: STRIPE.secret_key } },
    ['MALIPO_MPESA_INITIATOR_NAME:', 'MALIPO_MPESA_INITIATOR_PASSWORD:', 'MALIPO_STRIPE_WEBHOOK_SECRETS:']],
  ['a field of nobody', { stripe: { ...STRIPE, colour: 'red' } }, ['MALIPO_STRIPE_COLOUR:']],
])('%s has as many faults as it has', (_what, accounts, variables) => {
  const faults = faultsOfOwn(accounts, 'production');
  expect(faults).toEqual(variables.map((it) => expect.stringContaining(it)));
});

test('a sandbox may leave every address out, and takes test money', () => {
  expect(faultsOfOwn({ mpesa: MPESA, stripe: STRIPE }, 'sandbox')).toEqual([]);
});

// biome-ignore format: table, one case per line
test.each<readonly [string, Parameters<typeof testMoneyOfOwn>[0], Parameters<typeof testMoneyOfOwn>[1], string | null]>([
  ['live accounts', { mpesa: LIVE, stripe: { ...STRIPE, secret_key: 'sk_live_12345678' } }, 'production', null],
  ['no account', { mpesa: {} }, 'production', null],
  ['a test key of Stripe', { mpesa: LIVE, stripe: STRIPE }, 'production', 'production: MALIPO_STRIPE_….'],
  ['a restricted test key of Stripe', { stripe: { ...STRIPE, secret_key: 'rk_test_12345678' } }, 'production', 'production: MALIPO_STRIPE_….'],
  ['live accounts, their address spelled otherwise', { mpesa: { ...LIVE, base_url: 'https://API.safaricom.co.ke/' }, stripe: { ...STRIPE, base_url: 'https://api.stripe.com:443/', secret_key: 'rk_live_12345678' } }, 'production', null],
  ['a host that only begins so', { mpesa: { ...LIVE, base_url: 'https://api.safaricom.co.ke.example.test' } }, 'production', 'production: MALIPO_MPESA_….'],
  ['the sandbox of Daraja and a simulator', { mpesa: { ...MPESA, base_url: 'https://sandbox.safaricom.co.ke' }, stripe: { ...STRIPE, base_url: 'http://127.0.0.1:8091' } }, 'production', 'production: MALIPO_MPESA_…, MALIPO_STRIPE_….'],
  ['test accounts in a sandbox', { stripe: STRIPE }, 'sandbox', null],
])('%s: is it told that no real money moves?', (_what, accounts, environment, words) => {
  const warnings = testMoneyOfOwn(accounts, environment);
  expect(warnings).toEqual(
    words === null ? [] : [{ code: 'test_money', detail: expect.stringContaining(words) }],
  );
});

test('what was stored before it was refused still opens: payments are open with it', () => {
  const half = { ...MPESA, initiator_name: 'apiop37' };
  expect(mpesa.readCredentials(half)).toMatchObject({ ok: true });
  expect(faultsOfOwn({ mpesa: half }, 'sandbox')).toHaveLength(2);
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
      MALIPO_PUBLIC_URL: 'http://pay.example.test',
      MALIPO_API_PORT: 'eighty',
    });
    for (const variable of [
      'MALIPO_MPESA_INITIATOR_PASSWORD: is missing',
      'MALIPO_MPESA_CERTIFICATE: must be',
      'MALIPO_STRIPE_WEBHOOK_SECRETS: is missing',
      'MALIPO_PUBLIC_URL: must be https://',
      'MALIPO_API_PORT: ',
    ]) {
      expect(said).toContain(`\n  ${variable}`);
    }
    expect(said).toContain('\n  MALIPO_MPESA_BASE_URL: is missing');
    expect(said).not.toMatch(/junk|12345678|CPAY|^ +at /m);
  },
  60_000,
);
