import { z } from 'zod';
import { ENVIRONMENTS } from '../../domain/provider.ts';
import { providerName } from '../payments/response.ts';
import { createdAt, idOf, objectOf, textMap, updatedAt } from '../response.ts';

/** Lines may break, as in a PEM; nothing else that PostgreSQL or JSON would trip over. */
const credential = z
  .string()
  .max(10_000)
  .refine((it) => it.isWellFormed() && !/[^\P{Cc}\r\n\t]/u.test(it), 'must hold plain text');

const environment = z
  .enum(ENVIRONMENTS)
  .describe('Where the account is. Real money is in `production` only');

export const putConfigBody = z
  .strictObject({
    environment,
    active: z.boolean().default(true).describe('Whether it takes new payments'),
    credentials: z.record(z.string().regex(/^\w{1,100}$/, 'is no field'), credential).meta({
      description:
        'By the provider’s own fields; they never come out again. `base_url` follows from the environment: leave it out. For a simulator it may name one on this machine; left out, it is the one that runs beside the API, wherever that runs after a restart',
    }),
    policy_override: z.record(z.string(), z.unknown()).default({}).meta({
      description:
        'Laid over the provider’s policy, such as {"callback_wait_ms": 45000}. Each number has a least and a greatest value, such as 60000 and 2592000000 for review.poll_interval_ms, and the whole takes at most 4 KB; a refusal names place and limits. Without rate_limit_per_second, which is the deployment’s: all merchants share one queue',
    }),
  })
  .meta({
    example: {
      environment: 'simulator',
      credentials: {
        api_key: 'cpay_test_sandbox_account',
        webhook_secrets: 'whsec_cpay_sandbox_test_value',
      },
    },
  });
export type PutConfigBody = z.infer<typeof putConfigBody>;

export const patchConfigBody = z
  .strictObject({ active: z.boolean().describe('Whether it takes new payments') })
  .meta({ example: { active: true } });

/** A configuration as it leaves the API: secrets masked. */
export const configResponse = z
  .strictObject({
    id: idOf('provider_config'),
    object: objectOf('provider_config'),
    provider: providerName,
    environment,
    active: z.boolean().meta({ description: 'Whether it takes new payments', example: true }),
    version: z.int().positive().describe('Counts how often it was replaced, from 1 on'),
    credentials: textMap.meta({
      description: 'By the provider’s own fields; secrets are masked',
      example: { api_key: '••••' },
    }),
    policy_override: z
      .record(z.string(), z.unknown())
      .describe('What is laid over the provider’s policy, as you sent it'),
    created_at: createdAt,
    updated_at: updatedAt,
  })
  .meta({ id: 'ProviderConfig' });
