import {
  createRemoteJWKSet,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
  SignJWT,
} from 'jose';
import type { Env } from '../../config/env.ts';
import { newId } from '../../db/ids.ts';
import { EXTERNAL, type Operator } from '../../db/operators.ts';
import { ROLES, type Role } from '../../domain/access.ts';
import { ApiError } from '../errors.ts';

export const ACCESS_TOKEN_SECONDS = 15 * 60;
const AUDIENCE = 'malipo-operators';
/** Symmetric algorithms are out: a public key must never serve as a shared secret. */
const FOREIGN_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519'];
const CLOCK_SKEW_SECONDS = 5;
/** When the password was set that was good at issue: exact, where `iat` has another's clock. */
const PASSWORD_CLAIM = 'password_set_at';

/** Who a token speaks for. `external`: the role is the issuer's word; else our table has it. */
export type TokenSubject = { readonly expiresAtMs: number } & (
  | { readonly kind: 'own'; readonly operatorId: string; readonly passwordSetAt: string | null }
  | { readonly kind: 'external'; readonly id: string; readonly email: string; readonly role: Role }
);

export type AccessTokens = {
  /** A JWT (RFC 7519) good for {@link ACCESS_TOKEN_SECONDS}. */
  issue(operator: Operator): Promise<string>;
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
    const { sub: operatorId = '', [PASSWORD_CLAIM]: set } = payload;
    const passwordSetAt = typeof set === 'string' ? set : null;
    return { kind: 'own', operatorId, passwordSetAt, expiresAtMs: expiryOf(payload) };
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
    issue: ({ id, password_set_at }) =>
      new SignJWT({ [PASSWORD_CLAIM]: password_set_at })
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
  const keys = createRemoteJWKSet(new URL(jwksUrl));
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

/** Without a role of ours in it, an issuer's token opens nothing. */
function toExternal(payload: JWTPayload, roleClaim: string): TokenSubject | null {
  const claimed = payload[roleClaim];
  const role = ROLES.find((name) => name === claimed);
  if (role === undefined || typeof payload.sub !== 'string' || payload.sub === '') return null;
  const email = typeof payload.email === 'string' ? payload.email : payload.sub;
  const expiresAtMs = expiryOf(payload);
  return { kind: 'external', id: `${EXTERNAL}${payload.sub}`, email, role, expiresAtMs };
}

/** Required of every token, so it is there. */
function expiryOf({ exp = 0 }: JWTPayload): number {
  return exp * 1000;
}
