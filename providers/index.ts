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

/**
 * What is wrong with the deployment's own accounts, by the variables that hold them. An account of
 * which nothing is set is none, and no fault.
 */
export function faultsOfOwn(
  accounts: Readonly<Record<string, Readonly<Record<string, string>>>>,
): readonly string[] {
  return PROVIDER_NAMES.flatMap((name) => {
    const record = accounts[name] ?? {};
    if (Object.keys(record).length === 0) return [];
    const provider: Provider = PROVIDERS[name];
    const reading = provider.readCredentials(record);
    if (!reading.ok) return reading.faults.map((fault) => ofVariable(name, fault));
    const faults = provider.refuseNew?.(reading.credentials, null) ?? [];
    return faults.map((fault) => ofVariable(name, fault));
  });
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
