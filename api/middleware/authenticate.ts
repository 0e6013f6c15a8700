import type { Middleware } from 'koa';
import { authenticate } from '../../db/merchants.ts';
import type { ApiDeps, ApiState } from '../deps.ts';
import { ApiError } from '../errors.ts';

const BEARER = /^Bearer (sk_[A-Za-z0-9_]{8,200})$/;

/** Lets in who sends a merchant's API key: `Authorization: Bearer sk_test_…`. */
export function requireApiKey({ pool }: ApiDeps): Middleware<ApiState> {
  return async (ctx, next) => {
    const apiKey = BEARER.exec(ctx.get('Authorization'))?.[1];
    const found = apiKey === undefined ? null : await authenticate(pool, apiKey);
    if (found === null) {
      ctx.set('WWW-Authenticate', 'Bearer');
      throw new ApiError('unauthorized', 'send Authorization: Bearer and a valid API key (sk_…)');
    }
    ctx.state.merchantId = found.merchantId;
    await next();
  };
}
