import { findRefund, listRefunds } from '../../db/refunds.ts';
import { isId } from '../../domain/id.ts';
import type { Refund } from '../../domain/refund.ts';
import { answerTimeOf } from '../answer-time.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { declare, type Operation } from '../operation.ts';
import { requirePayment } from '../payments/find.ts';
import { findPage, pageOf } from '../response.ts';
import { pageQuery } from '../schema.ts';
import { createRefund, isRefundUndecided, startRefund } from './create.ts';
import { showRefundExecution } from './execution.ts';
import { presentRefund } from './present.ts';
import { refundExecutionResponse, refundResponse } from './response.ts';
import { createRefundBody } from './schema.ts';

const tag = 'Refunds';
const reading = { kind: 'merchant', scope: 'payments:read' } as const;

/** Money back. */
export const refundOperations: readonly Operation[] = [
  declare({
    id: 'createRefund',
    method: 'post',
    path: '/api/v1/payments/{id}/refunds',
    tag,
    summary: 'Give money back',
    description:
      'In parts as often as money is left. The amount is reserved before the provider is asked, so refunds at once cannot give back more than was taken.',
    access: { kind: 'merchant', scope: 'refunds:write' },
    isIdempotent: true,
    isWaiting: true,
    body: createRefundBody,
    answers: {
      200: { description: 'The key was used before: its refund', schema: refundResponse },
      201: { description: 'The refund with its first meaningful status', schema: refundResponse },
      202: {
        description: 'Stored; it goes on, and has no news yet',
        schema: refundResponse,
        example: { status: 'pending', completed_at: null },
      },
    },
    problems: ['not_refundable', 'refund_too_much', 'provider_limits'],
    async handle(deps, call) {
      const { merchantId } = call.caller;
      const time = answerTimeOf(deps, call);
      const creating = requirePayment(deps, merchantId, call.param('id')).then((payment) =>
        createRefund(deps, payment, call.idempotencyKey, call.body),
      );
      const made = await time.orUnavailable(creating);
      const { refund } = made;
      if (isRefundUndecided(refund)) await startRefund(deps, made, time.waitMs());
      const current = await time.orElse(requireRefund(deps, merchantId, refund.id), refund);
      return {
        status: isRefundUndecided(current) ? 202 : made.isReplay ? 200 : 201,
        body: presentRefund(current, deps.engine),
        headers: {
          Location: `/api/v1/refunds/${refund.id}`,
          ...time.headers,
          ...(made.isReplay ? { 'Idempotency-Replayed': 'true' } : {}),
        },
      };
    },
  }),
  declare({
    id: 'listRefunds',
    method: 'get',
    path: '/api/v1/payments/{id}/refunds',
    tag,
    summary: 'List a payment’s refunds',
    access: reading,
    query: pageQuery,
    answers: { 200: { description: 'A page, oldest first', schema: pageOf(refundResponse) } },
    async handle(deps, { caller, param, query }) {
      const payment = await requirePayment(deps, caller.merchantId, param('id'));
      const body = await findPage(
        'refund',
        query,
        (limit, afterId) => listRefunds(deps.pool, payment.id, afterId, limit),
        (refund) => presentRefund(refund, deps.engine),
      );
      return { status: 200, body };
    },
  }),
  declare({
    id: 'getRefund',
    method: 'get',
    path: '/api/v1/refunds/{id}',
    tag,
    summary: 'See a refund',
    access: reading,
    answers: { 200: { description: 'The refund as it stands now', schema: refundResponse } },
    async handle(deps, { caller, param }) {
      const refund = await requireRefund(deps, caller.merchantId, param('id'));
      return { status: 200, body: presentRefund(refund, deps.engine) };
    },
  }),
  declare({
    id: 'getRefundExecution',
    method: 'get',
    path: '/api/v1/refunds/{id}/execution',
    tag,
    summary: 'See why a refund waits, and what comes next',
    access: reading,
    answers: { 200: { description: 'The running workflow', schema: refundExecutionResponse } },
    async handle(deps, { caller, param }) {
      const refund = await requireRefund(deps, caller.merchantId, param('id'));
      return { status: 200, body: await showRefundExecution(deps, refund) };
    },
  }),
];

async function requireRefund({ pool }: ApiDeps, merchantId: string, id: string): Promise<Refund> {
  const refund = isId('refund', id) ? await findRefund(pool, merchantId, id) : null;
  if (refund === null) throw new ApiError('not_found', 'no refund of yours has this id');
  return refund;
}
