import { type Access, type Caller, covers, EVENT_ACCESS } from '../../domain/access.ts';
import type { ApiDeps } from '../deps.ts';
import { readAccessToken, readApiKey } from '../middleware/authenticate.ts';

/** Who may follow the live feed, which is no operation; docs/generated/access.md tells it too. */
export const LIVE_ACCESS = {
  path: '/api/v1/live',
  merchant: EVENT_ACCESS,
  operator: { kind: 'operator', role: 'viewer' },
} as const satisfies Readonly<Record<'merchant' | 'operator', Access>> & { readonly path: string };

/** Whom the live feed talks to. */
export type LiveCaller = Exclude<Caller, { readonly kind: 'open' }>;

/** Null for a token that opens nothing here. @throws Error while the database is away. */
export async function findLiveCaller(
  deps: Pick<ApiDeps, 'pool' | 'environment' | 'accessTokens'>,
  token: string,
): Promise<LiveCaller | null> {
  const merchant = await readApiKey(deps, token);
  if (merchant !== null) {
    return merchant.scopes.includes(LIVE_ACCESS.merchant.scope) ? merchant : null;
  }
  const operator = await readAccessToken(deps, token);
  return operator !== null && covers(operator.role, LIVE_ACCESS.operator.role) ? operator : null;
}
