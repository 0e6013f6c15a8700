import type { RouterContext } from '@koa/router';
import { StripeFault } from './errors.ts';

export const FAULT_KINDS = [
  'act_then_500',
  'act_then_timeout',
  'act_then_reset',
  'act_then_truncate',
  'act_then_html',
  '500_before',
  'reset_before',
  '429',
  '409',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];
export const FAULT_STEPS = [
  'method',
  'create',
  'confirm',
  'capture',
  'cancel',
  'refund',
  'retrieve',
  'search',
] as const;
export type FaultStep = (typeof FAULT_STEPS)[number];

/**
 * An order for the next requests of a step; it is used up. `stored`: an act_then_500 is kept under
 * the request's key and replayed, as Stripe does.
 */
export type FaultOrder = {
  readonly on: FaultStep;
  readonly kind: FaultKind;
  readonly stored: boolean;
  /** Of a 429. */
  readonly retry_after_s: number;
  times: number;
};

/** @throws RangeError naming the field that is not valid. */
export function readFaultOrder(body: Readonly<Record<string, unknown>>): FaultOrder {
  const { on = 'create', kind, times = 1, stored = true, retry_after_s = 1, ...rest } = body;
  const [extra] = Object.keys(rest);
  if (extra !== undefined)
    throw new RangeError(`${extra} is no field: on, kind, times, stored, retry_after_s`);
  const step = FAULT_STEPS.find((it) => it === on);
  if (step === undefined) throw new RangeError(`on must be one of ${FAULT_STEPS.join(', ')}`);
  const fault = FAULT_KINDS.find((it) => it === kind);
  if (fault === undefined) throw new RangeError(`kind must be one of ${FAULT_KINDS.join(', ')}`);
  if (!Number.isSafeInteger(times) || Number(times) < 1) throw new RangeError('times must be 1+');
  if (typeof stored !== 'boolean') throw new RangeError('stored must be true or false');
  if (!Number.isSafeInteger(retry_after_s)) throw new RangeError('retry_after_s must be whole');
  const seconds = Number(retry_after_s);
  return { on: step, kind: fault, stored, retry_after_s: seconds, times: Number(times) };
}

/** Uses an order up. */
export function takeFault(faults: readonly FaultOrder[], step: FaultStep): FaultOrder | undefined {
  const order = faults.find((it) => it.on === step && it.times > 0);
  if (order !== undefined) order.times -= 1;
  return order;
}

const hang = (ctx: RouterContext) => {
  ctx.respond = false;
};
const reset = (ctx: RouterContext) => {
  hang(ctx);
  ctx.req.socket.resetAndDestroy();
};
/** Another request with the same key has not been answered yet. */
export function refuseConcurrent(): never {
  const message = 'Another request with this key is in progress.';
  const code = 'idempotency_key_in_use';
  throw new StripeFault(409, { type: 'idempotency_error', code, message });
}

const API_ERROR = { type: 'api_error', message: 'An unknown error occurred.' };

/** What happens instead of doing anything; undefined for kinds that act first. */
export const BEFORE: Readonly<
  Partial<Record<FaultKind, (ctx: RouterContext, order: FaultOrder) => void>>
> = {
  reset_before: reset,
  '500_before'() {
    throw new StripeFault(500, API_ERROR);
  },
  '429'(ctx, { retry_after_s }) {
    ctx.set('Retry-After', String(retry_after_s));
    const message = 'Too many requests in a short time.';
    throw new StripeFault(429, { type: 'invalid_request_error', code: 'rate_limit', message });
  },
  '409': refuseConcurrent,
};

/** How an answer is lost after everything was done. */
export const AFTER: Readonly<
  Partial<Record<FaultKind, (ctx: RouterContext, body: string) => void>>
> = {
  act_then_timeout: hang,
  act_then_reset: reset,
  act_then_truncate(ctx, body) {
    hang(ctx);
    ctx.res.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
    ctx.res.write(body.slice(0, 20), () => ctx.req.socket.destroy());
  },
  act_then_html(ctx) {
    ctx.status = 200;
    ctx.type = 'html';
    ctx.body = '<html><body>Bad gateway</body></html>';
  },
};

export const SERVER_ERROR = { status: 500, body: { error: API_ERROR } } as const;
