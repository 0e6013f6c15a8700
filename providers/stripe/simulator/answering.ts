import type { RouterContext } from '@koa/router';
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
import { type Form, parseForm } from './form.ts';
import type { Ledger } from './ledger.ts';

export type AnswerParts = { readonly ledger: Ledger; readonly faults: FaultOrder[] };
export type Work = (form: Form) => object | Promise<object>;
type Keep = (status: number, body: unknown) => void;

/** Answers a GET: its parameters stand in the address. */
export function answerAsked(
  parts: AnswerParts,
  ctx: RouterContext,
  step: FaultStep,
  work: Work,
): Promise<void> {
  return act(parts, ctx, step, () => work(parseForm(ctx.querystring)));
}

/** A POST under its key: the first answer is kept and given again, whatever it was. */
export async function answerOnce(
  parts: AnswerParts,
  busy: Set<string>,
  ctx: RouterContext,
  step: FaultStep,
  work: Work,
): Promise<void> {
  const raw = await readText(ctx);
  requireForm(ctx, raw);
  const key = ctx.get('Idempotency-Key');
  const fingerprint = `${ctx.path}\n${raw}`;
  const kept = key === '' ? undefined : parts.ledger.answers.get(key);
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
  const keep: Keep = (status, body) => {
    if (key === '') return;
    parts.ledger.write({ kind: 'answer', answer: { key, fingerprint, status, body } });
  };
  try {
    await act(parts, ctx, step, () => work(parseForm(raw)), keep);
  } finally {
    busy.delete(key);
  }
}

/** Acts and answers, with the faults that were ordered in between. */
async function act(
  parts: AnswerParts,
  ctx: RouterContext,
  step: FaultStep,
  run: () => object | Promise<object>,
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
async function outcomeOf(run: () => object | Promise<object>) {
  try {
    return { status: 200, body: await run(), isKept: true };
  } catch (error) {
    if (!(error instanceof StripeFault)) throw error;
    return { status: error.status, body: { error: error.body }, isKept: error.status === 402 };
  }
}

function requireForm(ctx: RouterContext, raw: string): void {
  if (raw === '' || ctx.is('application/x-www-form-urlencoded')) return;
  const message =
    'Invalid request (check that your POST content type is application/x-www-form-urlencoded).';
  throw invalidRequest(null, message);
}

/** By the name of a parameter: of a card's number Stripe wants to hear nothing at all. */
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
