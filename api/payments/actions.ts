import { cancelUnsent } from '../../db/cancel-unsent.ts';
import { findAnyPayment } from '../../db/payments.ts';
import { reopenedInput } from '../../domain/inputs.ts';
import { formatMoney } from '../../domain/money.ts';
import type { Payment } from '../../domain/payment.ts';
import { isClosed, type PaymentStatus } from '../../domain/payment-states.ts';
import type { RefundStatus } from '../../domain/refund-states.ts';
import { capabilitiesOf } from '../../providers/index.ts';
import type { LoadReopening, UpdateAnswer } from '../../temporal/updates.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError, faulty, isProblemCode } from '../errors.ts';
import { refuseStep } from './limits.ts';

/**
 * Ends what was not yet paid. A second cancel of a canceled payment changes nothing. What no run
 * has claimed for sending is canceled by its row alone, so also while Temporal is away; its
 * workflow, if there is one, is told, and would find out by itself.
 */
export async function cancelPayment(deps: ApiDeps, payment: Payment): Promise<void> {
  if (payment.status === 'canceled') return;
  if (payment.status === 'created' && (await cancelUnsent(deps.pool, payment))) {
    void deps.engine.cancelPayment(payment.workflowId, async () => null);
    return;
  }
  const answer = await deps.engine.cancelPayment(payment.workflowId, reopeningOf(deps, payment));
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
    const detail = `is more than is authorized: at most ${held} (${payment.amountMinor})`;
    throw faulty('invalid_request', [{ pointer: '/amount', detail }]);
  }
  refuseStep(payment, amountMinor);
  const answer = await deps.engine.capturePayment(
    payment.workflowId,
    amountMinor,
    reopeningOf(deps, payment),
  );
  const standing = await reread(deps, payment, answer);
  if (!isCapturedBy(standing, amountMinor)) requireDone('captured', standing, answer);
}

function isCapturedBy(payment: Payment, amountMinor: number): boolean {
  const isWhole = payment.status === 'succeeded' && payment.amountCapturedMinor === amountMinor;
  return isWhole && payment.captureMethod === 'manual';
}

/** What is told of verifying, to merchants and operators. */
export const VERIFY_RULES =
  '`verification` says whether the provider was asked, and if not, why. A payment that has succeeded is shown as it stands: there is nothing to ask. One that has failed or was canceled cannot be verified (payment_closed): what may have reached the provider is asked about by itself, some minutes and a day after its end. Questions within five seconds are one, and after some dozens within an hour the next has to wait (rate_limited, with Retry-After).';

/**
 * Asks the provider now, and says whether it was asked. There is nothing to ask about a payment
 * that has succeeded, or that ends meanwhile. For one that has ended otherwise, the refusal says
 * that nobody is asked.
 */
export async function verifyPayment(deps: ApiDeps, payment: Payment): Promise<Verification> {
  if (payment.status === 'succeeded') return { asked: false, reason: NOTHING_TO_ASK };
  if (isClosed(payment.status)) {
    const detail = `it is ${payment.status}: the provider is not asked on request any more. If the payer was charged all the same, a late callback or our own question some minutes and a day after the end brings the payment to review; before that, look for it in the provider’s portal`;
    throw new ApiError('payment_closed', detail);
  }
  const answer = await deps.engine.verifyPayment(payment.workflowId, reopeningOf(deps, payment));
  const standing = await reread(deps, payment, answer);
  if (!HAS_ENDED.includes(standing.status)) requireDone('verified', standing, answer);
  const ended = `it was ${standing.status} before the provider was asked`;
  const { isAsked, message } = answer.verified ?? { isAsked: false, message: ended };
  return { asked: isAsked, reason: message ?? 'the provider told how it stands' };
}

/** What is told of a verify beside the payment. */
export type Verification = { readonly asked: boolean; readonly reason: string };
const NOTHING_TO_ASK = 'it has succeeded: there is nothing to ask';

/**
 * What a payment is reopened with whose workflow has no open run. One that was not sent yet is not:
 * its workflow is started by its first request or by the sweeper.
 */
export function reopeningOf({ pool }: ApiDeps, { id }: Payment): LoadReopening {
  return async () => {
    const payment = await findAnyPayment(pool, id);
    const isOpen = payment !== null && !isClosed(payment.status);
    if (!isOpen || payment.status === 'created') return null;
    return reopenedInput(payment, capabilitiesOf, { nowMs: Date.now() });
  };
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
      // Stored and not begun: the sweeper sees to it. What lost its workflow has got another.
      throw new ApiError('temporarily_unavailable', 'its workflow is being started; try again');
    case 'unavailable':
      throw new ApiError('temporarily_unavailable', 'nobody could take it in time; try again');
    case 'refused': {
      const code = isProblemCode(answer.type) ? answer.type : 'payment_closed';
      throw new ApiError(code, `it cannot be ${what}: ${answer.message}`, [], answer.retryAfterS);
    }
  }
}
