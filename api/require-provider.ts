import type { Provider } from '../domain/provider.ts';
import { findProvider, PROVIDER_NAMES } from '../providers/index.ts';
import { ApiError } from './errors.ts';

/** @throws ApiError not_found for a name that no provider of this release has. */
export function requireProvider(name: string): Provider {
  const provider = findProvider(name);
  if (provider !== null) return provider;
  throw new ApiError('not_found', `no such provider; there are ${PROVIDER_NAMES.join(', ')}`);
}
