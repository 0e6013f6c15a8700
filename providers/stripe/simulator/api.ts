import { randomBytes } from 'node:crypto';
import Router, { type RouterContext } from '@koa/router';
import type { Context, Next } from 'koa';
import { type AnswerParts, answerAsked, answerOnce } from './answering.ts';
import { StripeFault, unrecognized } from './errors.ts';
import { expand, type Gives, readExpand } from './expand.ts';
import type { FaultStep } from './faults.ts';
import { type Form, textOf } from './form.ts';
import type { Intents } from './intents.ts';
import { listOf, pageOf, searchPageOf } from './lists.ts';
import { createMethod } from './methods.ts';
import { checkParams, PARAMS } from './params.ts';
import type { Refunds } from './refunds.ts';

export type ApiParts = AnswerParts & {
  readonly intents: Intents;
  readonly refunds: Refunds;
  readonly secretKey: string;
};
type Listed = { readonly data: readonly object[] };
type Route = {
  readonly method: 'get' | 'post';
  readonly path: string;
  readonly step: FaultStep;
  readonly takes: keyof typeof PARAMS;
  readonly gives: Gives;
} & (
  | { readonly run: (form: Form, id: string) => object | Promise<object> }
  | { readonly list: (form: Form) => Listed }
);

const INTENTS = '/payment_intents';
const REFUNDS = '/refunds';

/** Every call that the simulator knows, of Stripe's API. */
// biome-ignore format: table, one call per line
function listRoutes({ ledger, intents, refunds }: ApiParts): readonly Route[] {
  const pi = { gives: 'payment_intent' } as const;
  const re = { gives: 'refund' } as const;
  return [
    { ...pi, method: 'post', path: INTENTS, step: 'create', takes: 'create', run: (form) => intents.create(form) },
    { ...pi, method: 'get', path: INTENTS, step: 'retrieve', takes: 'list_intents', list: (form) => listOf(`/v1${INTENTS}`, pageOf(ledger.intents.values(), form, 'payment_intent')) },
    { ...pi, method: 'get', path: `${INTENTS}/search`, step: 'search', takes: 'search', list: (form) => searchPageOf(`/v1${INTENTS}/search`, intents.search(textOf(form, 'query')), form) },
    { ...pi, method: 'get', path: `${INTENTS}/:id`, step: 'retrieve', takes: 'retrieve', run: (_form, id) => intents.find(id) },
    { ...pi, method: 'post', path: `${INTENTS}/:id/confirm`, step: 'confirm', takes: 'confirm', run: (form, id) => intents.confirm(id, form) },
    { ...pi, method: 'post', path: `${INTENTS}/:id/capture`, step: 'capture', takes: 'capture', run: (form, id) => intents.capture(id, form) },
    { ...pi, method: 'post', path: `${INTENTS}/:id/cancel`, step: 'cancel', takes: 'cancel', run: (form, id) => intents.cancel(id, textOf(form, 'cancellation_reason')) },
    { ...re, method: 'post', path: REFUNDS, step: 'refund', takes: 'refund', run: (form) => refunds.create(form) },
    { ...re, method: 'get', path: REFUNDS, step: 'retrieve', takes: 'list_refunds', list: (form) => listOf(`/v1${REFUNDS}`, refunds.page(form)) },
    { ...re, method: 'get', path: `${REFUNDS}/:id`, step: 'retrieve', takes: 'retrieve', run: (_form, id) => refunds.find(id) },
    { gives: 'payment_method', method: 'post', path: '/payment_methods', step: 'method', takes: 'method', run: (form) => createMethod(ledger, form) },
    { gives: 'balance', method: 'get', path: '/balance', step: 'retrieve', takes: 'balance', run: () => ({ object: 'balance', available: [], livemode: false }) },
  ];
}

/** Stripe's API, as far as Malipo uses it: it refuses what it does not know. */
export function createApiRoutes(parts: ApiParts): Router {
  const router = new Router({ prefix: '/v1', strict: true, sensitive: true });
  const busy = new Set<string>();
  router.use((ctx, next) =>
    withFaults(ctx, async () => {
      requireKey(parts, ctx.get('Authorization'));
      await next();
    }),
  );
  for (const route of listRoutes(parts)) {
    router[route.method](route.path, (ctx) => {
      const work = (form: Form) => workOf(parts, route, ctx, form);
      return route.method === 'get'
        ? answerAsked(parts, ctx, route.step, work)
        : answerOnce(parts, busy, ctx, route.step, work);
    });
  }
  return router;
}

/** For all that no route has taken. */
export function refuseUnknownPath(ctx: Context, next: Next): Promise<void> {
  if (ctx.path.startsWith('/simulator')) return next();
  return withFaults(ctx, () => Promise.reject(unrecognized(ctx.method, ctx.path)));
}

async function withFaults(ctx: Context, work: () => Promise<void>): Promise<void> {
  ctx.set('Request-Id', `req_${randomBytes(7).toString('hex')}`);
  ctx.set('Stripe-Version', ctx.get('Stripe-Version'));
  try {
    await work();
  } catch (error) {
    if (!(error instanceof StripeFault)) throw error;
    ctx.status = error.status;
    ctx.body = { error: error.body };
  }
}

/** Whatever is wrong with the parameters is said before anything is done. */
async function workOf(
  { ledger }: ApiParts,
  route: Route,
  ctx: RouterContext,
  form: Form,
): Promise<object> {
  const { takes, gives } = route;
  checkParams(PARAMS[takes], form);
  const names = readExpand(form, gives, 'list' in route);
  if ('run' in route)
    return expand(ledger, gives, names, await route.run(form, ctx.params.id ?? ''));
  const page = route.list(form);
  return { ...page, data: page.data.map((one) => expand(ledger, gives, names, one)) };
}

function requireKey({ secretKey }: ApiParts, authorization: string): void {
  const [scheme, value = ''] = authorization.split(' ');
  const given =
    scheme === 'Basic' ? Buffer.from(value, 'base64').toString().replace(/:$/, '') : value;
  if (given === secretKey) return;
  const message = 'Invalid API Key provided.';
  throw new StripeFault(401, { type: 'invalid_request_error', message });
}
