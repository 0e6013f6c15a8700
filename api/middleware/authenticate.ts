import type { RouterContext } from '@koa/router';
import type { LimitName } from '../../config/policies.ts';
import { isApiKey, KEY_MODES, modeOf } from '../../db/api-key.ts';
import { authenticate } from '../../db/merchants.ts';
import { findActiveOperator } from '../../db/operators.ts';
import {
  type Caller,
  covers,
  type MerchantCaller,
  type OperatorCaller,
} from '../../domain/access.ts';
import { subjectOf } from '../addresses.ts';
import type { ApiDeps, ApiState } from '../deps.ts';
import { ApiError } from '../errors.ts';
import type { Operation } from '../operation.ts';
import { limitRate, requireSiteRate } from './rate-limit.ts';
import { describeRefusal } from './refused-caller.ts';

const BEARER = /^Bearer ([\w.~+/=-]{8,4000})$/;

/**
 * Lets in whom the operation is for, within the caller's limit.
 * @throws ApiError unauthorized, forbidden, rate_limited.
 */
export async function admit(
  deps: ApiDeps,
  { access, limit }: Pick<Operation, 'access' | 'limit'>,
  ctx: RouterContext<ApiState>,
): Promise<Caller> {
  if (access.kind === 'open') {
    if (limit !== undefined) await limitAddress(deps, ctx, limit);
    return { kind: 'open' };
  }
  const token = BEARER.exec(ctx.get('Authorization'))?.[1] ?? '';
  if (access.kind === 'merchant') {
    const caller = await readApiKey(deps, token);
    if (caller === null) throw await refuse(deps, ctx, 'merchant');
    ctx.state.caller = caller;
    // Not by key: a merchant makes as many of these as it likes.
    await limitRate(deps, ctx, 'merchant', caller.merchantId);
    if (caller.scopes.includes(access.scope)) return caller;
    throw new ApiError('forbidden', `this key lacks the scope ${access.scope}`);
  }
  const caller = await readAccessToken(deps, token);
  if (caller === null) throw await refuse(deps, ctx, 'operator');
  ctx.state.caller = caller;
  await limitRate(deps, ctx, 'operator', caller.operatorId);
  if (covers(caller.role, access.role)) return caller;
  throw new ApiError('forbidden', `this needs the role ${access.role}; yours is ${caller.role}`);
}

async function limitAddress(
  deps: ApiDeps,
  ctx: RouterContext<ApiState>,
  name: LimitName,
): Promise<void> {
  await limitRate(deps, ctx, name, subjectOf(ctx.ip));
  await requireSiteRate(deps, name, ctx.ip);
}

/** Guesses are counted by address; whoever is let in is not, whatever a neighbour does. */
async function refuse(
  deps: ApiDeps,
  ctx: RouterContext<ApiState>,
  door: 'merchant' | 'operator',
): Promise<ApiError> {
  await limitAddress(deps, ctx, 'refused');
  ctx.set('WWW-Authenticate', 'Bearer');
  const shown = { authorization: ctx.get('Authorization'), xApiKey: ctx.get('X-API-Key') };
  return new ApiError('unauthorized', describeRefusal(door, shown, deps.environment));
}

/**
 * Whose API key this is. A mistyped one is known by its check digits, without a question; a test
 * key opens nothing where real money moves, nor a live one where none does.
 */
export async function readApiKey(
  { pool, environment }: Pick<ApiDeps, 'pool' | 'environment'>,
  token: string,
): Promise<MerchantCaller | null> {
  const isOurs = isApiKey(token) && modeOf(token) === KEY_MODES[environment];
  const found = isOurs ? await authenticate(pool, token) : null;
  return found === null ? null : { kind: 'merchant', ...found };
}

/**
 * Whose access token this is. Role, activity, password and session are read anew, so a change
 * counts at once.
 */
export async function readAccessToken(
  { pool, accessTokens }: Pick<ApiDeps, 'pool' | 'accessTokens'>,
  token: string,
): Promise<OperatorCaller | null> {
  const subject = await accessTokens.read(token);
  if (subject === null) return null;
  const { expiresAtMs } = subject;
  if (subject.kind === 'external') {
    const { id, email, role } = subject;
    return { kind: 'operator', operatorId: id, email, role, expiresAtMs };
  }
  const operator = await findActiveOperator(pool, subject.operatorId, subject.sessionId);
  if (operator === null || operator.password_set_at !== subject.passwordSetAt) return null;
  const { id, email, role } = operator;
  return { kind: 'operator', operatorId: id, email, role, expiresAtMs };
}
