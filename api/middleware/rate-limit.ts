import type { Context } from 'koa';
import type { LimitName } from '../../config/policies.ts';
import type { RateLimitState } from '../../db/rate-limits.ts';
import { siteOf } from '../addresses.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';

/**
 * What protects a process from floods is counted by each for itself: it must not cost a question
 * to the database. The others are counted over all processes.
 */
export const LOCAL_LIMITS = [
  'address',
  'health',
  'forged',
  'forged_address',
  'unknown_callback',
  'callback_account',
  'callback_token',
] as const;

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
  const state = await limits.count(name, subject);
  const resetSeconds = Math.ceil(state.resetMs / 1000);
  ctx.set('RateLimit-Policy', `"${name}";q=${requests};w=${Math.ceil(per_ms / 1000)}`);
  ctx.set('RateLimit', `"${name}";r=${state.remaining};t=${resetSeconds}`);
  refuseExceeded({ policies }, name, state);
}

/** The same without the headers, for what is counted beside the caller's own limit. */
export async function requireRate(
  { limits, policies }: Pick<ApiDeps, 'limits' | 'policies'>,
  name: LimitName,
  subject: string,
): Promise<void> {
  refuseExceeded({ policies }, name, await limits.count(name, subject));
}

/** Limits that an IPv6 site could evade by its many networks; each has a looser one by site. */
const SITE_LIMITS = { sign_in: 'sign_in_site', refused: 'refused_site' } as const;

/**
 * Counts it by the site of the address as well. After the count by address, whose refusals must not
 * use up what the neighbours have.
 * @throws ApiError rate_limited, with Retry-After.
 */
export async function requireSiteRate(
  deps: Pick<ApiDeps, 'limits' | 'policies'>,
  name: LimitName,
  address: string,
): Promise<void> {
  const site = siteOf(address);
  const [, siteLimit] = Object.entries(SITE_LIMITS).find(([of]) => of === name) ?? [];
  if (site !== null && siteLimit !== undefined) await requireRate(deps, siteLimit, site);
}

/** @throws ApiError rate_limited, with Retry-After, when that is where somebody stands. */
export function refuseExceeded(
  { policies }: Pick<ApiDeps, 'policies'>,
  name: LimitName,
  { isExceeded, resetMs }: RateLimitState,
): void {
  if (!isExceeded) return;
  const { requests, per_ms } = policies.api.rate_limits[name];
  const detail = `at most ${requests} requests in ${per_ms / 1000} s; come again after Retry-After`;
  throw new ApiError('rate_limited', detail, [], Math.max(1, Math.ceil(resetMs / 1000)));
}
