import { z } from 'zod';
import { listOpenSurplus, resolveSurplus } from '../../db/surplus.ts';
import { SURPLUS_RESOLUTIONS } from '../../domain/surplus.ts';
import { ApiError } from '../errors.ts';
import { declare, type Operation } from '../operation.ts';
import { openSurplusId } from '../payments/present.ts';
import { pageQuery, text } from '../schema.ts';
import { findPage, pageOf } from '../shape.ts';
import { adminPaymentShape, presentAdminPayment, requireAnyPayment } from './payments.ts';

const tag = 'Operators';

/** Money that came beside a payment's own: found, and decided about. */
export const surplusOperations: readonly Operation[] = [
  declare({
    id: 'adminListSurplus',
    method: 'get',
    path: '/api/v1/admin/surplus',
    tag,
    summary: 'List payments that were paid twice, as it seems, oldest first',
    description:
      'A provider holds or took money under another of its ids than the payment’s own, and nobody has decided about it yet.',
    access: { kind: 'operator', role: 'viewer' },
    query: pageQuery.extend({ merchant_id: text(100).optional() }),
    answers: { 200: { description: 'A page', schema: pageOf(adminPaymentShape) } },
    async handle(deps, { query }) {
      const merchantId = query.merchant_id ?? null;
      const body = await findPage(
        'payment',
        query,
        (limit, afterId) => listOpenSurplus(deps.pool, { merchantId, afterId, limit }),
        (payment) => presentAdminPayment(deps, payment),
      );
      return { status: 200, body };
    },
  }),
  declare({
    id: 'adminResolveSurplus',
    method: 'post',
    path: '/api/v1/admin/payments/{id}/surplus',
    tag,
    summary: 'Say what became of money that came beside a payment’s own',
    description:
      'It moves no money: give it back in the provider’s portal first, or keep it because it is the payment’s after all.',
    access: { kind: 'operator', role: 'operator' },
    body: z
      .strictObject({
        provider_payment_id: text(200).describe('Which money: its id as `surplus` shows it'),
        resolution: z
          .enum(SURPLUS_RESOLUTIONS)
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
    answers: { 200: { description: 'The payment as it stands now', schema: adminPaymentShape } },
    async handle(deps, { param, body, caller }) {
      const payment = await requireAnyPayment(deps, param('id'));
      const { id } = payment;
      // Of those that cannot be read, and are shown alike, the first that is open.
      const meant = payment.surplus
        .toSorted((a, b) => Number(a.status !== 'open') - Number(b.status !== 'open'))
        .find((it) => openSurplusId(deps.vault, payment, it) === body.provider_payment_id);
      const isDone =
        meant !== undefined &&
        (await resolveSurplus(deps.pool, {
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
