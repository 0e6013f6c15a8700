import type { RouterContext } from '@koa/router';
import type { FaultKind } from './rules.ts';
import type { FaultOrder } from './settings.ts';

export type Answer = { readonly status: number; readonly body: unknown };

export function answer(ctx: RouterContext, { status, body }: Answer): void {
  ctx.status = status;
  ctx.body = body;
}

/** With these nothing is done at all. */
export const NOTHING_DONE: ReadonlySet<FaultKind> = new Set([
  '500_before',
  'reset_before',
  '429',
  '409',
]);

/** Uses an order up. */
export function takeFault(
  faults: readonly FaultOrder[],
  step: string,
): Omit<FaultOrder, 'times'> | undefined {
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
type Misbehave = (ctx: RouterContext, body: string, retryAfterS: number) => void;

/** How each fault answers instead. */
export const FAULTS: Readonly<Record<FaultKind, Misbehave>> = {
  act_then_500: (ctx) => answer(ctx, { status: 500, body: { error: { code: 'internal' } } }),
  act_then_timeout: hang,
  act_then_reset: reset,
  reset_before: reset,
  act_then_truncate(ctx, body) {
    hang(ctx);
    ctx.res.writeHead(201, { 'content-type': 'application/json', 'content-length': body.length });
    ctx.res.write(body.slice(0, 20), () => ctx.req.socket.destroy());
  },
  act_then_html(ctx) {
    ctx.status = 200;
    ctx.type = 'html';
    ctx.body = '<html><body>Bad gateway</body></html>';
  },
  '500_before': (ctx) => answer(ctx, { status: 500, body: { error: { code: 'internal' } } }),
  '429'(ctx, _body, retryAfterS) {
    ctx.set('Retry-After', String(retryAfterS));
    answer(ctx, { status: 429, body: { error: { code: 'slow_down', field: null } } });
  },
  '409'(ctx, _body, retryAfterS) {
    ctx.set('Retry-After', String(retryAfterS));
    answer(ctx, { status: 409, body: { error: { code: 'key_in_progress', field: null } } });
  },
};
