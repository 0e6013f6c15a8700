import type { Context } from 'koa';
import { errorAnswer, type WireAnswer, WRONG_APP } from './answers.ts';
import { makeAccessToken } from './ids.ts';
import type { Ledger } from './ledger.ts';
import type { Merchant } from './push-request.ts';

const TOKEN_LIFE_S = 3599;

/** A new access token, kept in the ledger: it outlives the simulator, as it would Daraja's. */
export function grantToken(ctx: Context, ledger: Ledger, merchant: Merchant): WireAnswer {
  const basic = /^Basic (.+)$/.exec(ctx.get('Authorization'))?.[1];
  if (basic === undefined) return errorAnswer('bad_auth_scheme');
  if (ctx.query.grant_type !== 'client_credentials') return errorAnswer('bad_grant_type');
  const given = Buffer.from(basic, 'base64').toString();
  if (given !== `${merchant.consumer_key}:${merchant.consumer_secret}`) return WRONG_APP;
  const token = makeAccessToken();
  ledger.write({ kind: 'token', token, expires_at_ms: Date.now() + TOKEN_LIFE_S * 1000 });
  return { status: 200, body: { access_token: token, expires_in: String(TOKEN_LIFE_S) } };
}

/** The refusal of a call without a token that holds; null when it is in order. */
export function refuseToken(ctx: Context, { tokens }: Ledger): WireAnswer | null {
  const token = /^Bearer (.+)$/.exec(ctx.get('Authorization'))?.[1];
  if (token === undefined) return errorAnswer('no_token');
  return (tokens.get(token) ?? 0) > Date.now() ? null : errorAnswer('invalid_token');
}
