import type { Dispute } from '../../domain/dispute.ts';
import { type FailureCode, failure } from '../../domain/error.ts';
import { type ChargeResult, type LookupResult, unpaid } from '../../domain/outcome.ts';
import type { ProviderRefund } from '../../domain/provider-refund.ts';
import { type RefundFailureCode, type RefundResult, refundFailure } from '../../domain/refund.ts';
import { entryOf } from '../../domain/table.ts';
import { workflowNamed } from '../shared/owner.ts';
import type { PaymentError, PaymentIntent, Refund } from './wire.ts';

/**
 * Stripe's decline codes, else its error codes, in our words (docs.stripe.com/declines/codes). Any
 * other is `declined`. What Stripe asks to keep from the payer is shown as a plain decline.
 */
// table
const DECLINES: Readonly<Record<string, FailureCode>> = {
  insufficient_funds: 'insufficient_funds',
  expired_card: 'card_expired',
  incorrect_cvc: 'card_details_wrong',
  invalid_cvc: 'card_details_wrong',
  incorrect_number: 'card_details_wrong',
  invalid_number: 'card_details_wrong',
  invalid_expiry_month: 'card_details_wrong',
  invalid_expiry_year: 'card_details_wrong',
  authentication_required: 'authentication_failed',
  payment_intent_authentication_failure: 'authentication_failed',
  do_not_honor: 'card_refused',
  generic_decline: 'card_refused',
  call_issuer: 'card_refused',
  card_not_supported: 'card_refused',
  currency_not_supported: 'card_refused',
  card_velocity_exceeded: 'payer_limit',
  withdrawal_count_limit_exceeded: 'payer_limit',
  lost_card: 'card_blocked',
  stolen_card: 'card_blocked',
  pickup_card: 'card_blocked',
  restricted_card: 'card_blocked',
  fraudulent: 'card_blocked',
  merchant_blacklist: 'card_blocked',
  try_again_later: 'provider_unavailable',
  processing_error: 'provider_unavailable',
  issuer_not_available: 'provider_unavailable',
  reenter_transaction: 'provider_unavailable',
  duplicate_transaction: 'repeated_too_soon',
};

/** Refund.failure_reason, and the error codes of a refused refund. */
// table
const REFUND_FAILURES: Readonly<Record<string, RefundFailureCode>> = {
  lost_or_stolen_card: 'not_reachable',
  expired_or_canceled_card: 'not_reachable',
  insufficient_funds: 'insufficient_balance',
  balance_insufficient: 'insufficient_balance',
  charge_for_pending_refund_disputed: 'disputed',
  charge_disputed: 'disputed',
  charge_already_refunded: 'already_reversed',
  amount_too_large: 'amount_refused',
  declined: 'declined',
};

/** Codes of a refused refund that prove that nothing was given back. */
export function isRefundRefusal(code: string): boolean {
  return entryOf(REFUND_FAILURES, code) !== undefined;
}

/** Of the advice that comes with a decline, what forbids another try (docs.stripe.com/declines). */
const FINAL_ADVICE = 'do_not_try_again';

/** A decline: definite, no money moved. */
export function readDecline(error: PaymentError, providerPaymentId: string | null): LookupResult {
  const code = error.decline_code ?? error.code ?? 'declined';
  const ours = entryOf(DECLINES, code) ?? entryOf(DECLINES, error.code ?? '') ?? 'declined';
  return {
    kind: 'declined',
    providerPaymentId,
    receipt: null,
    money: null,
    failure: failure(ours, code),
    providerCode: code,
    ...(error.advice_code === FINAL_ADVICE ? { isFinal: true } : {}),
  };
}

/** What a PaymentIntent means for the payment, wherever it was read. */
export function readIntent(intent: PaymentIntent): LookupResult {
  const { id, status, amount, amount_received, amount_capturable } = intent;
  const receipt = intent.latest_charge ?? intent.charges?.data[0]?.id ?? null;
  const outcome = { providerPaymentId: id, providerCode: status };
  const currency = intent.currency.toUpperCase();
  const pending = (message: string): LookupResult => ({ kind: 'pending', message, ...outcome });
  switch (status) {
    case 'succeeded': {
      const money = { amountMinor: amount_received, currency };
      return { kind: 'succeeded', receipt, money, failure: null, ...outcome };
    }
    case 'requires_capture': {
      const money = { amountMinor: amount_capturable || amount, currency };
      return { kind: 'authorized', receipt, money, failure: null, ...outcome };
    }
    case 'canceled': {
      if (isGivenUp(intent)) {
        const reason = failure('return_url_missing', 'authentication_required');
        return { ...unpaid('declined', reason), providerPaymentId: id };
      }
      const code = intent.cancellation_reason === 'automatic' ? 'authorization_expired' : null;
      const reason = failure(code ?? 'canceled_by_merchant', intent.cancellation_reason);
      return { kind: 'canceled', receipt: null, money: null, failure: reason, ...outcome };
    }
    case 'requires_payment_method':
      if (intent.last_payment_error === null) return pending('Stripe waits for a payment method');
      return readDecline(intent.last_payment_error, id);
    case 'requires_action':
      return pending('the payer has to authenticate');
    case 'requires_confirmation':
    case 'processing':
      return pending('Stripe is at it');
  }
}

/** Why we cancel where the payer has to authenticate, and no payer is present. */
export const GIVEN_UP = 'abandoned';

/** Stripe's event of it may come before the answer to our own call: both have to mean the same. */
function isGivenUp(intent: PaymentIntent): boolean {
  const { cancellation_reason, automatic_payment_methods, latest_charge } = intent;
  return (
    cancellation_reason === GIVEN_UP &&
    automatic_payment_methods?.allow_redirects === 'never' &&
    latest_charge === null
  );
}

/** The same for the answer to a charge, where the payer may have to act first. */
export function readCharge(intent: PaymentIntent): ChargeResult {
  const url = intent.next_action?.redirect_to_url?.url;
  if (intent.status !== 'requires_action' || !url) return readIntent(intent);
  return {
    kind: 'action_required',
    providerPaymentId: intent.id,
    providerCode: intent.status,
    message: 'the payer has to authenticate (3-D Secure)',
    nextAction: { type: 'redirect_to_url', url },
  };
}

/** What a Refund means for ours. A success may be taken back by a later event. */
export function readRefund({ id, status, amount, failure_reason }: Refund): RefundResult {
  const outcome = { providerRefundId: id, receipt: null, amountMinor: amount };
  if (status === 'succeeded') {
    return { kind: 'succeeded', failure: null, providerCode: status, ...outcome };
  }
  if (status === 'failed' || status === 'canceled') {
    return readRefundFailure(failure_reason ?? status, id, amount);
  }
  const message = 'Stripe is at it';
  return { kind: 'pending', providerRefundId: id, providerCode: status, message };
}

/** The workflow of ours that the object's metadata names; null for none. */
export function ownerOf(object: unknown, of: 'payment' | 'refund'): string | null {
  return workflowNamed(object, 'malipo_workflow', of);
}

/** A Refund that we did not make; null for one that names no PaymentIntent, or no money. */
export function readProviderRefund(refund: Refund): ProviderRefund | null {
  const { id, amount, payment_intent } = refund;
  if (payment_intent === null || amount <= 0) return null;
  return {
    providerRefundId: id,
    providerPaymentId: payment_intent,
    amountMinor: amount,
    currency: refund.currency.toUpperCase(),
    result: readRefund(refund),
  };
}

export function readRefundFailure(
  code: string,
  providerRefundId: string | null,
  amountMinor: number | null,
): RefundResult {
  const ours = entryOf(REFUND_FAILURES, code) ?? 'declined';
  return {
    kind: 'failed',
    providerRefundId,
    receipt: null,
    amountMinor,
    failure: refundFailure(ours, code),
    providerCode: code,
  };
}

/** Of an inquiry: the bank only asks, and has taken no money. */
const INQUIRY = 'warning_';
/** No money is asked for any more. */
const WON = ['won', 'warning_closed', 'prevented'];

/** Dispute.status; all that is neither won nor lost is still open. */
export function readDisputeStatus(status: string): Pick<Dispute, 'status' | 'isInquiry'> {
  const isInquiry = status.startsWith(INQUIRY);
  if (WON.includes(status)) return { status: 'won', isInquiry };
  return { status: status === 'lost' ? 'lost' : 'open', isInquiry };
}
