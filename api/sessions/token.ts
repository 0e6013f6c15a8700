import {
  createRemoteJWKSet,
  customFetch,
  errors,
  type FetchImplementation,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
  SignJWT,
} from 'jose';
import { z } from 'zod';
import type { Env } from '../../config/env.ts';
import { newId } from '../../db/ids.ts';
import { EXTERNAL, type Operator } from '../../db/operators.ts';
import { ROLES, type Role } from '../../domain/access.ts';
import { isId } from '../../domain/id.ts';
import { readCapped } from '../../domain/read-capped.ts';
import { ApiError } from '../errors.ts';

export const ACCESS_TOKEN_SECONDS = 15 * 60;
const AUDIENCE = 'malipo-operators';
/** Symmetric algorithms are out: a public key must never serve as a shared secret. */
const FOREIGN_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519'];
const CLOCK_SKEW_SECONDS = 5;
/** A large issuer publishes some ten keys of 1 KB. */
const KEYS_BYTES_MAX = 256 * 1024;

/** OpenID Connect lets a subject have 255 characters; what no row can hold is no name. */
const name = z
  .string()
  .min(1)
  .max(255)
  .refine((text) => text.isWellFormed() && !/\p{Cc}/u.test(text));
const ownClaims = z.object({
  sub: z.string().refine((text) => isId('operator', text)),
  /** The session that it was issued in: it opens nothing once that has ended. */
  sid: name,
  /** When the password was set that was good at issue: exact, where `iat` has another's clock. */
  password_set_at: name,
  exp: z.number(),
  jti: name,
});
const foreignClaims = z.object({
  sub: name,
  email: name.optional().catch(undefined),
  role: z.enum(ROLES),
  exp: z.number(),
});

/** Who a token speaks for. `external`: the role is the issuer's word; else our table has it. */
export type TokenSubject = { readonly expiresAtMs: number } & (
  | {
      readonly kind: 'own';
      readonly operatorId: string;
      readonly sessionId: string;
      readonly passwordSetAt: string;
    }
  | { readonly kind: 'external'; readonly id: string; readonly email: string; readonly role: Role }
);

export type AccessTokens = {
  /** A JWT (RFC 7519) good for {@link ACCESS_TOKEN_SECONDS}. */
  issue(operator: Operator, sessionId: string): Promise<string>;
  /**
   * Null for anything but a token of ours, or of the configured issuer, that is valid now.
   * @throws ApiError temporarily_unavailable where the issuer's keys cannot be read to tell.
   */
  read(token: string): Promise<TokenSubject | null>;
};

type Config = Pick<Env, 'tokenKeys' | 'publicUrl' | 'oidc'>;

/** Signs with the first key; every key of the ring verifies, by the key id in the header. */
export function createAccessTokens({ tokenKeys, publicUrl, oidc }: Config): AccessTokens {
  const [current] = tokenKeys;
  if (current === undefined) throw new Error('access tokens take at least one key');
  const foreignKeys = oidc === null ? null : openForeignKeys(oidc.jwksUrl);
  const readOwn = async (token: string): Promise<TokenSubject> => {
    const keyOf = ({ kid }: { readonly kid?: string }) => {
      const found = tokenKeys.find(({ id }) => id === kid);
      if (found === undefined) throw new errors.JWKSNoMatchingKey();
      return found.key;
    };
    const { payload } = await jwtVerify(token, keyOf, {
      algorithms: ['HS256'],
      issuer: publicUrl,
      audience: AUDIENCE,
      typ: 'at+jwt',
      requiredClaims: ['sub', 'exp', 'iat'],
      clockTolerance: CLOCK_SKEW_SECONDS,
    });
    return toOwn(payload);
  };
  const readForeign = async (token: string): Promise<TokenSubject | null> => {
    if (oidc === null || foreignKeys === null) return null;
    const { payload } = await jwtVerify(token, foreignKeys, {
      algorithms: FOREIGN_ALGORITHMS,
      issuer: oidc.issuer,
      audience: oidc.audience,
      requiredClaims: ['sub', 'exp'],
      clockTolerance: CLOCK_SKEW_SECONDS,
    });
    return toExternal(payload, oidc.roleClaim);
  };
  return {
    issue: ({ id, password_set_at }, sessionId) =>
      new SignJWT({ sid: sessionId, password_set_at })
        .setProtectedHeader({ alg: 'HS256', kid: current.id, typ: 'at+jwt' })
        .setIssuer(publicUrl)
        .setAudience(AUDIENCE)
        .setSubject(id)
        .setJti(newId('request'))
        .setIssuedAt()
        .setExpirationTime(`${ACCESS_TOKEN_SECONDS}s`)
        .sign(current.key),
    async read(token) {
      for (const attempt of [readOwn, readForeign]) {
        try {
          const subject = await attempt(token);
          if (subject !== null) return subject;
        } catch (error) {
          if (!(error instanceof errors.JOSEError) && !(error instanceof TypeError)) throw error;
        }
      }
      return null;
    },
  };
}

/** What a token may be wrong about. All else that keeps us from a key is the issuer's fault. */
const WRONG_KEY_IDS = [errors.JWKSNoMatchingKey, errors.JWKSMultipleMatchingKeys];

function openForeignKeys(jwksUrl: string): JWTVerifyGetKey {
  const keys = createRemoteJWKSet(new URL(jwksUrl), { [customFetch]: fetchCapped });
  return async (header, token) => {
    try {
      return await keys(header, token);
    } catch (error) {
      if (WRONG_KEY_IDS.some((kind) => error instanceof kind)) throw error;
      const detail = 'the keys of the issuer of operators’ tokens could not be read; try again';
      throw new ApiError('temporarily_unavailable', detail);
    }
  };
}

/** The same answer, of which no more than this is held; it is as good as none beyond. */
async function fetchCapped(...request: Parameters<FetchImplementation>): Promise<Response> {
  const { status, body } = await fetch(...request);
  if (status !== 200 || body === null) {
    await body?.cancel();
    return new Response(null, { status: status === 200 ? 204 : status });
  }
  return new Response(await readCapped(body, KEYS_BYTES_MAX));
}

function toOwn(payload: JWTPayload): TokenSubject {
  const { sub, sid, password_set_at, exp } = parse(ownClaims, payload);
  const session = { operatorId: sub, sessionId: sid, passwordSetAt: password_set_at };
  return { kind: 'own', ...session, expiresAtMs: exp * 1000 };
}

/** Without a role of ours in it, an issuer's token opens nothing. */
function toExternal(payload: JWTPayload, roleClaim: string): TokenSubject {
  const { sub, email, role, exp } = parse(foreignClaims, { ...payload, role: payload[roleClaim] });
  const id = `${EXTERNAL}${sub}`;
  return { kind: 'external', id, email: email ?? sub, role, expiresAtMs: exp * 1000 };
}

/** A valid signature says who wrote the claims, and nothing about their form. */
function parse<T extends z.ZodType>(claims: T, payload: JWTPayload): z.output<T> {
  const parsed = claims.safeParse(payload);
  if (!parsed.success) throw new errors.JWTInvalid('a claim has another form');
  return parsed.data;
}
