import { countWaitingCharges } from '../../db/waiting-charges.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';

/** However slow a provider is. */
const ALWAYS = 10;
const RETRY_AFTER_MAX_S = 30;

/**
 * A merchant's charges may not fill the queue that all merchants share at a provider. Processes
 * that check at the same moment may together let a few more through.
 * @throws ApiError rate_limited, with Retry-After.
 */
export async function refuseBeyondTurn(
  { pool, policies, deployment }: Pick<ApiDeps, 'pool' | 'policies' | 'deployment'>,
  merchantId: string,
  provider: string,
): Promise<void> {
  const { fair_ms, unfair_ms } = policies.api.waiting_charges;
  const { fairness } = deployment.state();
  // While Temporal is away nothing of ours is in its queues: payments are stored for later.
  const isFair = fairness === 'on' || fairness === null;
  const perSecond = policies.providers[provider]?.rate_limit_per_second ?? 1;
  const seconds = (isFair ? fair_ms : unfair_ms) / 1_000;
  const most = Math.max(ALWAYS, Math.ceil(perSecond * seconds));
  const waiting = await countWaitingCharges(pool, { merchantId, provider }, most);
  if (waiting < most) return;
  const detail = `${waiting} payments of yours wait for their turn at ${provider}, which takes ${perSecond} calls a second of all merchants together, and no more may wait; send this one again after Retry-After, with the same Idempotency-Key`;
  const retryAfterS = Math.max(1, Math.ceil(Math.min(RETRY_AFTER_MAX_S, seconds / 4)));
  throw new ApiError('rate_limited', detail, [], retryAfterS);
}
