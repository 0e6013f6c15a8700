import type { Caller } from '../../domain/access.ts';
import type { ApiDeps } from '../deps.ts';
import { readAccessToken, readApiKey } from '../middleware/authenticate.ts';

/** Whom the live feed talks to: a key that may read payments, or any operator. */
export type LiveCaller = Exclude<Caller, { readonly kind: 'open' }>;

/** Null for a token that opens nothing here. @throws Error while the database is away. */
export async function findLiveCaller(
  deps: Pick<ApiDeps, 'pool' | 'accessTokens'>,
  token: string,
): Promise<LiveCaller | null> {
  const merchant = await readApiKey(deps, token);
  if (merchant !== null) return merchant.scopes.includes('payments:read') ? merchant : null;
  return await readAccessToken(deps, token);
}
