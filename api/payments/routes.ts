import { REQUEST_WAIT_MAX_MS } from '../../config/policies.ts';
import { listAudit } from '../../db/audit.ts';
import type { Payment } from '../../domain/payment.ts';
import { answerTimeOf } from '../answer-time.ts';
import type { ApiDeps } from '../deps.ts';
import { declare, type Operation, type Reply } from '../operation.ts';
import { pageOf, presentWholeList, wholeListOf } from '../response.ts';
import { cancelPayment, capturePayment, VERIFY_RULES, verifyPayment } from './actions.ts';
import { createPayment, isUndecided, startPayment } from './create.ts';
import { showExecution } from './execution.ts';
import { requirePayment } from './find.ts';
import { hintHeaders } from './hint.ts';
import { listPage } from './list.ts';
import { presentAuditEntry, presentPayment } from './present.ts';
import {
  auditEntryResponse,
  executionResponse,
  paymentResponse,
  verifiedPaymentResponse,
} from './response.ts';
import { capturePaymentBody, createPaymentBody, listPaymentsQuery } from './schema.ts';

const tag = 'Payments';
const reading = { kind: 'merchant', scope: 'payments:read' } as const;
const writing = { kind: 'merchant', scope: 'payments:write' } as const;
/** Beyond it: 503, and what was asked may be done all the same. */
const WAITS = `It waits for the payment’s workflow, and so for the provider, ${REQUEST_WAIT_MAX_MS / 1000} seconds at most: give your HTTP client a longer timeout.`;
const asItStands = {
  200: { description: 'The payment as it stands now', schema: paymentResponse },
};
const UNPAID = {
  amount_captured: 0,
  amount_refundable: 0,
  provider_payment_id: null,
  provider_receipt: null,
};

type OnPayment = {
  readonly caller: { readonly merchantId: string };
  readonly param: (name: string) => string;
};
const paymentOf = (deps: ApiDeps, call: OnPayment) =>
  requirePayment(deps, call.caller.merchantId, call.param('id'));

async function show(deps: ApiDeps, call: OnPayment): Promise<Reply> {
  return { status: 200, body: presentPayment(await paymentOf(deps, call), deps) };
}

/** Everything a merchant does with payments. */
export const paymentOperations: readonly Operation[] = [
  declare({
    id: 'createPayment',
    method: 'post',
    path: '/api/v1/payments',
    tag,
    summary: 'Start a payment',
    description:
      'Stores the payment under its Idempotency-Key and starts its workflow. The same key with the same body is the same payment: it is answered as it stands, whatever happened in between.',
    access: writing,
    isIdempotent: true,
    isWaiting: true,
    body: createPaymentBody,
    answers: {
      200: { description: 'The key was used before: its payment', schema: paymentResponse },
      201: { description: 'The payment with its first meaningful status', schema: paymentResponse },
      202: {
        description: 'Stored; it goes on, and has no news yet',
        schema: paymentResponse,
        example: { ...UNPAID, status: 'created', completed_at: null },
      },
    },
    problems: ['provider_limits', 'provider_inactive'],
    async handle(deps, call) {
      const { merchantId } = call.caller;
      const time = answerTimeOf(deps, call);
      const creating = createPayment(deps, merchantId, call.idempotencyKey, call.body);
      const { payment, isReplay } = await time.orUnavailable(creating);
      if (isUndecided(payment)) await startPayment(deps, payment, time.waitMs());
      const current = await time.orElse(requirePayment(deps, merchantId, payment.id), payment);
      return {
        status: isUndecided(current) ? 202 : isReplay ? 200 : 201,
        body: presentPayment(current, deps),
        headers: {
          Location: `/api/v1/payments/${payment.id}`,
          ...time.headers,
          ...hintHeaders(deps, payment),
          ...(isReplay ? { 'Idempotency-Replayed': 'true' } : {}),
        },
      };
    },
  }),
  declare({
    id: 'listPayments',
    method: 'get',
    path: '/api/v1/payments',
    tag,
    summary: 'List payments, newest first',
    access: reading,
    query: listPaymentsQuery,
    answers: { 200: { description: 'A page of payments', schema: pageOf(paymentResponse) } },
    async handle(deps, { caller, query }) {
      const present = (payment: Payment) => presentPayment(payment, deps);
      const body = await listPage(deps, caller.merchantId, query, present);
      return { status: 200, body };
    },
  }),
  declare({
    id: 'getPayment',
    method: 'get',
    path: '/api/v1/payments/{id}',
    tag,
    summary: 'See a payment',
    access: reading,
    answers: asItStands,
    handle: show,
  }),
  declare({
    id: 'cancelPayment',
    method: 'post',
    path: '/api/v1/payments/{id}/cancel',
    tag,
    summary: 'Cancel what is not paid yet',
    description: `A second cancel of a canceled payment changes nothing. What was not sent yet can be canceled at any time. ${WAITS}`,
    access: writing,
    answers: { 200: { ...asItStands[200], example: { ...UNPAID, status: 'canceled' } } },
    problems: ['already_sent', 'in_review', 'payment_closed'],
    async handle(deps, call) {
      await cancelPayment(deps, await paymentOf(deps, call));
      return await show(deps, call);
    },
  }),
  declare({
    id: 'capturePayment',
    method: 'post',
    path: '/api/v1/payments/{id}/capture',
    tag,
    summary: 'Take an authorized payment, in part or whole',
    description: `The same capture may be sent again: it is taken once. ${WAITS}`,
    access: writing,
    body: capturePaymentBody,
    isBodyOptional: true,
    answers: asItStands,
    problems: ['not_authorized', 'capture_refused', 'paused', 'payment_closed', 'provider_limits'],
    async handle(deps, call) {
      await capturePayment(deps, await paymentOf(deps, call), call.body.amount);
      return await show(deps, call);
    },
  }),
  declare({
    id: 'verifyPayment',
    method: 'post',
    path: '/api/v1/payments/{id}/verify',
    tag,
    summary: 'Ask the provider now',
    description: `${VERIFY_RULES} ${WAITS}`,
    access: writing,
    answers: { 200: { ...asItStands[200], schema: verifiedPaymentResponse } },
    problems: ['not_sent', 'paused', 'payment_closed'],
    async handle(deps, call) {
      const verification = await verifyPayment(deps, await paymentOf(deps, call));
      const payment = presentPayment(await paymentOf(deps, call), deps);
      return { status: 200, body: { ...payment, verification } };
    },
  }),
  declare({
    id: 'getPaymentTimeline',
    method: 'get',
    path: '/api/v1/payments/{id}/timeline',
    tag,
    summary: 'See all that happened to a payment',
    access: reading,
    answers: { 200: { description: 'Oldest first', schema: wholeListOf(auditEntryResponse) } },
    async handle(deps, call) {
      const entries = await listAudit(deps.pool, (await paymentOf(deps, call)).id);
      return { status: 200, body: presentWholeList(entries.map(presentAuditEntry)) };
    },
  }),
  declare({
    id: 'getPaymentExecution',
    method: 'get',
    path: '/api/v1/payments/{id}/execution',
    tag,
    summary: 'See why a payment waits, and what comes next',
    access: reading,
    answers: { 200: { description: 'The running workflow', schema: executionResponse } },
    async handle(deps, call) {
      const payment = await paymentOf(deps, call);
      return { status: 200, body: await showExecution(deps, payment) };
    },
  }),
];
