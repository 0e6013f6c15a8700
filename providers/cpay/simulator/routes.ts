import Router, { type RouterContext } from '@koa/router';
import { type Account, bareOf, Refusal, shownOf } from './account.ts';
import { type Body, countOf, flagOf, readBody, requireKnown, textOf, textsOf } from './body.ts';
import { type Answer, answer, FAULTS, NOTHING_DONE, takeFault } from './faults.ts';
import type { Ledger } from './ledger.ts';
import { type FaultKind, ruleFor } from './rules.ts';
import type { FaultOrder, Settings } from './settings.ts';
import type { Webhooks } from './webhooks.ts';

export type Parts = {
  readonly ledger: Ledger;
  readonly account: Account;
  readonly webhooks: Webhooks;
  readonly settings: Settings;
  readonly faults: FaultOrder[];
  /** Keys whose first request is not answered yet. */
  readonly busy: Set<string>;
  readonly apiKey: string;
};

/** What each call takes in its body. */
const FIELDS = {
  charge: ['amount', 'currency', 'capture', 'reference', 'description', 'callback_url', 'metadata'],
  capture: ['amount'],
  cancel: [],
  refund: ['charge', 'amount', 'metadata'],
} as const;

/** CPay's API. */
export function createApiRoutes(parts: Parts): Router {
  const { account } = parts;
  const router = new Router({ prefix: '/v1' });
  router.use(async (ctx, next) => {
    const isKnown = ctx.get('Authorization') === `Bearer ${parts.apiKey}`;
    if (isKnown) await next();
    else answer(ctx, { status: 401, body: { error: { code: 'unauthorized', field: null } } });
  });

  router.post('/charges', (ctx) =>
    once(parts, ctx, 'charge', async (body) => {
      const amount = countOf(body, 'amount');
      return shownOf(
        await account.charge({
          amount,
          currency: textOf(body, 'currency'),
          capture: flagOf(body, 'capture'),
          callback_url: textOf(body, 'callback_url'),
          metadata: textsOf(body, 'metadata'),
        }),
      );
    }),
  );
  router.post('/charges/:id/capture', (ctx) =>
    once(parts, ctx, 'capture', (body) =>
      shownOf(account.capture(ctx.params.id ?? '', countOf(body, 'amount'))),
    ),
  );
  router.post('/charges/:id/cancel', (ctx) =>
    once(parts, ctx, 'cancel', () => shownOf(account.cancel(ctx.params.id ?? ''))),
  );
  router.post('/refunds', (ctx) =>
    once(parts, ctx, 'refund', (body) =>
      account.refund(textOf(body, 'charge'), countOf(body, 'amount'), textsOf(body, 'metadata')),
    ),
  );
  addLookups(router, parts);
  return router;
}

function addLookups(router: Router, parts: Parts): void {
  const { ledger, account } = parts;
  const lookup = (ctx: RouterContext, find: () => unknown) =>
    act(parts, ctx, 'lookup', () => Promise.resolve(find()));
  router.get('/charges/:id', (ctx) => lookup(ctx, () => bareOf(account.find(ctx.params.id ?? ''))));
  router.get('/charges', (ctx) =>
    lookup(ctx, () => ({
      data: [...ledger.charges.values()]
        .filter(({ metadata }) => metadata.attempt === ctx.query.attempt)
        .map(bareOf),
    })),
  );
  router.get('/refunds/:id', (ctx) =>
    lookup(ctx, () => {
      const refund = ledger.refunds.get(ctx.params.id ?? '');
      if (refund === undefined) throw new Refusal(404, 'no_such_refund', 'refund');
      return refund;
    }),
  );
  router.get('/refunds', (ctx) =>
    lookup(ctx, () => ({
      data: [...ledger.refunds.values()].filter(
        ({ metadata, charge }) =>
          (ctx.query.refund === undefined || metadata.refund === ctx.query.refund) &&
          (ctx.query.charge === undefined || charge === ctx.query.charge),
      ),
    })),
  );
}

/** Runs a POST once for its key; the same key again gets the same answer. */
async function once(
  parts: Parts,
  ctx: RouterContext,
  step: keyof typeof FIELDS,
  run: (body: Body) => unknown,
): Promise<void> {
  const key = ctx.get('Idempotency-Key');
  const body = await readBody(ctx);
  if (body === null) {
    return answer(ctx, { status: 400, body: { error: { code: 'malformed', field: null } } });
  }
  const fingerprint = JSON.stringify([ctx.path, body]);
  const kept = key === '' ? undefined : parts.ledger.answers.get(key);
  if (kept !== undefined && kept.fingerprint !== fingerprint) {
    return answer(ctx, { status: 409, body: { error: { code: 'key_reused', field: null } } });
  }
  if (kept !== undefined) return answer(ctx, kept);
  if (parts.busy.has(key)) return FAULTS['409'](ctx, '', 1);
  if (key !== '') parts.busy.add(key);
  const work = async () => {
    requireKnown(body, FIELDS[step]);
    return await run(body);
  };
  const keep = (done: Answer) => {
    if (key !== '') parts.ledger.write({ kind: 'answer', answer: { key, fingerprint, ...done } });
  };
  await act(parts, ctx, step, work, ruleFault(step, body), keep).finally(() => {
    parts.busy.delete(key);
  });
}

function ruleFault(step: string, body: Body): FaultKind | undefined {
  return step === 'charge' && typeof body.amount === 'number'
    ? ruleFor(body.amount).fault
    : undefined;
}

/** Acts and answers, with the faults that were ordered in between. */
async function act(
  parts: Parts,
  ctx: RouterContext,
  step: string,
  run: () => Promise<unknown>,
  byRule?: FaultKind,
  keep: (done: Answer) => void = () => undefined,
): Promise<void> {
  const order = takeFault(parts.faults, step);
  const fault = order?.kind ?? byRule;
  const retryAfterS = order?.retry_after_s ?? 1;
  if (fault !== undefined && NOTHING_DONE.has(fault)) return FAULTS[fault](ctx, '', retryAfterS);
  try {
    const done: Answer = { status: ctx.method === 'POST' ? 201 : 200, body: await run() };
    keep(done);
    if (fault === undefined) answer(ctx, done);
    else FAULTS[fault](ctx, JSON.stringify(done.body), retryAfterS);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    answer(ctx, {
      status: error.status,
      body: { error: { code: error.code, field: error.field } },
    });
  }
}
