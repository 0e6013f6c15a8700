import {
  type NewProviderConfig,
  type ProviderConfig,
  saveProviderConfig,
} from '../../db/provider-configs.ts';
import type { Provider } from '../../domain/provider.ts';
import type { ApiDeps } from '../deps.ts';
import { requireProvider } from '../require-provider.ts';
import { checkConfig } from './check.ts';
import type { PutConfigBody } from './schema.ts';

/**
 * Checks a merchant's configuration and stores it, in the place of what was there.
 * @throws ApiError not_found, invalid_request.
 */
export async function saveConfig(
  deps: ApiDeps,
  merchantId: string,
  name: string,
  given: PutConfigBody,
): Promise<ProviderConfig> {
  const config = prepareConfig(deps, merchantId, name, given);
  return await saveProviderConfig(deps.pool, deps.vault, config);
}

/**
 * Checks a configuration.
 * @param merchantId null: the default of all merchants that have none of their own.
 * @returns it as it is stored.
 * @throws ApiError not_found, invalid_request.
 */
export function prepareConfig(
  deps: ApiDeps,
  merchantId: string | null,
  name: string,
  given: PutConfigBody,
): NewProviderConfig {
  const provider = requireProvider(name);
  const body = checkConfig(deps, provider, given);
  return {
    merchantId,
    provider: provider.name,
    environment: body.environment,
    active: body.active,
    policyOverride: body.policy_override,
    credentials: body.credentials,
    shown: showCredentials(provider, body.credentials),
    account: nameAccount(provider, body),
  };
}

/** Refunds are made with the newest credentials under the same name. */
function nameAccount({ accountFields }: Provider, { environment, credentials }: PutConfigBody) {
  return [environment, ...accountFields.map((field) => credentials[field] ?? '')].join(' ');
}

function showCredentials(
  { shownFields }: Provider,
  credentials: Readonly<Record<string, string>>,
): Record<string, string> {
  const shown = Object.entries(credentials).map(([field, value]) => [
    field,
    shownFields.includes(field) ? value : `••••${value.length >= 16 ? value.slice(-4) : ''}`,
  ]);
  return Object.fromEntries(shown);
}
