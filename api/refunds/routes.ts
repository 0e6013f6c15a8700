import Router from '@koa/router';
import { findRefund, listRefunds } from '../../db/refunds.ts';
import { isId } from '../../domain/id.ts';
import type { Refund } from '../../domain/refund.ts';
import type { ApiDeps, ApiState } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { refuseCardNumbers } from '../middleware/card-number.ts';
import { readIdempotencyKey } from '../middleware/idempotency-key.ts';
import { readJsonBody } from '../middleware/json-body.ts';
import { validate } from '../middleware/validate.ts';
import { requirePayment } from '../payments/find.ts';
import { createRefund, isRefundUndecided } from './create.ts';
import { presentRefund } from './present.ts';
import { createRefundBody } from './schema.ts';

/** Money back: /api/v1/payments/{id}/refunds and /api/v1/refunds. */
export function createRefundRoutes(deps: ApiDeps): Router<ApiState> {
  const { engine } = deps;
  const router = new Router<ApiState>({ prefix: '/api/v1' });

  router.post('/payments/:id/refunds', readJsonBody, async (ctx) => {
    const key = readIdempotencyKey(ctx.get('Idempotency-Key'));
    refuseCardNumbers(ctx.request.body);
    const body = validate(createRefundBody, ctx.request.body ?? {});
    const payment = await requirePayment(deps, ctx.state.merchantId, ctx.params.id);
    const { refund, isReplay } = await createRefund(deps, payment, key, body);
    const current = await requireRefund(deps, ctx.state.merchantId, refund.id);
    if (isReplay) ctx.set('Idempotency-Replayed', 'true');
    ctx.status = isRefundUndecided(current) ? 202 : isReplay ? 200 : 201;
    ctx.set('Location', `/api/v1/refunds/${refund.id}`);
    ctx.body = presentRefund(current, engine);
  });

  router.get('/payments/:id/refunds', async (ctx) => {
    const payment = await requirePayment(deps, ctx.state.merchantId, ctx.params.id);
    const refunds = await listRefunds(deps.pool, payment.id);
    const data = refunds.map((refund) => presentRefund(refund, engine));
    ctx.body = { object: 'list', data, has_more: false, next_cursor: null };
  });

  router.get('/refunds/:id', async (ctx) => {
    const refund = await requireRefund(deps, ctx.state.merchantId, ctx.params.id);
    ctx.body = presentRefund(refund, engine);
  });
  return router;
}

async function requireRefund(
  { pool }: ApiDeps,
  merchantId: string,
  id: string | undefined,
): Promise<Refund> {
  const isOne = id !== undefined && isId('refund', id);
  const refund = isOne ? await findRefund(pool, merchantId, id) : null;
  if (refund === null) throw new ApiError('not_found', 'no refund of yours has this id');
  return refund;
}
