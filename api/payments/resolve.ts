import { withinLimits } from '../../config/override-limits.ts';
import { overlayPolicy } from '../../config/policies.ts';
import { findProviderConfig, referTo } from '../../db/provider-configs.ts';
import type { Payment } from '../../domain/payment.ts';
import type { ProviderPolicy } from '../../domain/policy.ts';
import type { Provider } from '../../domain/provider.ts';
import { findProvider } from '../../providers/index.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError, faulty } from '../errors.ts';
import { canTake } from './limits.ts';
import type { CreatePaymentBody } from './schema.ts';

export type Resolved = { readonly credentialsRef: string; readonly policy: ProviderPolicy };

/**
 * Whose credentials and which policy a new payment goes by: the merchant's configuration, else the
 * default one, else the deployment's own.
 * @throws ApiError provider_inactive when it is switched off.
 */
export async function resolveProvider(
  { pool, policies, log }: ApiDeps,
  merchantId: string,
  { name }: Provider,
): Promise<Resolved> {
  const policy = policies.providers[name];
  if (policy === undefined) throw new ApiError('not_found', 'no such provider');
  const config = await findProviderConfig(pool, merchantId, name);
  if (config === null) return { credentialsRef: `env:${name}`, policy };
  if (!config.active) {
    const detail =
      config.merchant_id === null
        ? `names ${name}, which is switched off here; ask those who run this deployment`
        : `names ${name}, which is switched off in your configuration; switch it on with PATCH /api/v1/provider-configs/${name}`;
    throw faulty('provider_inactive', [{ pointer: '/provider', detail }]);
  }
  const { policy_override: over, id } = config;
  return {
    credentialsRef: referTo(config),
    policy: policyOf(log.child({ config: id }), policy, over),
  };
}

/**
 * A stored override was valid when it was written, by the limits of that day. A payment goes by
 * what is valid of it now: the rest is refused with the next change of the configuration.
 */
function policyOf(
  log: ApiDeps['log'],
  policy: ProviderPolicy,
  over: Readonly<Record<string, unknown>>,
): ProviderPolicy {
  const own = withinLimits(over);
  const overlaid = overlayPolicy(policy, own);
  if (overlaid.ok) return overlaid.policy;
  const faulty = new Set(overlaid.faults.map(({ path: [field] }) => field));
  log.warn({ fields: [...faulty] }, 'a stored policy_override is not valid; the rest of it counts');
  const valid = Object.entries(own).filter(([field]) => !faulty.has(field));
  const rest = overlayPolicy(policy, Object.fromEntries(valid));
  return rest.ok ? rest.policy : policy;
}

/**
 * Where later attempts go by the policy. What could not take this payment, or is switched off, is
 * left out.
 */
export async function resolveFallbacks(
  deps: ApiDeps,
  merchantId: string,
  { reattempt }: ProviderPolicy,
  body: CreatePaymentBody,
): Promise<Payment['fallbacks']> {
  const routes: Payment['fallbacks'][number][] = [];
  for (const name of reattempt.fallback) {
    const provider = findProvider(name);
    if (provider === null || !canTake(provider, body)) continue;
    const resolved = await resolveProvider(deps, merchantId, provider).catch((error: unknown) => {
      if (error instanceof ApiError) return null;
      throw error;
    });
    if (resolved !== null) routes.push({ provider: name, ...resolved });
  }
  return routes;
}
