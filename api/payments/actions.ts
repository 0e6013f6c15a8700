import { findAnyPayment } from '../../db/payments.ts';
import { formatMoney } from '../../domain/money.ts';
import type { Payment } from '../../domain/payment.ts';
import type { PaymentStatus } from '../../domain/payment-states.ts';
import type { RefundStatus } from '../../domain/refund-states.ts';
import { capabilitiesOf } from '../../providers/index.ts';
import type { ApiDeps } from '../deps.ts';
import type { UpdateAnswer } from '../engine.ts';
import { ApiError, isProblemCode } from '../errors.ts';

/** Ends what was not yet paid. A second cancel of a canceled payment changes nothing. */
export async function cancelPayment(deps: ApiDeps, payment: Payment): Promise<void> {
  if (payment.status === 'canceled') return;
  const answer = await deps.engine.cancelPayment(payment.workflowId);
  const standing = await reread(deps, payment, answer);
  if (standing.status !== 'canceled') requireDone('canceled', standing, answer);
}

/**
 * Takes an authorized payment, in part or whole. The same capture of a payment that it was made of
 * changes nothing, so a capture may be sent again.
 */
export async function capturePayment(
  deps: ApiDeps,
  payment: Payment,
  amount: number | undefined,
): Promise<void> {
  if (!capabilitiesOf(payment.provider).capture) {
    throw new ApiError('provider_limits', `${payment.provider} captures at once`);
  }
  const amountMinor = amount ?? payment.amountMinor;
  if (isCapturedBy(payment, amountMinor)) return;
  if (amountMinor > payment.amountMinor) {
    const { currency } = payment;
    const held = formatMoney({ amountMinor: payment.amountMinor, currency });
    const detail = `at most ${held} (${payment.amountMinor}) is authorized`;
    throw new ApiError('invalid_request', `amount: ${detail}`, [{ pointer: '/amount', detail }]);
  }
  const answer = await deps.engine.capturePayment(payment.workflowId, amountMinor);
  const standing = await reread(deps, payment, answer);
  if (!isCapturedBy(standing, amountMinor)) requireDone('captured', standing, answer);
}

function isCapturedBy(payment: Payment, amountMinor: number): boolean {
  const isWhole = payment.status === 'succeeded' && payment.amountCapturedMinor === amountMinor;
  return isWhole && payment.captureMethod === 'manual';
}

/**
 * Asks the provider now. There is nothing to ask about a payment that has ended, also meanwhile, so
 * a verify whose answer was lost may be sent again.
 */
export async function verifyPayment(deps: ApiDeps, payment: Payment): Promise<void> {
  if (HAS_ENDED.includes(payment.status)) return;
  const answer = await deps.engine.verifyPayment(payment.workflowId);
  const standing = await reread(deps, payment, answer);
  if (!HAS_ENDED.includes(standing.status)) requireDone('verified', standing, answer);
}

/**
 * What was not done may be done all the same: the payment may have ended since it was read for this
 * request, before its workflow was asked, or while nobody came to answer.
 */
async function reread({ pool }: ApiDeps, payment: Payment, answer: UpdateAnswer): Promise<Payment> {
  if (answer.kind === 'done') return payment;
  return (await findAnyPayment(pool, payment.id)) ?? payment;
}

const HAS_ENDED: readonly string[] = ['succeeded', 'failed', 'canceled'] satisfies (
  | PaymentStatus
  | RefundStatus
)[];

/** @throws ApiError by the refusal's type, payment_closed, temporarily_unavailable. */
export function requireDone(
  what: string,
  subject: { readonly status: string },
  answer: UpdateAnswer,
): void {
  const isLost = answer.kind === 'not_running' || answer.kind === 'unavailable';
  if (isLost && HAS_ENDED.includes(subject.status)) {
    throw new ApiError('payment_closed', `it is ${subject.status}`);
  }
  switch (answer.kind) {
    case 'done':
      return;
    case 'not_running':
      // Stored and not begun, or its workflow was lost: the sweeper sees to both.
      throw new ApiError('temporarily_unavailable', 'its workflow is being started; try again');
    case 'unavailable':
      throw new ApiError('temporarily_unavailable', 'nobody could take it in time; try again');
    case 'refused': {
      const code = isProblemCode(answer.type) ? answer.type : 'payment_closed';
      throw new ApiError(code, `it cannot be ${what}: ${answer.message}`);
    }
  }
}
