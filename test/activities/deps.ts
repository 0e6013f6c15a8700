import type { ActivityDeps } from '../../activities/index.ts';
import type { Pool } from '../../db/pool.ts';
import type { ProviderClient } from '../../domain/provider.ts';
import { VAULT } from '../factories.ts';

/** For activities that call this client, keep their rows here, and speak to no workflow. */
export function depsFor(pool: Pool, client: ProviderClient): ActivityDeps {
  return {
    pool,
    vault: VAULT,
    clientFor: () => Promise.resolve(client),
    callbackUrl: () => 'http://127.0.0.1:1/callback',
    refundCallbackUrls: () => ({}),
    allowsLoopback: true,
    get temporal(): never {
      throw new Error('these activities speak to no workflow');
    },
  };
}
