import { z } from 'zod';
import { listOpenUnmatchedReceipts, resolveUnmatchedReceipt } from '../../db/unmatched-receipts.ts';
import { UNMATCHED_RECEIPT_RESOLUTIONS } from '../../domain/unmatched-receipt.ts';
import { ApiError } from '../errors.ts';
import { declare, type Operation } from '../operation.ts';
import { openUnmatchedReceiptId } from '../payments/present.ts';
import { findPage, pageOf } from '../response.ts';
import { pageQuery, text } from '../schema.ts';
import { adminPaymentResponse, presentAdminPayment, requireAnyPayment } from './payments.ts';

const tag = 'Operators';

/** Money that came beside a payment's own: found, and decided about. */
export const unmatchedReceiptOperations: readonly Operation[] = [
  declare({
    id: 'adminListUnmatchedReceipts',
    method: 'get',
    path: '/api/v1/admin/unmatched-receipts',
    tag,
    summary: 'List payments that were paid twice, as it seems, oldest first',
    description:
      'A provider holds or took money under another of its ids than the payment’s own, and nobody has decided about it yet.',
    access: { kind: 'operator', role: 'viewer' },
    query: pageQuery.extend({ merchant_id: text(100).optional() }),
    answers: { 200: { description: 'A page', schema: pageOf(adminPaymentResponse) } },
    async handle(deps, { query }) {
      const merchantId = query.merchant_id ?? null;
      const body = await findPage(
        'payment',
        query,
        (limit, afterId) => listOpenUnmatchedReceipts(deps.pool, { merchantId, afterId, limit }),
        (payment) => presentAdminPayment(deps, payment),
      );
      return { status: 200, body };
    },
  }),
  declare({
    id: 'adminResolveUnmatchedReceipt',
    method: 'post',
    path: '/api/v1/admin/payments/{id}/unmatched-receipts',
    tag,
    summary: 'Say what became of money that came beside a payment’s own',
    description:
      'It moves no money: give it back in the provider’s portal first, or keep it because it is the payment’s after all.',
    access: { kind: 'operator', role: 'operator' },
    body: z
      .strictObject({
        provider_payment_id: text(200).describe(
          'Which money: its id as `unmatched_receipts` shows it',
        ),
        resolution: z
          .enum(UNMATCHED_RECEIPT_RESOLUTIONS)
          .describe('`given_back`: at the provider. `kept`: it is the payment’s after all'),
        reason: text(500).meta({
          description: 'Kept in the audit trail; nothing personal, please',
        }),
      })
      .meta({
        example: {
          provider_payment_id: 'pi_3Q0sandbox',
          resolution: 'given_back',
          reason: 'refunded in the portal',
        },
      }),
    answers: { 200: { description: 'The payment as it stands now', schema: adminPaymentResponse } },
    async handle(deps, { param, body, caller }) {
      const payment = await requireAnyPayment(deps, param('id'));
      const { id } = payment;
      // Of those that cannot be read, and are shown alike, the first that is open.
      const meant = payment.unmatchedReceipts
        .toSorted((a, b) => Number(a.status !== 'open') - Number(b.status !== 'open'))
        .find((it) => openUnmatchedReceiptId(deps.vault, payment, it) === body.provider_payment_id);
      const isDone =
        meant !== undefined &&
        (await resolveUnmatchedReceipt(deps.pool, {
          paymentId: id,
          providerPaymentId: meant.providerPaymentId,
          resolution: body.resolution,
          reason: body.reason,
          operatorId: caller.operatorId,
        }));
      if (!isDone) throw new ApiError('not_found', 'nothing is open under this id');
      return {
        status: 200,
        body: presentAdminPayment(deps, await requireAnyPayment(deps, id)),
      };
    },
  }),
];
