import { referToNewest } from '../db/provider-configs.ts';
import { ProviderError } from '../domain/error.ts';
import type { ProviderClient } from '../domain/provider.ts';
import type { ActivityDeps } from './deps.ts';

/**
 * Calls a provider about something that is open, with the credentials that it began with. Where the
 * provider refuses those, it is called once more with the newest of the same account: a key that
 * leaked is revoked, and the money that is held by it must not wait for that key for ever. That it
 * was refused proves that the first call did nothing.
 */
export async function callWithCredentials<R>(
  { pool, clientFor }: Pick<ActivityDeps, 'pool' | 'clientFor'>,
  { provider, credentialsRef }: { readonly provider: string; readonly credentialsRef: string },
  call: (client: ProviderClient) => Promise<R>,
): Promise<R> {
  try {
    return await call(await clientFor(provider, credentialsRef));
  } catch (error) {
    if (!(error instanceof ProviderError) || error.kind !== 'misconfigured') throw error;
    // With our own storage away nobody can tell of a newer one.
    const newest = await referToNewest(pool, credentialsRef).catch(() => credentialsRef);
    if (newest === credentialsRef) throw error;
    return await call(await clientFor(provider, newest));
  }
}
