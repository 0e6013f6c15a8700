import { z } from 'zod';
import { findAnyRefund, findRefundByWorkflow } from '../../db/refunds.ts';
import { listRefundsInReview } from '../../db/review-queue.ts';
import { isId } from '../../domain/id.ts';
import { reopenedRefundInput } from '../../domain/inputs.ts';
import type { Refund } from '../../domain/refund.ts';
import { capabilitiesOf } from '../../providers/index.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { declare, type Operation } from '../operation.ts';
import { showRefundExecution } from '../refunds/execution.ts';
import { presentRefund } from '../refunds/present.ts';
import { refundExecutionResponse, refundResponse } from '../refunds/response.ts';
import { pageOf } from '../response.ts';
import { awaitingResponse, decide, decisionBody } from './decide.ts';
import { presentQueue, queueQuery } from './queue.ts';

const tag = 'Operators';
const viewing = { kind: 'operator', role: 'viewer' } as const;
const one = '/api/v1/admin/refunds/{id}';
const answers = { 200: { description: 'The refund as it stands now', schema: refundResponse } };

/** The same for refunds as for payments: a refund can only have succeeded or failed. */
const refundDecisionBody = decisionBody
  .extend({
    decision: z
      .enum(['succeeded', 'failed'])
      .describe('How it ended, as you found out: `succeeded` means the money went back'),
  })
  .meta({ example: { decision: 'failed', reason: 'the provider’s portal shows no such refund' } });

/** Refunds over all merchants: those in review, and what operators decide about them. */
export const adminRefundOperations: readonly Operation[] = [
  declare({
    id: 'adminListRefundsInReview',
    method: 'get',
    path: '/api/v1/admin/refunds',
    tag,
    summary: 'List refunds that wait for a decision, oldest first',
    access: viewing,
    query: queueQuery(refundResponse.shape.review_reason),
    answers: { 200: { description: 'A page', schema: pageOf(refundResponse) } },
    async handle({ pool, engine }, { query }) {
      const body = await presentQueue('refund', query, {
        list: (filter) => listRefundsInReview(pool, filter),
        present: (refund) => presentRefund(refund, engine),
      });
      return { status: 200, body };
    },
  }),
  declare({
    id: 'adminGetRefund',
    method: 'get',
    path: one,
    tag,
    summary: 'See any refund',
    access: viewing,
    answers,
    async handle(deps, { param }) {
      const refund = await requireAnyRefund(deps, param('id'));
      return { status: 200, body: presentRefund(refund, deps.engine) };
    },
  }),
  declare({
    id: 'adminGetRefundExecution',
    method: 'get',
    path: `${one}/execution`,
    tag,
    summary: 'See why any refund waits, and what comes next',
    access: viewing,
    answers: { 200: { description: 'The running workflow', schema: refundExecutionResponse } },
    async handle(deps, { param }) {
      const refund = await requireAnyRefund(deps, param('id'));
      return { status: 200, body: await showRefundExecution(deps, refund) };
    },
  }),
  declare({
    id: 'adminDecideRefund',
    method: 'post',
    path: `${one}/decision`,
    tag,
    summary: 'Decide a refund in review',
    description: 'From the policy’s amount on it takes two operators, as for payments.',
    access: { kind: 'operator', role: 'operator' },
    body: refundDecisionBody,
    answers: { ...answers, 202: { description: 'A second is needed', schema: awaitingResponse } },
    problems: ['not_in_review', 'invalid_decision', 'payment_closed'],
    async handle(deps, { param, body, caller }) {
      const refund = await requireAnyRefund(deps, param('id'));
      return await decide(deps, refund, body, {
        payment: null,
        operatorId: caller.operatorId,
        carryOut: (decided) =>
          deps.engine.decideRefund(refund.workflowId, decided, () => loadReopening(deps, refund)),
        show: async () => presentRefund(await requireAnyRefund(deps, refund.id), deps.engine),
      });
    },
  }),
];

/** What a refund in review is reopened with whose workflow has no open run. */
async function loadReopening({ pool }: ApiDeps, { workflowId }: Refund) {
  const found = await findRefundByWorkflow(pool, workflowId);
  if (found?.refund.status !== 'needs_review') return null;
  const { refund, payment } = found;
  const capabilities = capabilitiesOf(payment.provider);
  return reopenedRefundInput(refund, payment, capabilities, { isSent: true });
}

async function requireAnyRefund({ pool }: ApiDeps, id: string): Promise<Refund> {
  const refund = isId('refund', id) ? await findAnyRefund(pool, id) : null;
  if (refund === null) throw new ApiError('not_found', 'no refund has this id');
  return refund;
}
