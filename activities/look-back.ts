import { countLookBack, type DueLookBack, dropLookBack } from '../db/look-back.ts';
import { findPaymentByWorkflow } from '../db/payments.ts';
import { findRefundByWorkflow } from '../db/refunds.ts';
import { reopenedInput, reopenedRefundInput } from '../domain/inputs.ts';
import type { Payment } from '../domain/payment.ts';
import { isUnpaid } from '../domain/payment-states.ts';
import { capabilitiesOf } from '../providers/index.ts';
import { paymentReopen, refundReopen } from '../temporal/start.ts';
import { lookBackSignal } from '../workflows/messages.ts';
import type { ActivityDeps } from './deps.ts';

type Temporal = Pick<ActivityDeps, 'pool' | 'temporal'>;
type FoundRefund = NonNullable<Awaited<ReturnType<typeof findRefundByWorkflow>>>;

/**
 * Has a payment asked about that ended without money. The question is a workflow's, so that it goes
 * by the provider's queue and its rate limit. @returns true when it is asked.
 */
export async function lookBackAtPayment(
  { pool, temporal }: Temporal,
  due: DueLookBack,
): Promise<boolean> {
  const payment = await findPaymentByWorkflow(pool, due.workflow_id);
  if (payment === null || !canAskAboutPayment(payment)) {
    await dropLookBack(pool, 'payments', due.id);
    return false;
  }
  const input = reopenedInput(payment, capabilitiesOf, { nowMs: Date.now() });
  const asked = lookBack(due.nth);
  await temporal.workflow.signalWithStart('payment', { ...paymentReopen(input), ...asked });
  await countLookBack(pool, 'payments', due);
  return true;
}

/** As `lookBackAtPayment`, for a refund that failed. */
export async function lookBackAtRefund(
  { pool, temporal }: Temporal,
  due: DueLookBack,
): Promise<boolean> {
  const found = await findRefundByWorkflow(pool, due.workflow_id);
  if (found === null || !canAskAboutRefund(found)) {
    await dropLookBack(pool, 'refunds', due.id);
    return false;
  }
  const { refund, payment } = found;
  const capabilities = capabilitiesOf(payment.provider);
  const input = reopenedRefundInput(refund, payment, capabilities, { isSent: true });
  const asked = lookBack(due.nth);
  await temporal.workflow.signalWithStart('refund', { ...refundReopen(input), ...asked });
  await countLookBack(pool, 'refunds', due);
  return true;
}

function lookBack(nth: number) {
  const signalArgs: [number] = [nth];
  return { signal: lookBackSignal, signalArgs } as const;
}

function canAskAboutPayment({ status, provider, providerPaymentId }: Payment): boolean {
  const canAsk = providerPaymentId !== null || capabilitiesOf(provider).looks_up_by_our_id;
  return isUnpaid(status) && canAsk;
}

/** Who answers later, by a callback, is asked by its own id of the refund. */
function canAskAboutRefund({ refund, payment }: FoundRefund): boolean {
  const { looks_up_refunds } = capabilitiesOf(payment.provider);
  const isAsync = looks_up_refunds === 'async' && refund.providerRefundId !== null;
  return refund.status === 'failed' && (looks_up_refunds === 'sync' || isAsync);
}
