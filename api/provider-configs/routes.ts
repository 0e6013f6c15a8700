import Router from '@koa/router';
import { z } from 'zod';
import { overlayPolicy } from '../../config/policies.ts';
import {
  ENVIRONMENTS,
  listProviderConfigs,
  type ProviderConfig,
  saveProviderConfig,
  setProviderConfigActive,
} from '../../db/provider-configs.ts';
import type { Provider } from '../../domain/provider.ts';
import { findProvider, PROVIDER_NAMES } from '../../providers/index.ts';
import type { ApiDeps, ApiState } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { readJsonBody } from '../middleware/json-body.ts';
import { validate } from '../middleware/validate.ts';

const putBody = z.strictObject({
  environment: z.enum(ENVIRONMENTS),
  active: z.boolean().default(true),
  credentials: z.record(z.string().max(100), z.string().max(10_000)),
  policy_override: z.record(z.string(), z.unknown()).default({}),
});
const patchBody = z.strictObject({ active: z.boolean() });

/** A merchant's own accounts at the providers. Secrets go in and never come out. */
export function createProviderConfigRoutes(deps: ApiDeps): Router<ApiState> {
  const router = new Router<ApiState>({ prefix: '/api/v1/provider-configs' });

  router.get('/', async (ctx) => {
    const configs = await listProviderConfigs(deps.pool, ctx.state.merchantId);
    ctx.body = { object: 'list', data: configs.map(presentConfig), has_more: false };
  });

  router.get('/:provider', async (ctx) => {
    const configs = await listProviderConfigs(deps.pool, ctx.state.merchantId);
    ctx.body = presentConfig(
      requireConfig(configs.find(({ provider }) => provider === ctx.params.provider)),
    );
  });

  router.put('/:provider', readJsonBody, async (ctx) => {
    const provider = requireProvider(ctx.params.provider);
    const body = withBaseUrl(provider, validate(putBody, ctx.request.body));
    refuseFaults(deps, provider, body);
    const config = await saveProviderConfig(deps.pool, deps.vault, {
      merchantId: ctx.state.merchantId,
      provider: provider.name,
      environment: body.environment,
      active: body.active,
      policyOverride: body.policy_override,
      credentials: body.credentials,
      shown: showCredentials(provider, body.credentials),
    });
    ctx.body = presentConfig(config);
  });

  router.patch('/:provider', readJsonBody, async (ctx) => {
    const { name } = requireProvider(ctx.params.provider);
    const { active } = validate(patchBody, ctx.request.body);
    const config = await setProviderConfigActive(deps.pool, ctx.state.merchantId, name, active);
    ctx.body = presentConfig(requireConfig(config));
  });
  return router;
}

function requireProvider(name: string | undefined): Provider {
  const provider = findProvider(name ?? '');
  if (provider !== null) return provider;
  throw new ApiError('not_found', `no such provider; there are ${PROVIDER_NAMES.join(', ')}`);
}

function requireConfig(config: ProviderConfig | null | undefined): ProviderConfig {
  if (config) return config;
  throw new ApiError('not_found', 'you have no configuration of this provider; create it with PUT');
}

type PutBody = z.infer<typeof putBody>;

/** The environment's address, unless the credentials say another. */
function withBaseUrl({ baseUrls }: Provider, body: PutBody): PutBody {
  const base_url = body.environment === 'simulator' ? undefined : baseUrls[body.environment];
  if (base_url === undefined) return body;
  return { ...body, credentials: { base_url, ...body.credentials } };
}

function refuseFaults({ policies }: ApiDeps, provider: Provider, body: PutBody): void {
  const reading = provider.readCredentials(body.credentials);
  const policy = policies.providers[provider.name];
  const overlaid = policy === undefined ? null : overlayPolicy(policy, body.policy_override);
  const faults = [
    ...(reading.ok ? [] : reading.faults.map((fault) => toFault('/credentials', fault))),
    ...(overlaid?.ok === false
      ? overlaid.faults.map((fault) => toFault('/policy_override', fault))
      : []),
  ];
  if (faults.length === 0) return;
  const detail = faults.map((fault) => `${fault.pointer} ${fault.detail}`).join('; ');
  throw new ApiError('invalid_request', detail, faults);
}

/** `field.path: how to mend it` becomes a pointer and its detail. */
function toFault(under: string, fault: string) {
  const colon = fault.indexOf(': ');
  const path = fault.slice(0, colon).replaceAll('.', '/');
  return { pointer: `${under}/${path}`, detail: fault.slice(colon + 2) };
}

function showCredentials(
  { shownFields }: Provider,
  credentials: Readonly<Record<string, string>>,
): Record<string, string> {
  const shown = Object.entries(credentials).map(([field, value]) => [
    field,
    shownFields.includes(field) ? value : `••••${value.length >= 16 ? value.slice(-4) : ''}`,
  ]);
  return Object.fromEntries(shown);
}

function presentConfig(config: ProviderConfig) {
  return {
    id: config.id,
    object: 'provider_config',
    provider: config.provider,
    environment: config.environment,
    active: config.active,
    version: config.version,
    credentials: config.shown,
    policy_override: config.policy_override,
    created_at: config.created_at,
    updated_at: config.updated_at,
  };
}
