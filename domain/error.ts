import { cleanText } from './text.ts';

/** Closed sets of what can go wrong, and who can do something about it. */

/** Who can do something about a failed payment; `later`: the same, after a while. */
export const WHO_CAN_ACT = ['payer', 'merchant', 'later', 'nobody'] as const;
export type WhoCanAct = (typeof WHO_CAN_ACT)[number];

/**
 * Why a payment failed, in our words. The provider's own code is kept beside it. `who` holds where
 * the policy has no rule of its own.
 */
export const FAILURES = {
  // table
  insufficient_funds: { who: 'payer', text: 'The payer does not have enough money.' },
  wrong_pin: { who: 'payer', text: 'The payer entered a wrong PIN.' },
  payer_canceled: { who: 'payer', text: 'The payer canceled the prompt.' },
  prompt_expired: { who: 'payer', text: 'The payer did not answer the prompt in time.' },
  payer_unreachable: { who: 'payer', text: 'The phone could not be reached or did not answer.' },
  payer_busy: { who: 'later', text: 'Another transaction of this payer is in progress.' },
  payer_limit: { who: 'later', text: 'A limit of the payer’s account stands in the way.' },
  amount_refused: { who: 'merchant', text: 'The provider does not take this amount.' },
  repeated_too_soon: { who: 'later', text: 'The same amount was asked of this payer just before.' },
  card_expired: { who: 'payer', text: 'The card has expired.' },
  card_details_wrong: { who: 'payer', text: 'The card’s details are not right.' },
  card_refused: { who: 'payer', text: 'The card’s issuer refused; another card may do.' },
  card_blocked: { who: 'nobody', text: 'The card’s issuer declined the payment.' },
  authentication_failed: { who: 'payer', text: 'The payer did not pass the authentication.' },
  return_url_missing: { who: 'merchant', text: 'The card needs 3-D Secure; send return_url.' },
  authorization_expired: { who: 'merchant', text: 'The authorization was not captured in time.' },
  declined: { who: 'nobody', text: 'The provider declined the payment.' },
  provider_unavailable: { who: 'later', text: 'The provider could not take it; no money moved.' },
  misconfigured: { who: 'merchant', text: 'The provider refused our configuration.' },
  canceled_by_merchant: { who: 'merchant', text: 'The merchant canceled the payment.' },
} as const satisfies Record<string, { who: WhoCanAct; text: string }>;

export type FailureCode = keyof typeof FAILURES;
export const FAILURE_CODES = Object.keys(FAILURES).filter(isFailureCode);

/** Whether a text from outside, such as a row, is one of ours. */
export function isFailureCode(text: string): text is FailureCode {
  return Object.hasOwn(FAILURES, text);
}

/** A definite failure: no money moved. `providerCode` and `providerMessage` are the wire's own. */
export type Failure = {
  readonly code: FailureCode;
  readonly message: string;
  readonly providerCode: string | null;
};

/** Builds a failure with our standard words, or with words that say more. */
export function failure(
  code: FailureCode,
  providerCode: string | null = null,
  message: string = FAILURES[code].text,
): Failure {
  return { code, message, providerCode };
}

/**
 * What a provider call may throw.
 * - `unsent`: proven that nothing was done; may be sent again by policy.
 * - `rate_limited`: as unsent, and the provider said to slow down.
 * - `misconfigured`: proven that nothing was done; only a person can mend it.
 * - `ambiguous`: the provider may have acted; never sent again.
 * - `not_dispatched`: our own storage was away before anything left; safe to run again.
 */
export const PROVIDER_ERROR_KINDS = [
  'unsent',
  'rate_limited',
  'misconfigured',
  'ambiguous',
  'not_dispatched',
] as const;
export type ProviderErrorKind = (typeof PROVIDER_ERROR_KINDS)[number];

/** What our own row may stop a send by: see `stoppedSend`. */
export type SendStop = 'too_late' | 'not_to_be_sent';

/** How much of a provider's message and code is kept. */
export const MESSAGE_MAX = 500;
export const CODE_MAX = 100;

export class ProviderError extends Error {
  readonly kind: ProviderErrorKind;
  readonly providerCode: string | null;
  readonly retryAfterMs: number | null;
  /** How the payment fails when this error is the last word. */
  readonly failureCode: FailureCode;

  /** @param message says what happened and how to mend it; without secrets or personal data. */
  constructor(
    kind: ProviderErrorKind,
    message: string,
    options: {
      providerCode?: string | null;
      retryAfterMs?: number | null;
      failureCode?: FailureCode | null;
    } = {},
  ) {
    super(cleanText(message, MESSAGE_MAX));
    this.name = 'ProviderError';
    this.kind = kind;
    const { providerCode = null } = options;
    this.providerCode = providerCode === null ? null : cleanText(providerCode, CODE_MAX);
    this.retryAfterMs = options.retryAfterMs ?? null;
    this.failureCode =
      options.failureCode ?? (kind === 'misconfigured' ? 'misconfigured' : 'provider_unavailable');
  }
}
