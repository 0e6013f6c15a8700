import { noSuchIn } from './errors.ts';
import { type Form, formOf, textOf } from './form.ts';

/** What a test payment method does (docs.stripe.com/testing). */
export type Method = {
  readonly decline?: {
    readonly code: string;
    readonly decline_code?: string;
    readonly advice_code?: string;
  };
  /** Asks for 3-D Secure first; with `decline` the card declines after it. */
  readonly three_ds?: true;
  readonly refund?: 'pending' | 'failed';
  readonly dispute?: true;
};

const declined = (decline_code: string, advice_code = 'try_again_later'): Method => ({
  decline: { code: 'card_declined', decline_code, advice_code },
});

// table
const METHODS: Readonly<Record<string, Method>> = {
  pm_card_visa: {},
  pm_card_visa_debit: {},
  pm_card_mastercard: {},
  pm_card_mastercard_debit: {},
  pm_card_mastercard_prepaid: {},
  pm_card_amex: {},
  pm_card_discover: {},
  pm_card_diners: {},
  pm_card_jcb: {},
  pm_card_unionpay: {},
  pm_card_us: {},
  pm_card_bypassPending: {},
  pm_card_visa_chargeDeclined: declined('generic_decline'),
  pm_card_chargeDeclined: declined('generic_decline'),
  pm_card_visa_chargeDeclinedInsufficientFunds: declined('insufficient_funds'),
  pm_card_visa_chargeDeclinedLostCard: declined('lost_card', 'do_not_try_again'),
  pm_card_visa_chargeDeclinedStolenCard: declined('stolen_card', 'do_not_try_again'),
  pm_card_chargeDeclinedExpiredCard: { decline: { code: 'expired_card' } },
  pm_card_chargeDeclinedIncorrectCvc: { decline: { code: 'incorrect_cvc' } },
  pm_card_chargeDeclinedProcessingError: { decline: { code: 'processing_error' } },
  pm_card_visa_chargeDeclinedVelocityLimitExceeded: declined('card_velocity_exceeded'),
  pm_card_chargeCustomerFail: declined('generic_decline'),
  pm_card_radarBlock: declined('fraudulent', 'do_not_try_again'),
  pm_card_authenticationRequired: { three_ds: true },
  pm_card_threeDSecure2Required: { three_ds: true },
  pm_card_threeDSecureRequiredChargeDeclined: { three_ds: true, ...declined('generic_decline') },
  pm_card_pendingRefund: { refund: 'pending' },
  pm_card_refundFail: { refund: 'failed' },
  pm_card_createDispute: { dispute: true },
  // Not Stripe's: declines a payment's first attempt, and pays for its next one.
  pm_sim_declinedThenPaid: declined('try_again_later'),
  // Nor this: the code invites to another try, the advice forbids it.
  pm_sim_declinedForGood: declined('try_again_later', 'do_not_try_again'),
};

/** @throws StripeFault for a method that nobody has. */
export function findMethod(name: string): Method {
  const method = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
  if (method === undefined) throw noSuchIn('payment_method', 'PaymentMethod', name);
  return method;
}

const TOKEN = 'payment_method_data[card][token]';

/**
 * Which method a request names: itself, or by the token that one is made of. Each `pm_card_…` has
 * a token of the same name, `tok_…`. Null for none.
 * @throws StripeFault for one that nobody has.
 */
export function readMethod(form: Form): string | null {
  const token = textOf(formOf(formOf(form, 'payment_method_data'), 'card'), 'token');
  if (token !== null) {
    const name = token.replace(/^tok_/, 'pm_card_');
    if (name === token || !Object.hasOwn(METHODS, name)) throw noSuchIn(TOKEN, 'token', token);
    return name;
  }
  const name = textOf(form, 'payment_method');
  if (name !== null) findMethod(name);
  return name;
}
