import Router from '@koa/router';
import type { Context } from 'koa';
import { readCallbackOrder } from './callbacks.ts';
import type { Daraja } from './daraja.ts';
import { renderHandset } from './handset.ts';
import { readJson } from './json.ts';
import type { Prompt } from './ledger.ts';
import { ANSWER_NAMES, isAnswer, RULES } from './rules.ts';
import { changeSettings } from './settings.ts';

/** The simulator's own controls: what happened, what rings, how it behaves, and the handset. */
export function createControlRoutes(daraja: Daraja): Router {
  const router = new Router();
  addLedgerRoutes(router, daraja);
  addPhoneRoutes(router, daraja);
  addSettingRoutes(router, daraja);
  return router;
}

function addLedgerRoutes(router: Router, { ledger, settings }: Daraja): void {
  router.get('/', (ctx) => {
    ctx.type = 'text/html';
    ctx.body = renderHandset(ledger, settings, textOf(ctx.query.phone));
  });
  router.get('/simulator/rules', (ctx) => {
    ctx.body = RULES;
  });
  router.get('/simulator/ledger', (ctx) => {
    const phone = textOf(ctx.query.phone);
    const reference = textOf(ctx.query.account_reference);
    const isMeant = (it: { phone: string; account_reference: string }) =>
      (phone === null || it.phone === phone) &&
      (reference === null || it.account_reference === reference);
    const prompts = [...ledger.prompts.values()].filter(isMeant);
    const ids = new Set(prompts.map((prompt) => prompt.checkout_request_id));
    ctx.body = {
      prompts,
      charges: ledger.charges.filter(isMeant),
      callbacks: ledger.callbacks.filter((it) => ids.has(it.checkout_request_id)),
      reversals: [...ledger.reversals.values()].filter(({ receipt }) =>
        ledger.charges.some((charge) => charge.receipt === receipt && isMeant(charge)),
      ),
      requests: ledger.requests,
    };
  });
  router.get('/simulator/prompts', (ctx) => {
    const phone = textOf(ctx.query.phone);
    const live = [...ledger.prompts.values()].filter((prompt) => prompt.state === 'ringing');
    ctx.body = live.filter((prompt) => phone === null || prompt.phone === phone);
  });
}

function addPhoneRoutes(router: Router, daraja: Daraja): void {
  const { phones } = daraja;
  router.post('/simulator/prompts/:id/answer', async (ctx) => {
    const prompt = findPrompt(daraja, ctx);
    const json = await readJson(ctx.req);
    const answer = json.kind === 'object' ? json.value.answer : ctx.query.answer;
    if (prompt === null) return;
    if (!isAnswer(answer)) return refuse(ctx, 400, `answer takes ${ANSWER_NAMES.join(', ')}`);
    if (!(await phones.answer(prompt, answer))) return refuse(ctx, 409, 'it was answered before');
    if (ctx.query.back !== undefined) ctx.redirect('/');
    else ctx.body = prompt;
  });
  router.post('/simulator/prompts/:id/late-success', async (ctx) => {
    const prompt = findPrompt(daraja, ctx);
    if (prompt !== null) ctx.body = { status: await phones.succeedLate(prompt) };
  });
  router.post('/simulator/callbacks/:id/resend', async (ctx) => {
    const prompt = findPrompt(daraja, ctx);
    if (prompt === null) return;
    await attempt(ctx, async (order) => {
      const { times, raw, changes } = readCallbackOrder(order);
      const sends = Array.from({ length: times }, () => phones.sendCallback(prompt, changes, raw));
      ctx.body = { statuses: await Promise.all(sends) };
    });
  });
}

function addSettingRoutes(router: Router, { faults, settings }: Daraja): void {
  router.get('/simulator/settings', (ctx) => {
    ctx.body = settings;
  });
  router.patch('/simulator/settings', (ctx) =>
    attempt(ctx, (changes) => {
      changeSettings(settings, changes);
      ctx.body = settings;
    }),
  );
  router.post('/simulator/settings/answer-mode', (ctx) =>
    attempt(ctx, () => {
      changeSettings(settings, { answer_mode: ctx.query.to });
      ctx.redirect('/');
    }),
  );
  router.get('/simulator/faults', (ctx) => {
    ctx.body = faults.list;
  });
  router.post('/simulator/faults', (ctx) =>
    attempt(ctx, (order) => {
      ctx.body = faults.add(order);
    }),
  );
  router.delete('/simulator/faults', (ctx) => {
    faults.clear();
    ctx.body = faults.list;
  });
}

/** Carries an order out; one that is not in order is refused with what is wrong with it. */
async function attempt(
  ctx: Context,
  work: (order: Record<string, unknown>) => void | Promise<void>,
): Promise<void> {
  const json = await readJson(ctx.req);
  if (json.kind === 'malformed') return refuse(ctx, 400, 'the body is not a JSON object');
  if (json.kind === 'undeclared') return refuse(ctx, 400, 'content-type must be application/json');
  try {
    await work(json.kind === 'object' ? json.value : {});
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    refuse(ctx, 400, error.message);
  }
}

function findPrompt({ ledger }: Daraja, ctx: Context & { params: Record<string, string> }) {
  const prompt: Prompt | undefined = ledger.prompts.get(ctx.params.id ?? '');
  if (prompt === undefined) refuse(ctx, 404, 'no prompt has this id');
  return prompt ?? null;
}

function refuse(ctx: Context, status: number, detail: string): void {
  ctx.status = status;
  ctx.body = { detail };
}

function textOf(value: string | string[] | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
