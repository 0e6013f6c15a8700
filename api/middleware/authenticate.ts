import type { RouterContext } from '@koa/router';
import { authenticate } from '../../db/merchants.ts';
import type { Access, Caller } from '../../domain/access.ts';
import type { ApiDeps, ApiState } from '../deps.ts';
import { ApiError } from '../errors.ts';

const BEARER = /^Bearer (sk_[A-Za-z0-9_]{8,200})$/;

/** Lets in whom the operation is for. @throws ApiError unauthorized, forbidden. */
export async function admit(
  deps: ApiDeps,
  access: Access,
  ctx: RouterContext<ApiState>,
): Promise<Caller> {
  if (access.kind === 'open') return { kind: 'open' };
  if (access.kind === 'operator') throw new ApiError('unauthorized', 'sign in first');
  const apiKey = BEARER.exec(ctx.get('Authorization'))?.[1];
  const found = apiKey === undefined ? null : await authenticate(deps.pool, apiKey);
  if (found === null) {
    ctx.set('WWW-Authenticate', 'Bearer');
    throw new ApiError('unauthorized', 'send Authorization: Bearer and a valid API key (sk_…)');
  }
  ctx.state.merchantId = found.merchantId;
  if (found.scopes.includes(access.scope)) return { kind: 'merchant', ...found };
  throw new ApiError('forbidden', `this key lacks the scope ${access.scope}`);
}
