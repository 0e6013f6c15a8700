import type { z } from 'zod';
import type { ProviderConfig } from '../../db/provider-configs.ts';
import type { configResponse } from './schema.ts';

/** As the API tells it; the secrets of `shown` were masked when it was saved. */
export function presentConfig(config: ProviderConfig): z.input<typeof configResponse> {
  return {
    id: config.id,
    object: 'provider_config',
    provider: config.provider,
    environment: config.environment,
    active: config.active,
    version: config.version,
    credentials: config.shown,
    policy_override: config.policy_override,
    created_at: config.created_at,
    updated_at: config.updated_at,
  };
}
