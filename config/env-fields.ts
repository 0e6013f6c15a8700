import { z } from 'zod';
import { holdsUnseen } from '../domain/text.ts';

/** Nothing in it is unseen; what hangs on its ends was taken off before. */
export const seenText = z
  .string()
  .min(1)
  .refine((text) => !holdsUnseen(text), 'must hold no blanks, line ends or unseen characters');

export const keyBytes = z
  .base64('must be base64')
  .transform((text) => Buffer.from(text, 'base64'))
  .refine((bytes) => bytes.length === 32, 'must be 32 bytes in base64');

export const dataKeys = z
  .string()
  .transform((text) => text.split(',').map((part) => part.trim()))
  .pipe(
    z.array(
      z
        .string()
        .regex(
          /^[a-z0-9-]{1,32}:.+$/,
          'must be id:base64 with an id of lowercase letters and digits',
        )
        .transform((part) => {
          const colon = part.indexOf(':');
          return { id: part.slice(0, colon), key: part.slice(colon + 1) };
        })
        .pipe(z.object({ id: z.string(), key: keyBytes })),
    ),
  )
  .refine(
    (keys) => new Set(keys.map(({ id }) => id)).size === keys.length,
    'must not name two keys by one id',
  );

export const origins = z
  .string()
  .transform((list) => (list === '' ? [] : list.split(',').map((part) => part.trim())))
  .pipe(
    z.array(
      z
        .string()
        .refine((it) => URL.parse(it)?.origin === it, 'must be origins: https://shop.co.ke'),
    ),
  );

export const metricsPort = z.coerce.number<string>().int().min(1).max(65_535).optional();
/** Where a process listens; null: nowhere. */
export function placeOf(host: string, port: number | undefined) {
  return port === undefined ? null : { host, port };
}

/** What both of our drivers take: without a certificate's check, with it, or no TLS at all. */
const SSL_MODES = ['verify-full', 'require', 'no-verify', 'disable'] as const;

/** How an address of PostgreSQL says that it is reached; null where it does not say. */
export function readSslMode(address: string): string | null {
  return new URL(address).searchParams.get('sslmode');
}

export const postgresUrl = seenText
  .pipe(z.url({ protocol: /^postgres(ql)?$/, error: 'must be a postgres:// address', abort: true }))
  .refine(
    (address) => {
      const mode = readSslMode(address);
      return mode === null || SSL_MODES.some((known) => known === mode);
    },
    `sslmode must be ${SSL_MODES.join(', ')}`,
  );

const OIDC = ['MALIPO_OIDC_ISSUER', 'MALIPO_OIDC_AUDIENCE', 'MALIPO_OIDC_JWKS_URL'] as const;
type Oidc = Partial<Record<(typeof OIDC)[number], string | undefined>>;

/** All three or none. @param source what is set, readable or not. */
export function oidcFaults(source: Readonly<Record<string, string | undefined>>) {
  const missing = OIDC.filter((name) => source[name] === undefined);
  if (missing.length === 0 || missing.length === 3) return [];
  return missing.map((name) => `${name}: is missing, the others of OIDC are set`);
}

/** Null where nobody but ourselves issues tokens for operators. */
export function oidcOf(read: Oidc, roleClaim: string) {
  const issuer = read.MALIPO_OIDC_ISSUER;
  const audience = read.MALIPO_OIDC_AUDIENCE;
  const jwksUrl = read.MALIPO_OIDC_JWKS_URL;
  if (issuer === undefined || audience === undefined || jwksUrl === undefined) return null;
  return { issuer, audience, jwksUrl, roleClaim };
}
