import { z } from 'zod';
import { describeIssue } from '../../domain/fault-words.ts';
import type { Credentials, CredentialsReading } from '../../domain/provider.ts';
import { address, listOfSecrets, pasted } from '../shared/credentials.ts';

/** What an account at CPay needs. */
const schema = pasted(
  z.strictObject({
    base_url: address,
    api_key: z.string().regex(/^cpay_[A-Za-z0-9_]{8,100}$/, 'must look like cpay_…'),
    webhook_secrets: listOfSecrets(z.string().min(16, 'each must have 16 characters or more')),
  }),
);

export type CPayCredentials = { readonly kind: 'cpay' } & z.infer<typeof schema>;

/** Checks credentials; faults name the field, never its value. */
export function readCredentials(record: Readonly<Record<string, string>>): CredentialsReading {
  const parsed = schema.safeParse(record, { error: describeIssue });
  if (parsed.success) return { ok: true, credentials: { kind: 'cpay', ...parsed.data } };
  const faults = parsed.error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => `${key}: is not a field of cpay`);
    const field = String(issue.path[0]);
    return `${field}: ${record[field] === undefined ? 'is missing' : issue.message}`;
  });
  return { ok: false, faults };
}

/** @throws TypeError for another provider's credentials. */
export function asCPay(credentials: Credentials): CPayCredentials {
  if (!isCPay(credentials)) throw new TypeError(`these are ${credentials.kind} credentials`);
  return credentials;
}

function isCPay(credentials: Credentials): credentials is CPayCredentials {
  return credentials.kind === 'cpay';
}
