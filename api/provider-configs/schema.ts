import { z } from 'zod';
import { ENVIRONMENTS } from '../../domain/provider.ts';
import { providerName } from '../payments/shape.ts';
import { textMap, time } from '../shape.ts';

/** Lines may break, as in a PEM; nothing else that PostgreSQL or JSON would trip over. */
const credential = z
  .string()
  .max(10_000)
  .refine((it) => it.isWellFormed() && !/[^\P{Cc}\r\n\t]/u.test(it), 'must hold plain text');

export const putConfigBody = z
  .strictObject({
    environment: z.enum(ENVIRONMENTS),
    active: z.boolean().default(true),
    credentials: z.record(z.string().regex(/^\w{1,100}$/, 'is no field'), credential).meta({
      description:
        'By the provider’s own fields; they never come out again. `base_url` follows from the environment: leave it out. For a simulator it may name one on this machine; left out, it is the one that runs beside the API, wherever that runs after a restart',
    }),
    policy_override: z.record(z.string(), z.unknown()).default({}).meta({
      description:
        'Laid over the provider’s policy, such as {"callback_wait_ms": 45000}. Each time has a least and a greatest value, such as 60000 for review.ask_every_ms; a refusal names both. Without rate_limit_per_second, which is the deployment’s: all merchants share one queue',
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
  .strictObject({ active: z.boolean() })
  .meta({ example: { active: true } });

/** A configuration as it leaves the API: secrets masked. */
export const configShape = z
  .strictObject({
    id: z.string(),
    object: z.literal('provider_config'),
    provider: providerName,
    environment: z.enum(ENVIRONMENTS),
    active: z.boolean(),
    version: z.int().positive(),
    credentials: textMap,
    policy_override: z.record(z.string(), z.unknown()),
    created_at: time,
    updated_at: time,
  })
  .meta({ id: 'ProviderConfig' });
