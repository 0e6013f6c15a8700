import { isLoopbackHost } from '../domain/loopback.ts';
import type { Capabilities, Provider } from '../domain/provider.ts';
import { cpay } from './cpay/index.ts';
import { mpesa } from './mpesa/index.ts';
import { stripe } from './stripe/index.ts';

/** Every provider, one line each. All else derives from this list. */
export const PROVIDERS = {
  mpesa,
  stripe,
  cpay,
} as const satisfies Record<string, Provider>;

export type ProviderName = keyof typeof PROVIDERS;
export const PROVIDER_NAMES = Object.keys(PROVIDERS).filter(isProviderName);

export function isProviderName(name: string): name is ProviderName {
  return Object.hasOwn(PROVIDERS, name);
}

/** The provider of this name; null for any other. */
export function findProvider(name: string): Provider | null {
  return isProviderName(name) ? PROVIDERS[name] : null;
}

/** @throws Error for a name that no provider of this release has. */
export function capabilitiesOf(name: string): Capabilities {
  const provider = findProvider(name);
  if (provider === null) throw new Error(`there is no provider ${name}`);
  return provider.capabilities;
}

type OwnAccounts = Readonly<Record<string, Readonly<Record<string, string>>>>;

/**
 * What is wrong with the deployment's own accounts, by the variables that hold them. An account of
 * which nothing is set is none, and no fault.
 */
export function faultsOfOwn(
  accounts: OwnAccounts,
  environment: 'sandbox' | 'production',
): readonly string[] {
  const isReal = environment === 'production';
  return PROVIDER_NAMES.flatMap((name) => {
    const record = accounts[name] ?? {};
    if (Object.keys(record).length === 0) return [];
    const provider: Provider = PROVIDERS[name];
    const reading = provider.readCredentials(record);
    if (!reading.ok) return reading.faults.map((fault) => ofVariable(name, fault));
    const faults = [
      ...(isReal ? addressFaults(provider, record) : []),
      ...(provider.refuseNew?.(reading.credentials, isReal ? 'production' : null) ?? []),
    ];
    return faults.map((fault) => ofVariable(name, fault));
  });
}

/**
 * Where a provider's simulator runs on this machine, which the deployment's own account names; null
 * when that account is at the provider itself.
 */
export function simulatorAddress(accounts: OwnAccounts, name: string): string | null {
  const { base_url: address = '' } = accounts[name] ?? {};
  const url = URL.parse(address);
  if (url === null || url.protocol !== 'http:') return null;
  return isLoopbackHost(url.hostname) ? address : null;
}

/**
 * A merchant's stored credentials with the address they are for. Only those for a simulator are
 * stored without one: it is where the simulator runs today. Null when none runs: a provider's own
 * schema would take the address of the real one.
 */
export function withAddress(
  accounts: OwnAccounts,
  name: string,
  record: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> | null {
  if (record.base_url !== undefined) return record;
  const address = simulatorAddress(accounts, name);
  return address === null ? null : { ...record, base_url: address };
}

/**
 * Left empty, it would be test money that looks like real payments: the address is to be said. At a
 * sandbox or a simulator merchants would hand out goods for nothing.
 */
function addressFaults(
  { baseUrls, defaultsTo }: Provider,
  { base_url }: Readonly<Record<string, string>>,
): readonly string[] {
  const { production, sandbox } = baseUrls;
  if (base_url === undefined) {
    if (defaultsTo !== 'sandbox') return [];
    return [
      `base_url: is missing, and in production nothing is assumed: ${production} takes real money`,
    ];
  }
  const url = URL.parse(base_url);
  const remedy = 'set MALIPO_ENVIRONMENT=sandbox for test money';
  if (url?.protocol !== 'https:') return [`base_url: must be https:// in production; ${remedy}`];
  if (isLoopbackHost(url.hostname)) {
    return [`base_url: is on this machine, as only simulators are; ${remedy}`];
  }
  const isSandbox = sandbox !== undefined && sandbox !== production;
  if (!isSandbox || url.host !== hostOf(sandbox)) return [];
  return [`base_url: is the provider’s sandbox, and ${production} takes real money; ${remedy}`];
}

/** One warning for the deployment's own accounts that move no real money in production. */
export function testMoneyOfOwn(
  accounts: OwnAccounts,
  environment: 'sandbox' | 'production',
): readonly { readonly code: 'test_money'; readonly detail: string }[] {
  if (environment !== 'production') return [];
  const names = PROVIDER_NAMES.filter((name) => {
    const record = accounts[name] ?? {};
    return Object.keys(record).length > 0 && isOfTests(PROVIDERS[name], record);
  });
  if (names.length === 0) return [];
  const variables = names.map((name) => `MALIPO_${name.toUpperCase()}_…`).join(', ');
  const detail = `These accounts move no real money, though this is production: ${variables}. Set live credentials, unless this is a staging system.`;
  return [{ code: 'test_money', detail }];
}

/** Whether an account is at another host than the live one, or has a key that is not for it. */
function isOfTests(provider: Provider, record: Readonly<Record<string, string>>): boolean {
  const { base_url } = record;
  const { production } = provider.baseUrls;
  if (base_url !== undefined && production !== undefined && hostOf(base_url) !== hostOf(production))
    return true;
  const reading = provider.readCredentials(record);
  if (!reading.ok) return false;
  // What is wrong in any environment is a fault of the start, and says nothing about the money.
  const faults = provider.refuseNew?.(reading.credentials, null) ?? [];
  const inProduction = provider.refuseNew?.(reading.credentials, 'production') ?? [];
  return inProduction.some((fault) => !faults.includes(fault));
}

function hostOf(address: string): string | undefined {
  return URL.parse(address)?.host;
}

/** `field: how to mend it` as a fault of the variable MALIPO_<NAME>_<FIELD>. */
function ofVariable(name: string, fault: string): string {
  const [field = ''] = fault.split(':', 1);
  return `MALIPO_${name}_${field}`.toUpperCase() + fault.slice(field.length);
}

/** Whether a provider's ids of payments are kept sealed; a name that nobody has holds no ids. */
export function hasPersonalIds(name: string): boolean {
  return findProvider(name)?.idsArePersonal === true;
}

/** Every provider's own policy, to lay config/policies.yaml and overlays over. */
export const POLICY_DEFAULTS = Object.fromEntries(
  PROVIDER_NAMES.map((name) => [name, PROVIDERS[name].policy]),
);
