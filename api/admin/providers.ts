import { z } from 'zod';
import type { Provider } from '../../domain/provider.ts';
import { PROVIDER_NAMES, PROVIDERS } from '../../providers/index.ts';
import { declare, type Operation } from '../operation.ts';
import type { OtherVersion } from '../other-versions.ts';
import { providerName } from '../payments/response.ts';
import { minorOf, objectOf, presentWholeList, wholeListOf } from '../response.ts';

const amounts = z
  .strictObject({
    min_minor: minorOf('The least amount'),
    max_minor: minorOf('The greatest amount'),
    step_minor: minorOf('What each amount must be a multiple of'),
  })
  .meta({ id: 'ProviderAmounts' });
const providerResponse = z
  .strictObject({
    object: objectOf('provider'),
    name: providerName,
    environments: z.array(z.string()).meta({
      description: 'Where its accounts may be',
      example: ['simulator', 'sandbox', 'production'],
    }),
    amounts: z.record(z.string(), amounts).meta({
      description: 'By currency, in minor units',
      example: { KES: { min_minor: 100, max_minor: 25_000_000, step_minor: 100 } },
    }),
    needs: z
      .array(z.string())
      .meta({ description: 'Which fields of a payment it cannot do without', example: ['phone'] }),
    capture: z.boolean().describe('Whether it can hold money, to be captured later'),
    cancel: z.boolean().describe('Whether a payment can be canceled after it was sent'),
    refund: z.enum(['sync', 'async', 'none']).meta({
      description: '`async`: the result of a refund comes later, by a callback',
      example: 'async',
    }),
    callback_proof: z
      .enum(['signature', 'token'])
      .meta({ description: 'What proves that a callback is the provider’s', example: 'token' }),
    takes_our_key: z
      .boolean()
      .describe('Whether it takes an idempotency key, so that a charge may be sent again'),
    other_versions: z
      .array(
        z
          .strictObject({
            account: z.string().describe('The account at the provider'),
            version: z.string().describe('The version of its events'),
          })
          .meta({ id: 'OtherVersion' }),
      )
      .meta({
        description:
          'Versions of the provider’s API, other than ours, in which events came since this process started. Set the version of the account’s webhook endpoint to the one that providers/<name>/README.md names',
        example: [],
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
    answers: { 200: { description: 'All of them', schema: wholeListOf(providerResponse) } },
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
): z.input<typeof providerResponse> {
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
