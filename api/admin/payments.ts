import { z } from 'zod';
import { listAudit } from '../../db/audit.ts';
import { hashPhone } from '../../db/customers.ts';
import { recordDecision } from '../../db/decisions.ts';
import { findAnyPayment, listPayments } from '../../db/payments.ts';
import { DECISIONS } from '../../domain/decision.ts';
import { isId } from '../../domain/id.ts';
import type { Payment } from '../../domain/payment.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { declare, type Operation } from '../operation.ts';
import { requireDone, verifyPayment } from '../payments/actions.ts';
import { toE164 } from '../payments/list.ts';
import { presentAuditEntry, presentExecution, presentPayment } from '../payments/present.ts';
import { listPaymentsQuery, text } from '../payments/schema.ts';
import { auditEntryShape, executionShape, paymentShape } from '../payments/shape.ts';
import {
  makeCursor,
  pageOf,
  presentPage,
  presentWholeList,
  readCursor,
  wholeListOf,
} from '../shape.ts';

const tag = 'Operators';
const viewing = { kind: 'operator', role: 'viewer' } as const;
const acting = { kind: 'operator', role: 'operator' } as const;
const one = '/api/v1/admin/payments/{id}';

const adminPaymentShape = paymentShape
  .extend({ merchant_id: z.string() })
  .meta({ id: 'AdminPayment' });
const answers = { 200: { description: 'The payment as it stands now', schema: adminPaymentShape } };

export const decisionBody = z.strictObject({
  decision: z.enum(DECISIONS),
  reason: text(500).meta({ description: 'Kept in the audit trail; nothing personal, please' }),
  receipt: text(50).optional().meta({ description: 'The provider’s, where you found one' }),
});
export const awaitingShape = z
  .strictObject({
    object: z.literal('decision'),
    subject_id: z.string(),
    decision: z.enum(DECISIONS),
    status: z.literal('awaiting_second_operator'),
  })
  .meta({ id: 'AwaitingDecision' });

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
      const found = await listPayments(deps.pool, {
        merchantId: query.merchant_id ?? null,
        statuses: query.status ?? [],
        provider: query.provider ?? null,
        phoneHash: query.phone === undefined ? null : hashPhone(deps.vault, toE164(query.phone)),
        reference: query.reference ?? null,
        createdFrom: query.created_from ?? null,
        createdBefore: query.created_before ?? null,
        beforeId: query.cursor === undefined ? null : readCursor('payment', query.cursor),
        limit: query.limit + 1,
      });
      const present = (payment: Payment) => presentAdminPayment(deps, payment);
      const body = presentPage(found, query.limit, present, ({ id }) => makeCursor(id));
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
    handle: async (deps, { param, body, caller }) =>
      await decide(deps, await requireAnyPayment(deps, param('id')), body, caller.operatorId),
  }),
];

async function decide(
  deps: ApiDeps,
  payment: Payment,
  body: z.output<typeof decisionBody>,
  operatorId: string,
) {
  if (payment.status !== 'needs_review') {
    throw new ApiError('not_in_review', `the payment is ${payment.status}`);
  }
  const { decision, reason } = body;
  const receipt = body.receipt ?? null;
  const needsTwo = payment.amountMinor >= deps.policies.api.two_operators_from_minor;
  const made = { subjectId: payment.id, decision, receipt, reason, operatorId, needsTwo };
  const by = await recordDecision(deps.pool, made);
  if (by === null) {
    const waiting = { object: 'decision', subject_id: payment.id, decision };
    return { status: 202, body: { ...waiting, status: 'awaiting_second_operator' } };
  }
  const decided = { decision, receipt, reason, by: by.join(' and ') };
  requireDone('decided', payment, await deps.engine.decidePayment(payment.workflowId, decided));
  const current = await requireAnyPayment(deps, payment.id);
  return { status: 200, body: presentAdminPayment(deps, current) };
}

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
