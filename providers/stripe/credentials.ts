import { z } from 'zod';
import { describeIssue } from '../../domain/fault-words.ts';
import type { Credentials, CredentialsReading, Environment } from '../../domain/provider.ts';
import { address, listOfSecrets, pasted } from '../shared/credentials.ts';

/** What a Stripe account needs. Several webhook secrets are for their rotation. */
const schema = pasted(
  z.strictObject({
    base_url: address.default('https://api.stripe.com'),
    secret_key: z
      .string()
      .regex(/^(sk|rk)_(test|live)_[A-Za-z0-9]{8,250}$/, 'must be a secret key, sk_… or rk_…'),
    webhook_secrets: listOfSecrets(z.string().regex(/^whsec_\S{8,250}$/, 'must be whsec_…')),
  }),
);

export type StripeCredentials = { readonly kind: 'stripe' } & z.infer<typeof schema>;

/** Checks credentials; faults name the field, never its value. */
export function readCredentials(record: Readonly<Record<string, string>>): CredentialsReading {
  const parsed = schema.safeParse(record, { error: describeIssue });
  if (parsed.success) return { ok: true, credentials: { kind: 'stripe', ...parsed.data } };
  const faults = parsed.error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => `${key}: is not a field of stripe`);
    }
    const field = String(issue.path[0]);
    return `${field}: ${record[field] === undefined ? 'is missing' : issue.message}`;
  });
  return { ok: false, faults };
}

/** Which keys an account is opened with: Stripe's own address is the same for both. */
const KEYS = { simulator: 'test', sandbox: 'test', production: 'live' } as const;

/** A key of the other kind would move real money in a sandbox, or none in production. */
export function refuseNew(
  { secret_key }: StripeCredentials,
  environment: Environment | null,
): readonly string[] {
  if (environment === null) return [];
  const kind = KEYS[environment];
  if (secret_key.split('_')[1] === kind) return [];
  return [`secret_key: must be a ${kind} key in ${environment}: sk_${kind}_… or rk_${kind}_…`];
}

/** @throws TypeError for another provider's credentials. */
export function asStripe(credentials: Credentials): StripeCredentials {
  if (!isStripe(credentials)) throw new TypeError(`these are ${credentials.kind} credentials`);
  return credentials;
}

function isStripe(credentials: Credentials): credentials is StripeCredentials {
  return credentials.kind === 'stripe';
}
