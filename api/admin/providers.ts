import { z } from 'zod';
import type { Provider } from '../../domain/provider.ts';
import { PROVIDER_NAMES, PROVIDERS } from '../../providers/index.ts';
import { declare, type Operation } from '../operation.ts';
import type { OtherVersion } from '../other-versions.ts';
import { providerName } from '../payments/shape.ts';
import { minor, presentWholeList, wholeListOf } from '../shape.ts';

const amounts = z.strictObject({ min_minor: minor, max_minor: minor, step_minor: minor });
const providerShape = z
  .strictObject({
    object: z.literal('provider'),
    name: providerName,
    environments: z.array(z.string()),
    amounts: z.record(z.string(), amounts).meta({ description: 'By currency, in minor units' }),
    needs: z.array(z.string()),
    capture: z.boolean(),
    cancel: z.boolean(),
    refund: z.enum(['sync', 'async', 'none']),
    callback_proof: z.enum(['signature', 'token']),
    takes_our_key: z.boolean(),
    other_versions: z.array(z.strictObject({ account: z.string(), version: z.string() })).meta({
      description:
        'Versions of the provider’s API, other than ours, in which events came since this process started. Set the version of the account’s webhook endpoint to the one that providers/<name>/README.md names',
    }),
  })
  .meta({ id: 'Provider' });

/** Which providers this release has, and what each can do. */
export const providerOperations: readonly Operation[] = [
  declare({
    id: 'adminListProviders',
    method: 'get',
    path: '/api/v1/admin/providers',
    tag: 'Operators',
    summary: 'List providers and what they can do',
    access: { kind: 'operator', role: 'viewer' },
    answers: { 200: { description: 'All of them', schema: wholeListOf(providerShape) } },
    handle: ({ metrics }) => {
      const providers = PROVIDER_NAMES.map((name) =>
        presentProvider(PROVIDERS[name], metrics.otherVersions.list(name)),
      );
      return Promise.resolve({ status: 200, body: presentWholeList(providers) });
    },
  }),
];

function presentProvider(
  { name, baseUrls, capabilities }: Provider,
  otherVersions: readonly OtherVersion[],
): z.input<typeof providerShape> {
  return {
    object: 'provider',
    name,
    environments: Object.keys(baseUrls),
    amounts: { ...capabilities.amounts },
    needs: [...capabilities.needs],
    capture: capabilities.capture,
    cancel: capabilities.cancel,
    refund: capabilities.refund,
    callback_proof: capabilities.callback_auth,
    takes_our_key: capabilities.dedupe_window_ms !== null,
    other_versions: otherVersions.map(({ account, version }) => ({ account, version })),
  };
}
