import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { PolicyError, REQUEST_WAIT_MAX_MS, readPolicies } from '../../config/policies.ts';
import { CURRENCIES } from '../../domain/money.ts';
import { PROVIDERS } from '../../providers/index.ts';
import { POLICY } from '../factories.ts';

const DEFAULTS = { mpesa: POLICY, cpay: { ...POLICY, callback_wait_ms: 5_000 } };

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'malipo-policies-'));
  path = join(folder, 'overlay.yaml');
});
afterEach(() => rmSync(folder, { recursive: true }));

function readWith(overlay: unknown) {
  writeFileSync(path, stringify(overlay));
  return readPolicies(DEFAULTS, path);
}

function faultsOf(read: () => unknown): readonly string[] {
  try {
    read();
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    return error.message.split('\n  ').slice(1);
  }
  return [];
}

test('without an overlay the providers’ defaults and our own file hold', () => {
  const policies = readPolicies(DEFAULTS, null);
  expect(policies.providers).toEqual(DEFAULTS);
  expect(policies.api.start_wait_ms).toBe(8_000);
  expect(policies.sweep.interval_ms).toBeGreaterThanOrEqual(1_000);
});

test('the policies of every provider we ship are valid', () => {
  const shipped = Object.entries(PROVIDERS).map(([name, { policy }]) => [name, policy]);
  const defaults = Object.fromEntries(shipped);
  expect(readPolicies(defaults, null).providers).toEqual(defaults);
});

test('each currency has its amount for two operators, and an overlay changes one', () => {
  const { two_operators_from_minor: shipped } = readPolicies(DEFAULTS, null).api;
  expect(Object.keys(shipped).toSorted()).toEqual([...CURRENCIES, 'default'].toSorted());
  const { two_operators_from_minor: changed } = readWith(twoFrom({ USD: 1 })).api;
  expect(changed).toEqual({ ...shipped, USD: 1 });
});

test('an overlay changes the keys it names and leaves all others', () => {
  const policies = readWith({
    api: { start_wait_ms: 3_000 },
    providers: { mpesa: { late_success: 'accept', lookup: { window_ms: 60_000 } } },
  });
  const before = readPolicies(DEFAULTS, null);
  expect(policies).toEqual({
    ...before,
    api: { ...before.api, start_wait_ms: 3_000 },
    providers: {
      ...before.providers,
      mpesa: { ...POLICY, late_success: 'accept', lookup: { ...POLICY.lookup, window_ms: 60_000 } },
    },
  });
});

test('a list replaces the list: schedules are not merged entry by entry', () => {
  const { providers } = readWith({
    providers: { mpesa: { lookup: { poll_interval_ms: [5_000] } } },
  });
  expect(providers.mpesa?.lookup.poll_interval_ms).toEqual([5_000]);
});

test('an overlay adds rules, and changes one of the provider’s field by field', () => {
  const busy = { who: 'later', after_ms: 60_000 } as const;
  const defaults = { mpesa: { ...POLICY, retry: { by_code: { payer_busy: busy } } } };
  const auto = { payer_busy: { auto: true }, declined: { who: 'merchant' } };
  const unreachable = { '1037': { who: 'payer', after_ms: 5_000, auto: true } };
  const retry = { by_code: auto, by_provider_code: unreachable };
  writeFileSync(path, stringify({ providers: { mpesa: { retry } } }));
  expect(readPolicies(defaults, path).providers.mpesa?.retry).toEqual({
    by_code: { payer_busy: { ...busy, auto: true }, declined: { who: 'merchant' } },
    by_provider_code: unreachable,
  });
});

test('the defaults handed in stay as they were', () => {
  const before = structuredClone(DEFAULTS);
  readWith({
    providers: { mpesa: { lookup: { poll_interval_ms: [5_000] }, callback_wait_ms: 1 } },
  });
  expect(DEFAULTS).toEqual(before);
});

test.each(['', '# nothing but a comment\n', 'providers: {}\n'])(
  'an overlay of %j changes nothing',
  (text) => {
    writeFileSync(path, text);
    expect(readPolicies(DEFAULTS, path)).toEqual(readPolicies(DEFAULTS, null));
  },
);

const mpesa = (changes: object) => ({ providers: { mpesa: changes } });
const BY_CODE = 'providers.mpesa.retry.by_code';
const PAYER = { who: 'payer' };
const byCode = (by_code: object) => ({ retry: { by_code } });
const twoFrom = (changes: object) => ({ api: { two_operators_from_minor: changes } });
const FAULTY = [
  { overlay: { speed: 1 }, at: 'speed' },
  { overlay: { api: { start_wait: 1 } }, at: 'start_wait' },
  { overlay: mpesa({ callback_wait: 1 }), at: 'callback_wait' },
  {
    overlay: mpesa({ lookup: { windowMs: 1 } }),
    at: 'providers.mpesa.lookup.windowMs: is unknown',
  },
  {
    overlay: mpesa({ retry: { by_provider_code: { 'a\u0000': PAYER } } }),
    at: 'retry.by_provider_code',
  },
  { overlay: mpesa({ retry: { codes: {} } }), at: 'providers.mpesa.retry.codes: is unknown' },
  { overlay: mpesa(byCode({ insuficient_funds: PAYER })), at: `${BY_CODE}.insuficient_funds:` },
  { overlay: mpesa(byCode({ '1037': PAYER })), at: `${BY_CODE}.1037: is unknown` },
  { overlay: mpesa(byCode({ card_refused: 'payer' })), at: `${BY_CODE}.card_refused:` },
  { overlay: mpesa(byCode({ card_refused: {} })), at: `${BY_CODE}.card_refused.who:` },
  { overlay: mpesa(byCode({ card_refused: { who: 'bank' } })), at: `${BY_CODE}.card_refused.who:` },
  { overlay: mpesa(byCode({ declined: { ...PAYER, when: 1 } })), at: `${BY_CODE}.declined.when:` },
  { overlay: mpesa(byCode({ declined: { ...PAYER, after_ms: -1 } })), at: 'declined.after_ms:' },
  { overlay: mpesa(byCode({ declined: { ...PAYER, auto: 1 } })), at: 'declined.auto:' },
  {
    overlay: mpesa(byCode({ declined: { ...PAYER, auto: true } })),
    at: `${BY_CODE}.declined.after_ms: is missing`,
  },
  {
    overlay: mpesa(byCode({ declined: { who: 'nobody', after_ms: 1, auto: true } })),
    at: `${BY_CODE}.declined.auto: must be false`,
  },
  {
    overlay: mpesa({ retry: { by_provider_code: { '1037': { who: 'bank' } } } }),
    at: 'providers.mpesa.retry.by_provider_code.1037.who:',
  },
  {
    overlay: mpesa({ retry: { by_provider_code: { 'a b': PAYER } } }),
    at: 'providers.mpesa.retry.by_provider_code.a b:',
  },
  { overlay: { providers: { mpeza: POLICY } }, at: 'providers.mpeza: no such provider' },
  { overlay: { providers: { mpeza: {} } }, at: 'providers.mpeza: no such provider' },
  { overlay: { providers: { toString: POLICY } }, at: 'providers.toString: no such provider' },
  { overlay: mpesa({ callback_wait_ms: 0 }), at: 'providers.mpesa.callback_wait_ms:' },
  { overlay: mpesa({ callback_wait_ms: -1 }), at: 'providers.mpesa.callback_wait_ms:' },
  { overlay: mpesa({ callback_wait_ms: 1.5 }), at: 'providers.mpesa.callback_wait_ms:' },
  { overlay: mpesa({ callback_wait_ms: '30s' }), at: 'providers.mpesa.callback_wait_ms:' },
  { overlay: mpesa({ callback_wait_ms: null }), at: 'providers.mpesa.callback_wait_ms:' },
  { overlay: mpesa({ charge: { max_sends: 0 } }), at: 'providers.mpesa.charge.max_sends:' },
  {
    overlay: mpesa({ lookup: { poll_interval_ms: [] } }),
    at: 'providers.mpesa.lookup.poll_interval_ms:',
  },
  {
    overlay: mpesa({ lookup: { poll_interval_ms: [1, 0] } }),
    at: 'providers.mpesa.lookup.poll_interval_ms.1:',
  },
  { overlay: mpesa({ late_success: 'keep' }), at: 'providers.mpesa.late_success:' },
  { overlay: mpesa({ rate_limit_per_second: 0 }), at: 'providers.mpesa.rate_limit_per_second:' },
  { overlay: mpesa({ charge: 5 }), at: 'providers.mpesa.charge:' },
  { overlay: { api: { two_operators_from_minor: 5 } }, at: 'api.two_operators_from_minor:' },
  { overlay: twoFrom({ KES: -1 }), at: 'api.two_operators_from_minor.KES:' },
  { overlay: twoFrom({ XYZ: 1 }), at: 'api.two_operators_from_minor' },
  { overlay: twoFrom({ default: null }), at: 'api.two_operators_from_minor.default:' },
  { overlay: { providers: null }, at: 'providers:' },
  { overlay: { providers: [] }, at: 'providers:' },
  { overlay: { sweep: { interval_ms: 999 } }, at: 'sweep.interval_ms:' },
  { overlay: [], at: '' },
] as const;

test.each(FAULTY)('$overlay is refused and named as "$at"', ({ overlay, at }) => {
  const faults = faultsOf(() => readWith(overlay));
  expect(faults.filter((fault) => fault.includes(at))).not.toHaveLength(0);
});

test('a fault names the file it stands in', () => {
  const faults = faultsOf(() => readWith(mpesa({ callback_wait_ms: 0 })));
  expect(faults).toHaveLength(1);
  expect(faults[0]).toContain('overlay.yaml');
});

test('all faults are told at once', () => {
  const faults = faultsOf(() =>
    readWith({
      api: { start_wait_ms: 0 },
      providers: { mpeza: POLICY, mpesa: { charge: { max_sends: 99 }, speed: 1 } },
    }),
  );
  const told = faults.join('\n');
  for (const at of ['api.start_wait_ms', 'providers.mpeza', 'charge.max_sends', 'speed']) {
    expect(told).toContain(at);
  }
  expect(faults).toHaveLength(4);
});

test('no request waits for longer than a process that ends waits for it', () => {
  const start_wait_ms = REQUEST_WAIT_MAX_MS;
  expect(readWith({ api: { start_wait_ms } }).api).toMatchObject({ start_wait_ms });
  const faults = faultsOf(() => readWith({ api: { start_wait_ms: start_wait_ms + 1 } }));
  expect(faults.join('\n')).toContain('api.start_wait_ms');
});

test('a file that is not there, or is not YAML, is named', () => {
  expect(faultsOf(() => readPolicies(DEFAULTS, path))[0]).toContain(path);
  writeFileSync(path, 'providers: {mpesa: [}');
  expect(faultsOf(() => readPolicies(DEFAULTS, path))[0]).toContain(path);
});

test('a phone is asked three times at once and ten times an hour; the sandbox’s more often', () => {
  const shipped = readPolicies(DEFAULTS, null).api.phone_limit;
  expect(shipped).toEqual({ open: 3, requests: 10, per_ms: 3_600_000 });
  const sandbox = join(import.meta.dirname, '../../sandbox/policies.yaml');
  expect(readPolicies(DEFAULTS, sandbox).api.phone_limit.open).toBeGreaterThan(100);
});

// table
test.each([
  [{ mpesa: ['196.201.212.0/24', '196.201.212.69', '2001:db8::/32'] }, []],
  [{ mpesa: ['196.201.212.0/33'] }, ['mpesa.0: must be an address or a network']],
  [{ mpesa: ['safaricom.co.ke'] }, ['mpesa.0: must be an address or a network']],
  [{ mpesa: [] }, ['mpesa: ']],
  [{ airtel: ['196.201.212.0/24'] }, ['airtel: no such provider']],
])('of the addresses %j are refused: %j', (callback_addresses, faults) => {
  const found = faultsOf(() => readWith({ api: { callback_addresses } }));
  expect(found).toHaveLength(faults.length);
  for (const [index, fault] of faults.entries()) {
    expect(found[index]).toContain(`api.callback_addresses.${fault}`);
  }
});
