import { randomBytes } from 'node:crypto';
import { invalidRequest, missing, noSuchIn } from './errors.ts';
import { type Form, formOf, textOf } from './form.ts';
import type { Ledger, PaymentMethod } from './ledger.ts';

/** What a test payment method does (docs.stripe.com/testing). */
export type Method = {
  readonly decline?: Decline;
  /** Asks for 3-D Secure first; with `decline` the card declines after it. */
  readonly three_ds?: true;
  readonly refund?: 'pending' | 'failed';
  readonly dispute?: true;
};

/** Why a card was declined, as Stripe's error tells it (docs.stripe.com/declines). */
export type Decline = {
  readonly code: string;
  readonly message: string;
  readonly decline_code: string;
  readonly advice_code?: string;
  readonly param?: string;
};

const MESSAGES: Readonly<Record<string, string>> = {
  insufficient_funds: 'Your card has insufficient funds.',
  card_velocity_exceeded:
    'Your card was declined for making repeated attempts too frequently or exceeding its amount limit.',
};

const declined = (decline_code: string, advice_code = 'try_again_later'): Method => {
  const message = MESSAGES[decline_code] ?? 'Your card was declined.';
  return { decline: { code: 'card_declined', message, decline_code, advice_code } };
};
/** Some reasons are a code of their own, which stands in both places. */
const refused = (code: string, message: string, param?: string): Method => {
  return { decline: { code, message, decline_code: code, ...(param ? { param } : {}) } };
};

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
  pm_card_chargeDeclinedExpiredCard: refused('expired_card', 'Your card has expired.', 'exp_month'),
  pm_card_chargeDeclinedIncorrectCvc: refused(
    'incorrect_cvc',
    "Your card's security code is incorrect.",
    'cvc',
  ),
  pm_card_chargeDeclinedProcessingError: refused(
    'processing_error',
    'An error occurred while processing your card. Try again in a little bit.',
  ),
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

/** One that was made of a token does what the test method of the token's name does. */
export function findMethod({ methods }: Pick<Ledger, 'methods'>, id: string): Method {
  const name = methods.get(id)?.does ?? id;
  const method = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
  if (method === undefined) throw noSuchIn('payment_method', 'PaymentMethod', id);
  return method;
}

/**
 * Which method a request names; null for none.
 * @throws StripeFault for one that nobody has, and for a token, which is no PaymentMethod.
 */
export function readMethod(ledger: Pick<Ledger, 'methods'>, form: Form): string | null {
  const id = textOf(form, 'payment_method');
  if (id?.startsWith('tok_')) {
    const message =
      'A token may not be passed in as a PaymentMethod. Instead, create a PaymentMethod or convert your token to a PaymentMethod by setting the `card[token]` parameter.';
    throw invalidRequest(null, message, 'payment_method');
  }
  if (id !== null) findMethod(ledger, id);
  return id;
}

/**
 * A PaymentMethod made of a token. Each `pm_card_…` has a token of the same name, `tok_…`, and as
 * Stripe's own test tokens it is never used up.
 */
export function createMethod(ledger: Ledger, form: Form): object {
  if (textOf(form, 'type') === null) throw missing('type');
  const token = textOf(formOf(form, 'card'), 'token');
  if (token === null) throw missing('card');
  const does = token.replace(/^tok_/, 'pm_card_');
  if (does === token || !Object.hasOwn(METHODS, does)) {
    throw noSuchIn('card[token]', 'token', token);
  }
  const method: PaymentMethod = {
    id: `pm_${randomBytes(12).toString('hex')}`,
    object: 'payment_method',
    type: 'card',
    does,
    created: Math.floor(Date.now() / 1000),
    livemode: false,
    metadata: {},
  };
  ledger.write({ kind: 'method', method });
  return showMethod(method);
}

function showMethod({ does, ...shown }: PaymentMethod): object {
  const [brand = 'visa'] = does.replace('pm_card_', '').split('_');
  return { ...shown, customer: null, card: { brand } };
}
