import { z } from 'zod';
import { listAudit } from '../../db/audit.ts';
import { findAnyPayment } from '../../db/payments.ts';
import { isId } from '../../domain/id.ts';
import type { Payment } from '../../domain/payment.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { declare, type Operation } from '../operation.ts';
import { verifyPayment } from '../payments/actions.ts';
import { listPage } from '../payments/list.ts';
import { presentAuditEntry, presentExecution, presentPayment } from '../payments/present.ts';
import { listPaymentsQuery } from '../payments/schema.ts';
import { auditEntryShape, executionShape, paymentShape } from '../payments/shape.ts';
import { text } from '../schema.ts';
import { pageOf, presentWholeList, wholeListOf } from '../shape.ts';
import { awaitingShape, decide, decisionBody } from './decide.ts';

const tag = 'Operators';
const viewing = { kind: 'operator', role: 'viewer' } as const;
const acting = { kind: 'operator', role: 'operator' } as const;
const one = '/api/v1/admin/payments/{id}';

const adminPaymentShape = paymentShape
  .extend({ merchant_id: z.string() })
  .meta({ id: 'AdminPayment' });
const answers = { 200: { description: 'The payment as it stands now', schema: adminPaymentShape } };

/** Payments over all merchants, and what operators decide about them. */
export const adminPaymentOperations: readonly Operation[] = [
  declare({
    id: 'adminListPayments',
    method: 'get',
    path: '/api/v1/admin/payments',
    tag,
    summary: 'Search payments of all merchants, newest first',
    description: 'With `status=needs_review` it is the queue of what waits for a decision.',
    access: viewing,
    query: listPaymentsQuery.extend({ merchant_id: text(100).optional() }),
    answers: { 200: { description: 'A page', schema: pageOf(adminPaymentShape) } },
    async handle(deps, { query }) {
      const { merchant_id, ...filter } = query;
      const present = (payment: Payment) => presentAdminPayment(deps, payment);
      const body = await listPage(deps, merchant_id ?? null, filter, present);
      return { status: 200, body };
    },
  }),
  declare({
    id: 'adminGetPayment',
    method: 'get',
    path: one,
    tag,
    summary: 'See any payment',
    access: viewing,
    answers,
    async handle(deps, { param }) {
      const payment = await requireAnyPayment(deps, param('id'));
      return { status: 200, body: presentAdminPayment(deps, payment) };
    },
  }),
  declare({
    id: 'adminGetPaymentTimeline',
    method: 'get',
    path: `${one}/timeline`,
    tag,
    summary: 'See all that happened to any payment',
    access: viewing,
    answers: { 200: { description: 'Oldest first', schema: wholeListOf(auditEntryShape) } },
    async handle(deps, { param }) {
      const entries = await listAudit(deps.pool, (await requireAnyPayment(deps, param('id'))).id);
      return { status: 200, body: presentWholeList(entries.map(presentAuditEntry)) };
    },
  }),
  declare({
    id: 'adminGetPaymentExecution',
    method: 'get',
    path: `${one}/execution`,
    tag,
    summary: 'See why any payment waits, and what comes next',
    access: viewing,
    answers: { 200: { description: 'The running workflow', schema: executionShape } },
    async handle(deps, { param }) {
      const payment = await requireAnyPayment(deps, param('id'));
      const execution = await deps.engine.describe(payment.workflowId);
      return { status: 200, body: presentExecution(payment, deps.engine, execution) };
    },
  }),
  declare({
    id: 'adminVerifyPayment',
    method: 'post',
    path: `${one}/verify`,
    tag,
    summary: 'Ask the provider about any payment now',
    access: acting,
    answers,
    problems: ['not_sent', 'payment_closed'],
    async handle(deps, { param }) {
      await verifyPayment(deps, await requireAnyPayment(deps, param('id')));
      const payment = await requireAnyPayment(deps, param('id'));
      return { status: 200, body: presentAdminPayment(deps, payment) };
    },
  }),
  declare({
    id: 'adminDecidePayment',
    method: 'post',
    path: `${one}/decision`,
    tag,
    summary: 'Decide a payment in review',
    description:
      'For what nobody but a person can say. Above the amount of `api.two_operators_from_minor` the policy asks for two operators: the first one’s word waits a day for the same word of another.',
    access: acting,
    body: decisionBody,
    answers: { ...answers, 202: { description: 'A second is needed', schema: awaitingShape } },
    problems: ['not_in_review', 'invalid_decision', 'payment_closed'],
    async handle(deps, { param, body, caller }) {
      const payment = await requireAnyPayment(deps, param('id'));
      return await decide(deps, payment, body, {
        operatorId: caller.operatorId,
        carryOut: (decided) => deps.engine.decidePayment(payment.workflowId, decided),
        show: async () => presentAdminPayment(deps, await requireAnyPayment(deps, payment.id)),
      });
    },
  }),
];

async function requireAnyPayment({ pool }: ApiDeps, id: string): Promise<Payment> {
  const payment = isId('payment', id) ? await findAnyPayment(pool, id) : null;
  if (payment === null) throw new ApiError('not_found', 'no payment has this id');
  return payment;
}

function presentAdminPayment(
  { engine }: ApiDeps,
  payment: Payment,
): z.input<typeof adminPaymentShape> {
  return { ...presentPayment(payment, engine), merchant_id: payment.merchantId };
}
