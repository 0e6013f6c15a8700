import Router from '@koa/router';
import { listAudit } from '../../db/audit.ts';
import { hashPhone } from '../../db/customers.ts';
import { listPayments } from '../../db/payments.ts';
import { isId } from '../../domain/id.ts';
import { PROVIDERS } from '../../providers/index.ts';
import type { ApiDeps, ApiState } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { refuseCardNumbers } from '../middleware/card-number.ts';
import { readIdempotencyKey } from '../middleware/idempotency-key.ts';
import { readJsonBody, readOptionalJsonBody } from '../middleware/json-body.ts';
import { validate } from '../middleware/validate.ts';
import { cancelPayment, capturePayment, verifyPayment } from './actions.ts';
import { createPayment, isUndecided, startPayment } from './create.ts';
import { requirePayment } from './find.ts';
import { readPhone } from './limits.ts';
import { presentAuditEntry, presentExecution, presentPayment } from './present.ts';
import { capturePaymentBody, createPaymentBody, listPaymentsQuery } from './schema.ts';

type Addressed = { readonly state: ApiState; readonly params: Record<string, string | undefined> };

/** /api/v1/payments: everything a merchant does with payments. */
export function createPaymentRoutes(deps: ApiDeps): Router<ApiState> {
  const { engine } = deps;
  const router = new Router<ApiState>({ prefix: '/api/v1/payments' });
  const paymentOf = ({ state, params }: Addressed) =>
    requirePayment(deps, state.merchantId, params.id);

  router.post('/', readJsonBody, async (ctx) => {
    const key = readIdempotencyKey(ctx.get('Idempotency-Key'));
    refuseCardNumbers(ctx.request.body);
    const body = validate(createPaymentBody, ctx.request.body);
    const { payment, isReplay } = await createPayment(deps, ctx.state.merchantId, key, body);
    if (isUndecided(payment)) await startPayment(deps, payment);
    const current = await requirePayment(deps, ctx.state.merchantId, payment.id);
    if (isReplay) ctx.set('Idempotency-Replayed', 'true');
    ctx.status = isUndecided(current) ? 202 : isReplay ? 200 : 201;
    ctx.set('Location', `/api/v1/payments/${payment.id}`);
    ctx.body = presentPayment(current, engine);
  });

  router.get('/', async (ctx) => {
    ctx.body = await listPage(deps, ctx.state.merchantId, ctx.query);
  });

  router.get('/:id', async (ctx) => {
    ctx.body = presentPayment(await paymentOf(ctx), engine);
  });

  router.post('/:id/cancel', async (ctx) => {
    await cancelPayment(deps, await paymentOf(ctx));
    ctx.body = presentPayment(await paymentOf(ctx), engine);
  });

  router.post('/:id/capture', readOptionalJsonBody, async (ctx) => {
    refuseCardNumbers(ctx.request.body);
    const { amount } = validate(capturePaymentBody, ctx.request.body ?? {});
    await capturePayment(deps, await paymentOf(ctx), amount);
    ctx.body = presentPayment(await paymentOf(ctx), engine);
  });

  router.post('/:id/verify', async (ctx) => {
    await verifyPayment(deps, await paymentOf(ctx));
    ctx.body = presentPayment(await paymentOf(ctx), engine);
  });

  router.get('/:id/timeline', async (ctx) => {
    const payment = await paymentOf(ctx);
    const entries = await listAudit(deps.pool, payment.id);
    ctx.body = { object: 'list', data: entries.map(presentAuditEntry), has_more: false };
  });

  router.get('/:id/execution', async (ctx) => {
    const payment = await paymentOf(ctx);
    ctx.body = presentExecution(payment, engine, await engine.describe(payment.workflowId));
  });
  return router;
}

async function listPage(deps: ApiDeps, merchantId: string, given: unknown) {
  const query = validate(listPaymentsQuery, given);
  const payments = await listPayments(deps.pool, {
    merchantId: merchantId,
    statuses: query.status ?? [],
    provider: query.provider ?? null,
    phoneHash: query.phone === undefined ? null : phoneHash(deps, query.phone),
    reference: query.reference ?? null,
    createdFrom: query.created_from ?? null,
    createdBefore: query.created_before ?? null,
    beforeId: query.cursor === undefined ? null : readCursor(query.cursor),
    limit: query.limit + 1,
  });
  const page = payments.slice(0, query.limit);
  const last = page.at(-1);
  const hasMore = payments.length > query.limit;
  return {
    object: 'list',
    data: page.map((payment) => presentPayment(payment, deps.engine)),
    has_more: hasMore,
    next_cursor: hasMore && last !== undefined ? makeCursor(last.id) : null,
  };
}

/** A phone in any spelling that a provider with phones takes. */
function phoneHash({ vault }: ApiDeps, phone: string): Buffer {
  const e164 = readPhone(PROVIDERS.mpesa, phone);
  return hashPhone(vault, e164 ?? phone);
}

function makeCursor(id: string): string {
  return Buffer.from(id).toString('base64url');
}

function readCursor(cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').toString();
  if (isId('payment', id)) return id;
  const detail = 'must be a next_cursor of an earlier page';
  throw new ApiError('invalid_request', `cursor ${detail}`, [{ pointer: '/cursor', detail }]);
}
