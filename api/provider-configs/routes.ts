import {
  listProviderConfigs,
  type ProviderConfig,
  setProviderConfigActive,
} from '../../db/provider-configs.ts';
import { ApiError } from '../errors.ts';
import { declare, type Operation } from '../operation.ts';
import { requireProvider } from '../require-provider.ts';
import { presentWholeList, wholeListOf } from '../response.ts';
import { presentConfig } from './present.ts';
import { saveConfig } from './save.ts';
import { configResponse, patchConfigBody, putConfigBody } from './schema.ts';

const tag = 'Provider configurations';
const path = '/api/v1/provider-configs/{provider}';
const reading = { kind: 'merchant', scope: 'provider_configs:read' } as const;
const writing = { kind: 'merchant', scope: 'provider_configs:write' } as const;
const answers = {
  200: { description: 'The configuration, secrets masked', schema: configResponse },
};

/** A merchant's own accounts at the providers. Secrets go in and never come out. */
export const providerConfigOperations: readonly Operation[] = [
  declare({
    id: 'listProviderConfigs',
    method: 'get',
    path: '/api/v1/provider-configs',
    tag,
    summary: 'List your accounts at the providers',
    access: reading,
    answers: { 200: { description: 'One for each provider', schema: wholeListOf(configResponse) } },
    async handle({ pool }, { caller }) {
      const configs = await listProviderConfigs(pool, caller.merchantId);
      return { status: 200, body: presentWholeList(configs.map(presentConfig)) };
    },
  }),
  declare({
    id: 'getProviderConfig',
    method: 'get',
    path,
    tag,
    summary: 'See your account at a provider',
    access: reading,
    answers,
    async handle({ pool }, { caller, param }) {
      const configs = await listProviderConfigs(pool, caller.merchantId);
      const config = configs.find(({ provider }) => provider === param('provider'));
      return { status: 200, body: presentConfig(requireConfig(config)) };
    },
  }),
  declare({
    id: 'putProviderConfig',
    method: 'put',
    path,
    tag,
    summary: 'Configure your account at a provider',
    description:
      'Replaces what was there. Payments that are open finish with the credentials they began with; refunds are made with the newest of the same account.',
    access: writing,
    body: putConfigBody,
    answers,
    async handle(deps, { caller, param, body }) {
      const config = await saveConfig(deps, caller.merchantId, param('provider'), body);
      return { status: 200, body: presentConfig(config) };
    },
  }),
  declare({
    id: 'patchProviderConfig',
    method: 'patch',
    path,
    tag,
    summary: 'Switch a provider on or off for new payments',
    access: writing,
    body: patchConfigBody,
    answers,
    async handle({ pool }, { caller, param, body: { active } }) {
      const { name } = requireProvider(param('provider'));
      const config = await setProviderConfigActive(pool, caller.merchantId, name, active);
      return { status: 200, body: presentConfig(requireConfig(config)) };
    },
  }),
];

function requireConfig(config: ProviderConfig | null | undefined): ProviderConfig {
  if (config) return config;
  throw new ApiError('not_found', 'you have no configuration of this provider; create it with PUT');
}
