import { isApiKey, KEY_MODES, modeOf } from '../../db/api-key.ts';
import type { Access } from '../../domain/access.ts';
import type { ApiDeps } from '../deps.ts';

/** What a caller sent to say who it is; '' for a header that is not there. */
export type Shown = { readonly authorization: string; readonly xApiKey: string };

type Door = Exclude<Access['kind'], 'open'>;
type Environment = ApiDeps['environment'];

const JWT = /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/;
const SIGN_IN = 'sign in at POST /api/v1/sessions and send its access_token';

/**
 * What was wrong with it, and what to send. Only the form of what was sent decides: whether a key
 * of the right form exists, was revoked or has expired is told to nobody.
 */
export function describeRefusal(door: Door, shown: Shown, environment: Environment): string {
  const { authorization, xApiKey } = shown;
  const good = GOOD[door](environment);
  if (authorization === '') {
    return xApiKey === ''
      ? `the header Authorization is missing: send ${good}`
      : `the header X-API-Key is not read: send ${good}`;
  }
  const [, scheme = '', rest] = /^(\S+)(?: +(.*))?$/.exec(authorization) ?? [];
  if (rest === undefined) return `the word Bearer and a blank are missing: send ${good}`;
  if (/^basic$/i.test(scheme)) return `Basic authentication is not taken: send ${good}`;
  if (scheme !== 'Bearer') return `only the scheme Bearer is taken, spelled so: send ${good}`;
  return OF_TOKEN[door](rest, environment);
}

const GOOD = {
  merchant: (environment) =>
    `Authorization: Bearer sk_${KEY_MODES[environment]}_…, with your API key`,
  operator: () => `Authorization: Bearer …, with the access_token of POST /api/v1/sessions`,
} as const satisfies Record<Door, (environment: Environment) => string>;

const OF_TOKEN = {
  merchant: (token, environment) => {
    const mode = KEY_MODES[environment];
    if (JWT.test(token)) {
      return `this is an operator’s access token: merchants’ operations take an API key, sk_${mode}_…`;
    }
    const isOfOtherMode = /^sk_(test|live)_/.test(token) && modeOf(token) !== mode;
    if (isOfOtherMode) {
      return `this is a ${modeOf(token)} key: here is ${environment}, which takes a ${mode} key (sk_${mode}_…) and no other`;
    }
    if (!isApiKey(token)) {
      return `no API key looks like this: copy the whole key again, sk_${mode}_ and 36 letters and digits`;
    }
    return 'this API key opens nothing: it may be revoked, expired or of another deployment. Create a new one';
  },
  operator: (token) => {
    if (token.startsWith('sk_')) return `this is a merchant’s API key: operators ${SIGN_IN}`;
    if (!JWT.test(token)) return `no access token looks like this: ${SIGN_IN}`;
    return `this access token is not valid, or its time is over: ${SIGN_IN}, or take the refresh token`;
  },
} as const satisfies Record<Door, (token: string, environment: Environment) => string>;
