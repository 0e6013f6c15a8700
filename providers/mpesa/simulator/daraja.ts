import Router from '@koa/router';
import type { Context } from 'koa';
import {
  errorAnswer,
  invalidField,
  pushAccepted,
  queryPending,
  queryResult,
  rateLimited,
  type WireAnswer,
} from './answers.ts';
import type { Book, RequestPath } from './book.ts';
import type { Faults } from './faults.ts';
import { makeAccessToken } from './ids.ts';
import { readJson } from './json.ts';
import type { Phones } from './prompts.ts';
import { checkPush, checkSignature, type Merchant } from './push-request.ts';
import { ruleFor } from './rules.ts';
import type { Settings } from './settings.ts';

export type Daraja = {
  readonly book: Book;
  readonly faults: Faults;
  readonly phones: Phones;
  readonly settings: Settings;
  readonly merchant: Merchant;
};

const TOKEN_LIFE_S = 3599;
const PENDING_SHAPES = ['500', '200', '4999'] as const;

/** The three calls of M-Pesa Express, as the wire has them. */
export function createDarajaRoutes(daraja: Daraja): Router {
  const { book, faults } = daraja;
  const tokens = new Map<string, number>();
  const router = new Router();

  const serve = async (
    ctx: Context,
    on: RequestPath,
    phone: string | null,
    work: () => Promise<WireAnswer> | WireAnswer,
  ) => {
    book.write({ kind: 'request', path: on });
    const fault = faults.take(on, phone);
    const isIdle = fault !== null && !fault.act && fault.fault !== 'slow';
    await faults.answer(ctx, fault, isIdle ? errorAnswer('unreachable_1001') : await work());
  };

  router.get('/oauth/v1/generate', (ctx) =>
    serve(ctx, 'oauth', null, () => grantToken(ctx, daraja.merchant, tokens)),
  );
  router.post('/mpesa/stkpush/v1/processrequest', async (ctx) => {
    const body = await readJson(ctx.req);
    const phone = body === null ? null : String(body.PhoneNumber);
    await serve(ctx, 'push', phone, () => refuseToken(ctx, tokens) ?? push(daraja, body));
  });
  router.post('/mpesa/stkpushquery/v1/query', async (ctx) => {
    const body = await readJson(ctx.req);
    const id = body === null ? '' : String(body.CheckoutRequestID);
    const phone = book.prompts.get(id)?.phone ?? null;
    await serve(ctx, 'query', phone, () => refuseToken(ctx, tokens) ?? query(daraja, body));
  });
  router.all(['/oauth/{*rest}', '/mpesa/{*rest}'], (ctx) => {
    const isKnown = /^\/(oauth\/v1\/generate|mpesa\/stkpush(query)?\/v1\/)/.test(ctx.path);
    const { status, body } = errorAnswer(isKnown ? 'method' : 'not_found');
    ctx.status = status;
    ctx.body = body;
  });
  return router;
}

function grantToken(ctx: Context, merchant: Merchant, tokens: Map<string, number>): WireAnswer {
  const basic = /^Basic (.+)$/.exec(ctx.get('Authorization'))?.[1];
  if (basic === undefined) return errorAnswer('bad_auth_scheme');
  if (ctx.query.grant_type !== 'client_credentials') return errorAnswer('bad_grant_type');
  const given = Buffer.from(basic, 'base64').toString();
  if (given !== `${merchant.consumer_key}:${merchant.consumer_secret}`) {
    return { status: 400, body: null };
  }
  const token = makeAccessToken();
  tokens.set(token, Date.now() + TOKEN_LIFE_S * 1000);
  return { status: 200, body: { access_token: token, expires_in: String(TOKEN_LIFE_S) } };
}

function refuseToken(ctx: Context, tokens: ReadonlyMap<string, number>): WireAnswer | null {
  const token = /^Bearer (.+)$/.exec(ctx.get('Authorization'))?.[1];
  if (token === undefined) return errorAnswer('no_token');
  return (tokens.get(token) ?? 0) > Date.now() ? null : errorAnswer('invalid_token');
}

async function push(
  { phones, settings, merchant }: Daraja,
  body: Record<string, unknown> | null,
): Promise<WireAnswer> {
  const checked = checkPush(body, merchant, settings.strictness);
  if ('refusal' in checked) return checked.refusal;
  const { phone } = checked.request;
  const isLocked = settings.answer_mode === 'auto' && ruleFor(phone).isLocked === true;
  if (isLocked || phones.isRinging(phone)) return errorAnswer('subscriber_locked');
  return pushAccepted(await phones.ring(checked.request));
}

let shapeTurn = 0;
const asked: number[] = [];

function query(
  { book, settings, merchant }: Daraja,
  body: Record<string, unknown> | null,
): WireAnswer {
  if (isOverRate(settings)) return rateLimited(null);
  const refusal = checkSignature(body, merchant);
  if (refusal !== null) return refusal;
  const prompt = book.prompts.get(String(body?.CheckoutRequestID));
  if (prompt === undefined) return invalidField('CheckoutRequestID');
  const { result_code, answered_at } = prompt;
  const isLagging =
    answered_at !== null && Date.now() < Date.parse(answered_at) + settings.query_lag_ms;
  if (result_code !== null && !isLagging) return queryResult(prompt, result_code);
  shapeTurn += 1;
  const turn = PENDING_SHAPES[shapeTurn % PENDING_SHAPES.length] ?? '500';
  return queryPending(prompt, settings.pending_shape === 'rotate' ? turn : settings.pending_shape);
}

function isOverRate({ query_rate }: Settings): boolean {
  if (query_rate === null) return false;
  const nowMs = Date.now();
  asked.push(nowMs);
  return asked.filter((at) => at > nowMs - query_rate.per_ms).length > query_rate.count;
}
