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

/** Whether a provider's ids of payments are kept sealed; a name that nobody has holds no ids. */
export function hasPersonalIds(name: string): boolean {
  return findProvider(name)?.idsArePersonal === true;
}

/** Every provider's own policy, to lay config/policies.yaml and overlays over. */
export const POLICY_DEFAULTS = Object.fromEntries(
  PROVIDER_NAMES.map((name) => [name, PROVIDERS[name].policy]),
);
