import type { Context } from 'koa';
import type { Policies } from '../../config/policies.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';

export type LimitName = keyof Policies['api']['rate_limits'];

/**
 * Counts a request and tells the caller where it stands, by the headers of
 * draft-ietf-httpapi-ratelimit-headers-10.
 * @throws ApiError rate_limited, with Retry-After.
 */
export async function limitRate(
  { limits, policies }: ApiDeps,
  ctx: Context,
  name: LimitName,
  subject: string,
): Promise<void> {
  const { requests, per_ms } = policies.api.rate_limits[name];
  const { isExceeded, remaining, resetMs } = await limits.count(name, subject);
  const resetSeconds = Math.ceil(resetMs / 1000);
  ctx.set('RateLimit-Policy', `"${name}";q=${requests};w=${Math.ceil(per_ms / 1000)}`);
  ctx.set('RateLimit', `"${name}";r=${remaining};t=${resetSeconds}`);
  if (!isExceeded) return;
  ctx.set('Retry-After', String(Math.max(1, resetSeconds)));
  const detail = `at most ${requests} requests in ${per_ms / 1000} s; come again after Retry-After`;
  throw new ApiError('rate_limited', detail);
}
