import type { z } from 'zod';
import { listAudit } from '../../db/audit.ts';
import { findAnyPayment } from '../../db/payments.ts';
import { findReceiptHolder } from '../../db/receipts.ts';
import { listPaymentsInReview } from '../../db/review-queue.ts';
import { isId } from '../../domain/id.ts';
import type { Payment } from '../../domain/payment.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import { declare, type Operation } from '../operation.ts';
import { reopeningOf, VERIFY_RULES, verifyPayment } from '../payments/actions.ts';
import { showExecution } from '../payments/execution.ts';
import { listPage } from '../payments/list.ts';
import { presentAuditEntry, presentPayment } from '../payments/present.ts';
import {
  auditEntryResponse,
  executionResponse,
  paymentResponse,
  verification,
} from '../payments/response.ts';
import { searchPaymentsQuery } from '../payments/schema.ts';
import { idOf, pageOf, presentWholeList, wholeListOf } from '../response.ts';
import { awaitingResponse, decide, paymentDecisionBody } from './decide.ts';
import { presentQueue, queueQuery } from './queue.ts';
import { WHO_KNOWS_A_PASSWORD } from './two-operators.ts';

const tag = 'Operators';
const viewing = { kind: 'operator', role: 'viewer' } as const;
const acting = { kind: 'operator', role: 'operator' } as const;
const one = '/api/v1/admin/payments/{id}';

/** A payment as operators see it. */
export const adminPaymentResponse = paymentResponse
  .extend({ merchant_id: idOf('merchant', 'Whose payment it is') })
  .meta({ id: 'AdminPayment' });
const adminVerifiedPaymentResponse = adminPaymentResponse
  .extend({ verification })
  .meta({ id: 'AdminVerifiedPayment' });
const answers = {
  200: { description: 'The payment as it stands now', schema: adminPaymentResponse },
};

/** Payments over all merchants, and what operators decide about them. */
export const adminPaymentOperations: readonly Operation[] = [
  declare({
    id: 'adminListPayments',
    method: 'get',
    path: '/api/v1/admin/payments',
    tag,
    summary: 'Search payments of all merchants, newest first',
    access: viewing,
    query: searchPaymentsQuery,
    answers: { 200: { description: 'A page', schema: pageOf(adminPaymentResponse) } },
    async handle(deps, { query }) {
      const { merchant_id, reference, ...filter } = query;
      const present = (payment: Payment) => presentAdminPayment(deps, payment);
      const asked = { ...filter, referenceInAnyCase: reference };
      const body = await listPage(deps, merchant_id ?? null, asked, present);
      return { status: 200, body };
    },
  }),
  // Before `{id}`, which would match as well.
  declare({
    id: 'adminListPaymentsInReview',
    method: 'get',
    path: '/api/v1/admin/payments/in-review',
    tag,
    summary: 'List payments that wait for a decision, oldest first',
    access: viewing,
    query: queueQuery(paymentResponse.shape.review_reason),
    answers: { 200: { description: 'A page', schema: pageOf(adminPaymentResponse) } },
    async handle(deps, { query }) {
      const body = await presentQueue('payment', query, {
        list: (filter) => listPaymentsInReview(deps.pool, filter),
        present: (payment) => presentAdminPayment(deps, payment),
      });
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
    answers: { 200: { description: 'Oldest first', schema: wholeListOf(auditEntryResponse) } },
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
    answers: { 200: { description: 'The running workflow', schema: executionResponse } },
    async handle(deps, { param }) {
      const payment = await requireAnyPayment(deps, param('id'));
      return { status: 200, body: await showExecution(deps, payment) };
    },
  }),
  declare({
    id: 'adminVerifyPayment',
    method: 'post',
    path: `${one}/verify`,
    tag,
    summary: 'Ask the provider about any payment now',
    description: VERIFY_RULES,
    access: acting,
    answers: { 200: { ...answers[200], schema: adminVerifiedPaymentResponse } },
    problems: ['not_sent', 'paused', 'payment_closed'],
    async handle(deps, { param }) {
      const told = await verifyPayment(deps, await requireAnyPayment(deps, param('id')));
      const payment = await requireAnyPayment(deps, param('id'));
      return { status: 200, body: { ...presentAdminPayment(deps, payment), verification: told } };
    },
  }),
  declare({
    id: 'adminDecidePayment',
    method: 'post',
    path: `${one}/decision`,
    tag,
    summary: 'Decide a payment in review',
    description: `For what nobody but a person can say. From the amount on that \`api.two_operators_from_minor\` names for the currency, it takes two operators: the first one’s word waits a day for the same word of another. They do not count as two where one person may be both: where one of them, or one third, counts as knowing the passwords of both, or where one has an account here and the other a token of an external issuer. ${WHO_KNOWS_A_PASSWORD}`,
    access: acting,
    body: paymentDecisionBody,
    answers: { ...answers, 202: { description: 'A second is needed', schema: awaitingResponse } },
    problems: ['not_in_review', 'invalid_decision', 'payment_closed'],
    async handle(deps, { param, body, caller }) {
      const payment = await requireAnyPayment(deps, param('id'));
      return await decide(deps, payment, body, {
        payment,
        operatorId: caller.operatorId,
        faultOf: () => faultOfReceipt(deps, payment, body.receipt),
        carryOut: (decided) =>
          deps.engine.decidePayment(payment.workflowId, decided, reopeningOf(deps, payment)),
        show: async () => presentAdminPayment(deps, await requireAnyPayment(deps, payment.id)),
      });
    },
  }),
];

/** One receipt pays for one payment: who found it elsewhere decides about that one first. */
async function faultOfReceipt(
  { pool }: ApiDeps,
  { id, provider, credentialsRef: credentials_ref }: Payment,
  receipt: string | undefined,
): Promise<string | null> {
  if (receipt === undefined) return null;
  const holder = await findReceiptHolder(pool, { id, provider, credentials_ref }, receipt);
  if (holder === null) return null;
  return `receipt ${receipt} is of ${holder.id} already, which is ${holder.status}: one receipt pays for one payment`;
}

/** @throws ApiError not_found */
export async function requireAnyPayment({ pool }: ApiDeps, id: string): Promise<Payment> {
  const payment = isId('payment', id) ? await findAnyPayment(pool, id) : null;
  if (payment === null) throw new ApiError('not_found', 'no payment has this id');
  return payment;
}

/** The only way from a payment to operators. */
export function presentAdminPayment(
  deps: ApiDeps,
  payment: Payment,
): z.input<typeof adminPaymentResponse> {
  return { ...presentPayment(payment, deps), merchant_id: payment.merchantId };
}
