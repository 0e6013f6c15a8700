import { createPublicKey, type KeyObject } from 'node:crypto';
import { z } from 'zod';
import { describeIssue } from '../../domain/fault-words.ts';
import type { CredentialsReading } from '../../domain/provider.ts';
import { address, pasted, seenLines, seenText, seenWords } from '../shared/credentials.ts';

/** What a Daraja app and its paybill or till need. Test values: the README of this folder. */
const fields = z
  .strictObject({
    base_url: address.default('https://sandbox.safaricom.co.ke'),
    consumer_key: seenText,
    consumer_secret: seenText,
    short_code: z.string().regex(/^\d{5,7}$/, 'must be 5 to 7 digits'),
    passkey: seenText,
    transaction_type: z.enum(['paybill', 'till']).default('paybill'),
    /** These three are for refunds; SecurityCredential is made of them. */
    initiator_name: seenWords.optional(),
    initiator_password: seenWords.optional(),
    certificate: seenLines
      .pipe(z.string().regex(/BEGIN (CERTIFICATE|PUBLIC KEY)/, 'must be a PEM'))
      .optional(),
    till_number: z
      .string()
      .regex(/^\d{5,8}$/, 'must be 5 to 8 digits')
      .optional(),
  })
  .refine((it) => it.transaction_type === 'paybill' || it.till_number !== undefined, {
    path: ['till_number'],
    error: 'is needed when transaction_type is till',
  });
const schema = pasted(fields);

export type MpesaCredentials = { readonly kind: 'mpesa' } & z.infer<typeof schema>;

/** Checks credentials; faults name the field, never its value. */
export function readCredentials(record: Readonly<Record<string, string>>): CredentialsReading {
  const parsed = schema.safeParse(record, { error: describeIssue });
  if (parsed.success) return { ok: true, credentials: { kind: 'mpesa', ...parsed.data } };
  const faults = parsed.error.issues.flatMap((issue) => {
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => `${key}: is not a field of mpesa`);
    return `${issue.path.join('.')}: ${issue.message}`;
  });
  return { ok: false, faults };
}

const INITIATOR = ['initiator_name', 'initiator_password', 'certificate'] as const;

/** Without its whole initiator an account takes payments and gives nothing back. */
export function refuseNew(credentials: MpesaCredentials): readonly string[] {
  const missing = INITIATOR.filter((field) => credentials[field] === undefined);
  const faults =
    missing.length === INITIATOR.length
      ? []
      : missing.map((field) => `${field}: is missing: refunds need all of ${INITIATOR.join(', ')}`);
  const { certificate } = credentials;
  if (certificate === undefined || readCertificate(certificate) !== null) return faults;
  return [...faults, 'certificate: must be the whole PEM of an RSA certificate or public key'];
}

/** The key that passwords are sealed with; null when it is none. It may have expired long ago. */
export function readCertificate(pem: string): KeyObject | null {
  try {
    const key = createPublicKey(pem.replaceAll('\\n', '\n'));
    return key.asymmetricKeyType === 'rsa' ? key : null;
  } catch {
    return null;
  }
}

/** @throws TypeError for another provider's credentials. */
export function asMpesa(credentials: { readonly kind: string }): MpesaCredentials {
  if (!isMpesa(credentials)) throw new TypeError(`these are ${credentials.kind} credentials`);
  return credentials;
}

function isMpesa(credentials: { readonly kind: string }): credentials is MpesaCredentials {
  return credentials.kind === 'mpesa';
}
