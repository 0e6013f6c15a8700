import { randomBytes } from 'node:crypto';
import Router, { type RouterContext } from '@koa/router';
import type { Book, Intent, Refund } from './book.ts';
import { invalidRequest, StripeFault } from './errors.ts';
import {
  AFTER,
  BEFORE,
  type FaultOrder,
  type FaultStep,
  refuseConcurrent,
  SERVER_ERROR,
  takeFault,
} from './faults.ts';
import { type Form, parseForm, textOf } from './form.ts';
import type { Intents } from './intents.ts';
import type { Refunds } from './refunds.ts';

export type ApiParts = {
  readonly book: Book;
  readonly intents: Intents;
  readonly refunds: Refunds;
  readonly faults: FaultOrder[];
  readonly secretKey: string;
};
type Result = Intent | Refund | Readonly<Record<string, unknown>>;
type Run = (form: Form, ctx: RouterContext) => Result | Promise<Result>;

/** Stripe's API, as far as Malipo uses it. */
export function createApiRoutes(parts: ApiParts): Router {
  const { intents, refunds } = parts;
  const router = new Router({ prefix: '/v1' });
  const busy = new Set<string>();
  router.use(async (ctx, next) => {
    ctx.set('Request-Id', `req_${randomBytes(7).toString('hex')}`);
    ctx.set('Stripe-Version', ctx.get('Stripe-Version'));
    try {
      requireKey(parts, ctx.get('Authorization'));
      await next();
    } catch (error) {
      if (!(error instanceof StripeFault)) throw error;
      ctx.status = error.status;
      ctx.body = { error: error.body };
    }
  });
  const post = (path: string, step: FaultStep, run: Run) =>
    router.post(path, (ctx) => answerOnce(parts, busy, ctx, step, run));
  const get = (path: string, step: FaultStep, run: Run) =>
    router.get(path, (ctx) => act(parts, ctx, step, () => run({}, ctx)));
  const idOf = (ctx: RouterContext) => ctx.params.id ?? '';

  post('/payment_intents', 'create', (form) => intents.create(form));
  get('/payment_intents', 'retrieve', (_form, ctx) => {
    const limit = Number(ctx.query.limit ?? 10);
    const has_more = parts.book.intents.size > limit;
    return { ...listOf(intents.list(limit), '/v1/payment_intents', 'list'), has_more };
  });
  get('/payment_intents/search', 'search', (_form, ctx) =>
    listOf(intents.search(String(ctx.query.query ?? '')), '/v1/payment_intents/search', 'search'),
  );
  get('/payment_intents/:id', 'retrieve', (_form, ctx) => intents.find(idOf(ctx)));
  post('/payment_intents/:id/confirm', 'confirm', (form, ctx) => intents.confirm(idOf(ctx), form));
  post('/payment_intents/:id/capture', 'capture', (form, ctx) => intents.capture(idOf(ctx), form));
  post('/payment_intents/:id/cancel', 'cancel', (form, ctx) =>
    intents.cancel(idOf(ctx), textOf(form, 'cancellation_reason')),
  );
  post('/refunds', 'refund', (form) => refunds.create(form));
  get('/refunds', 'retrieve', (_form, ctx) => {
    const intent = typeof ctx.query.payment_intent === 'string' ? ctx.query.payment_intent : null;
    return listOf(refunds.list(intent), '/v1/refunds', 'list');
  });
  get('/refunds/:id', 'retrieve', (_form, ctx) => refunds.find(idOf(ctx)));
  get('/balance', 'retrieve', () => ({ object: 'balance', available: [], livemode: false }));
  return router;
}

function listOf(data: readonly Result[], url: string, kind: 'list' | 'search') {
  return { object: kind === 'list' ? 'list' : 'search_result', url, has_more: false, data };
}

function requireKey({ secretKey }: ApiParts, authorization: string): void {
  const [scheme, value = ''] = authorization.split(' ');
  const given =
    scheme === 'Basic' ? Buffer.from(value, 'base64').toString().replace(/:$/, '') : value;
  if (given === secretKey) return;
  const message = 'Invalid API Key provided.';
  throw new StripeFault(401, { type: 'invalid_request_error', message });
}

/** A POST under its key: the first answer is kept and given again, whatever it was. */
async function answerOnce(
  parts: ApiParts,
  busy: Set<string>,
  ctx: RouterContext,
  step: FaultStep,
  run: Run,
): Promise<void> {
  const raw = await readText(ctx);
  const key = ctx.get('Idempotency-Key');
  const fingerprint = `${ctx.path}\n${raw}`;
  const kept = key === '' ? undefined : parts.book.answers.get(key);
  if (kept !== undefined) {
    if (kept.fingerprint !== fingerprint) {
      const message = 'Keys for idempotent requests can only be used with the same parameters.';
      throw new StripeFault(400, { type: 'idempotency_error', message });
    }
    ctx.set('Idempotent-Replayed', 'true');
    ctx.status = kept.status;
    ctx.body = kept.body;
    return;
  }
  if (key !== '' && busy.has(key)) refuseConcurrent();
  refuseCardData(raw);
  busy.add(key);
  try {
    await act(
      parts,
      ctx,
      step,
      () => run(parseForm(raw), ctx),
      (status, body) => {
        if (key !== '')
          parts.book.write({ kind: 'answer', answer: { key, fingerprint, status, body } });
      },
    );
  } finally {
    busy.delete(key);
  }
}

type Keep = (status: number, body: unknown) => void;

/** Acts and answers, with the faults that were ordered in between. */
async function act(
  parts: ApiParts,
  ctx: RouterContext,
  step: FaultStep,
  run: () => Result | Promise<Result>,
  keep: Keep = () => undefined,
): Promise<void> {
  const fault = takeFault(parts.faults, step);
  const before = fault === undefined ? undefined : BEFORE[fault.kind];
  if (fault !== undefined && before !== undefined) return before(ctx, fault);
  const done = await outcomeOf(run);
  if (fault?.kind === 'act_then_500') {
    if (fault.stored) keep(SERVER_ERROR.status, SERVER_ERROR.body);
    ctx.status = SERVER_ERROR.status;
    ctx.body = SERVER_ERROR.body;
    return;
  }
  if (done.isKept) keep(done.status, done.body);
  const after = fault === undefined ? undefined : AFTER[fault.kind];
  if (after !== undefined) return after(ctx, JSON.stringify(done.body));
  ctx.status = done.status;
  ctx.body = done.body;
}

/** Declines are kept as answers, refused parameters are not: nothing was begun. */
async function outcomeOf(run: () => Result | Promise<Result>) {
  try {
    return { status: 200, body: await run(), isKept: true };
  } catch (error) {
    if (!(error instanceof StripeFault)) throw error;
    return { status: error.status, body: { error: error.body }, isKept: error.status === 402 };
  }
}

function refuseCardData(raw: string): void {
  if (!/(^|&)(card|source|payment_method_data)(\[|%5B)[^=]*number/.test(raw)) return;
  const message = 'Sending credit card numbers directly to the Stripe API is generally unsafe.';
  throw invalidRequest('card_number_not_allowed', message);
}

async function readText(ctx: RouterContext): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of ctx.req) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}
