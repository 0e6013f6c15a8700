import { countLookBack, type DueLookBack, dropLookBack } from '../db/look-back.ts';
import { findPaymentByWorkflow } from '../db/payments.ts';
import { findRefundByWorkflow } from '../db/refunds.ts';
import { lateRefundInput, paymentInput } from '../domain/inputs.ts';
import { capabilitiesOf } from '../providers/index.ts';
import { lookBackAtPaymentStart, lookBackAtRefundStart } from '../workflows/messages.ts';
import type { ActivityDeps } from './deps.ts';

type Temporal = Pick<ActivityDeps, 'pool' | 'temporal'>;

/**
 * Has a payment asked about that ended without money. The question is a workflow's, so that it goes
 * by the provider's queue and its rate limit. @returns true when it is asked.
 */
export async function lookBackAtPayment(
  { pool, temporal }: Temporal,
  due: DueLookBack,
): Promise<boolean> {
  const payment = await findPaymentByWorkflow(pool, due.workflow_id);
  const isUnpaid = payment?.status === 'failed' || payment?.status === 'canceled';
  const canAsk =
    payment !== null &&
    (payment.providerPaymentId !== null || capabilitiesOf(payment.provider).looks_up_by_our_id);
  if (!isUnpaid || !canAsk) {
    await dropLookBack(pool, 'payments', due.id);
    return false;
  }
  const input = paymentInput(payment, capabilitiesOf);
  await temporal.workflow.signalWithStart('lateOutcome', lookBackAtPaymentStart(input, due.nth));
  await countLookBack(pool, 'payments', due);
  return true;
}

/** The same for a refund that failed. */
export async function lookBackAtRefund(
  { pool, temporal }: Temporal,
  due: DueLookBack,
): Promise<boolean> {
  const found = await findRefundByWorkflow(pool, due.workflow_id);
  const capabilities = found === null ? null : capabilitiesOf(found.payment.provider);
  const canAsk = capabilities !== null && canAskAbout(capabilities, found?.refund ?? null);
  if (found?.refund.status !== 'failed' || capabilities === null || !canAsk) {
    await dropLookBack(pool, 'refunds', due.id);
    return false;
  }
  const input = lateRefundInput(found.refund, found.payment, capabilities);
  await temporal.workflow.signalWithStart('lateRefund', lookBackAtRefundStart(input, due.nth));
  await countLookBack(pool, 'refunds', due);
  return true;
}

/** Who answers later, by a callback, is asked by its own id of the refund. */
function canAskAbout(
  { looks_up_refunds }: ReturnType<typeof capabilitiesOf>,
  refund: { readonly providerRefundId: string | null } | null,
): boolean {
  return (
    looks_up_refunds === 'sync' || (looks_up_refunds === 'async' && !!refund?.providerRefundId)
  );
}
