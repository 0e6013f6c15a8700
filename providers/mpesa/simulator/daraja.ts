import Router from '@koa/router';
import type { Context } from 'koa';
import { errorAnswer, pushAccepted, type WireAnswer } from './answers.ts';
import type { Faults } from './faults.ts';
import { readJson } from './json.ts';
import type { Ledger, RequestPath } from './ledger.ts';
import type { Phones } from './prompts.ts';
import { checkPush, type Merchant } from './push-request.ts';
import { openQueries } from './queries.ts';
import type { Reversals } from './reversals.ts';
import { ruleFor } from './rules.ts';
import type { Settings } from './settings.ts';
import { grantToken, refuseToken } from './tokens.ts';

export type Daraja = {
  readonly ledger: Ledger;
  readonly faults: Faults;
  readonly phones: Phones;
  readonly reversals: Reversals;
  readonly settings: Settings;
  readonly merchant: Merchant;
};
type Body = Record<string, unknown> | null;
type Work = (body: Body) => Promise<WireAnswer> | WireAnswer;

const PATHS = {
  oauth: '/oauth/v1/generate',
  push: '/mpesa/stkpush/v1/processrequest',
  query: '/mpesa/stkpushquery/v1/query',
  reversal: '/mpesa/reversal/v1/request',
  status: '/mpesa/transactionstatus/v1/query',
} as const satisfies Record<RequestPath, string>;

/** The calls that Malipo makes, as the wire has them. */
export function createDarajaRoutes(daraja: Daraja): Router {
  const { ledger, faults, merchant } = daraja;
  const queries = openQueries(daraja);
  const router = new Router();

  const serve = async (
    ctx: Context,
    on: RequestPath,
    phone: string | null,
    work: () => Promise<WireAnswer> | WireAnswer,
  ) => {
    ledger.write({ kind: 'request', path: on });
    const fault = faults.take(on, phone);
    const isIdle = fault !== null && !fault.act && fault.fault !== 'slow';
    await faults.answer(ctx, fault, isIdle ? errorAnswer('unreachable_1001') : await work());
  };
  const addCall = (on: Exclude<RequestPath, 'oauth'>, work: Work) => {
    router.post(PATHS[on], async (ctx) => {
      const json = await readJson(ctx.req);
      const body = json.kind === 'object' ? json.value : null;
      await serve(ctx, on, phoneOf(ledger, body), () => {
        const refusal = refuseToken(ctx, ledger);
        if (refusal !== null) return refusal;
        return json.kind === 'malformed' ? errorAnswer('payload') : work(body);
      });
    });
  };

  router.get(PATHS.oauth, (ctx) =>
    serve(ctx, 'oauth', null, () => grantToken(ctx, ledger, merchant)),
  );
  addCall('push', (body) => push(daraja, body));
  addCall('query', (body) => queries.answer(body));
  addCall('reversal', (body) => daraja.reversals.take(body));
  addCall('status', (body) => daraja.reversals.ask(body));
  router.all(['/oauth/{*rest}', '/mpesa/{*rest}'], (ctx) => {
    const isKnown = Object.values(PATHS).some((path) => path === ctx.path);
    const { status, body } = errorAnswer(isKnown ? 'method' : 'not_found');
    ctx.status = status;
    ctx.body = body;
  });
  return router;
}

/** Whose payment a call is about: of a push its own phone, of a query the prompt's. */
function phoneOf({ prompts }: Ledger, body: Body): string | null {
  const [phone, id] = [body?.PhoneNumber, body?.CheckoutRequestID];
  if (typeof phone === 'string' || typeof phone === 'number') return String(phone);
  return typeof id === 'string' ? (prompts.get(id)?.phone ?? null) : null;
}

async function push({ phones, settings, merchant }: Daraja, body: Body): Promise<WireAnswer> {
  const checked = checkPush(body, merchant, settings.strictness);
  if ('refusal' in checked) return checked.refusal;
  const { phone } = checked.request;
  const isLocked = settings.answer_mode === 'auto' && ruleFor(phone).isLocked === true;
  if (isLocked || phones.isRinging(phone)) return errorAnswer('subscriber_locked');
  return pushAccepted(await phones.ring(checked.request));
}
