import type { z } from 'zod';
import { findFirstEnrollment } from '../../db/merchants.ts';
import {
  findDefaultConfig,
  listAllProviderConfigs,
  type ProviderConfig,
  saveProviderConfig,
  setProviderConfigActive,
} from '../../db/provider-configs.ts';
import { ApiError } from '../errors.ts';
import { declare, type Operation } from '../operation.ts';
import { presentConfig } from '../provider-configs/present.ts';
import { prepareConfig } from '../provider-configs/save.ts';
import { configResponse, patchConfigBody, putConfigBody } from '../provider-configs/schema.ts';
import { requireProvider } from '../require-provider.ts';
import { exampleId, findPage, pageOf, stringOrNullOf } from '../response.ts';
import { pageQuery, text } from '../schema.ts';
import { awaitingSecond, WHO_KNOWS_A_PASSWORD, withSecond } from './two-operators.ts';

const tag = 'Operators';
const viewing = { kind: 'operator', role: 'viewer' } as const;
const ruling = { kind: 'operator', role: 'admin' } as const;
const list = '/api/v1/admin/provider-configs';
const one = `${list}/{provider}` as const;

const adminConfigResponse = configResponse
  .extend({
    merchant_id: stringOrNullOf('Whose it is; null: the default', exampleId('merchant')),
  })
  .meta({ id: 'AdminProviderConfig' });
const answers = {
  200: { description: 'The default, secrets masked', schema: adminConfigResponse },
};

/** All merchants' accounts at the providers, and the default of those that have none. */
export const adminProviderConfigOperations: readonly Operation[] = [
  declare({
    id: 'adminListProviderConfigs',
    method: 'get',
    path: list,
    tag,
    summary: 'List all merchants’ accounts at the providers and the defaults, newest first',
    description: 'Secrets are masked, as merchants see them.',
    access: viewing,
    query: pageQuery.extend({ merchant_id: text(100).optional() }),
    answers: { 200: { description: 'A page of them', schema: pageOf(adminConfigResponse) } },
    async handle({ pool }, { query }) {
      const merchantId = query.merchant_id ?? null;
      const listAll = (limit: number, beforeId: string | null) =>
        listAllProviderConfigs(pool, { merchantId, beforeId, limit });
      return { status: 200, body: await findPage('provider_config', query, listAll, present) };
    },
  }),
  declare({
    id: 'adminPutProviderConfig',
    method: 'put',
    path: one,
    tag,
    summary: 'Configure the default account at a provider',
    description: `Merchants without an account of their own pay by it, before what the environment names. It replaces what was there; payments that are open finish with the credentials they began with. It takes two admins who send the same request, credentials included: of these only a keyed hash is kept until then. ${WHO_KNOWS_A_PASSWORD}`,
    access: ruling,
    body: putConfigBody,
    answers: { ...answers, 202: awaitingSecond },
    problems: ['already_agreed'],
    async handle(deps, { param, body, caller }) {
      const config = prepareConfig(deps, null, param('provider'), body);
      const { provider, environment, active, policyOverride, credentials, shown } = config;
      const told = { environment, active, policy_override: policyOverride };
      const current = await findDefaultConfig(deps.pool, provider);
      const asked = {
        action: 'adminPutProviderConfig',
        about: {},
        subjectId: `default:${provider}`,
        // It is about every merchant: who could have prepared for it counts since the first one.
        madeAt: (await findFirstEnrollment(deps.pool)) ?? new Date().toISOString(),
        ...(current === null ? {} : { changedAt: current.updated_at }),
        request: { ...told, credentials },
        summary: { ...told, provider, credentials: shown },
      } as const;
      return await withSecond(deps, caller.operatorId, asked, async (db) => ({
        status: 200,
        body: present(await saveProviderConfig(db, deps.vault, config)),
      }));
    },
  }),
  declare({
    id: 'adminPatchProviderConfig',
    method: 'patch',
    path: one,
    tag,
    summary: 'Switch the default account at a provider on or off for new payments',
    description:
      'Switched off, it refuses payments of merchants without their own; nothing else takes its place.',
    access: ruling,
    body: patchConfigBody,
    answers,
    async handle({ pool }, { param, body: { active } }) {
      const { name } = requireProvider(param('provider'));
      const config = await setProviderConfigActive(pool, null, name, active);
      if (config !== null) return { status: 200, body: present(config) };
      throw new ApiError('not_found', `there is no default of ${name}; create it with PUT`);
    },
  }),
];

function present(config: ProviderConfig): z.input<typeof adminConfigResponse> {
  return { ...presentConfig(config), merchant_id: config.merchant_id };
}
