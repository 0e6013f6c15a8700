import type { Failure } from './error.ts';
import type { Currency, Money } from './money.ts';
import type { ProviderPolicy } from './policy.ts';

/**
 * What a provider is. One folder under providers/ builds one of these and providers/index.ts lists
 * it; everything else (API enum, validation, queues, policies, simulator) derives from the list.
 * An absent method means the provider cannot do it.
 */
export type Provider = {
  readonly name: string;
  readonly capabilities: Capabilities;
  /** The defaults; config/policies.yaml and overlays are laid over them. */
  readonly policy: ProviderPolicy;
  /** Checks credentials by field. Faults name the field and how to mend it, never its value. */
  readCredentials(record: Readonly<Record<string, string>>): CredentialsReading;
  /** Opens a client; it may keep tokens and connections as long as it lives. */
  connect(credentials: Credentials): ProviderClient;
  readonly webhook: ProviderWebhook;
};

export type Credentials = { readonly kind: string };
export type CredentialsReading =
  | { readonly ok: true; readonly credentials: Credentials }
  | { readonly ok: false; readonly faults: readonly string[] };

export type Capabilities = {
  /** True when the provider takes our idempotency key, so that a charge may be sent again. */
  readonly dedupes_by_our_id: boolean;
  /** True when a payment can be looked up without the provider's own id. */
  readonly looks_up_by_our_id: boolean;
  readonly callback_auth: 'token' | 'signature';
  readonly capture: boolean;
  readonly cancel: boolean;
  readonly refund: 'sync' | 'async' | 'none';
  readonly amounts: Partial<Record<Currency, AmountRule>>;
  /** Which parts of the request the provider cannot do without. */
  readonly needs: readonly ('phone' | 'payment_method')[];
  /** Countries of the payer's phone (ISO 3166), when the provider serves only some. */
  readonly phone_countries: readonly string[];
  readonly reference_max_length: number;
};
export type AmountRule = {
  readonly min_minor: number;
  readonly max_minor: number;
  readonly step_minor: number;
};

export type Customer = {
  readonly phone: string | null;
  readonly email: string | null;
  readonly name: string | null;
};

export type ChargeRequest = {
  readonly paymentId: string;
  readonly attemptId: string;
  /** `payment/attempt/step`, for providers that deduplicate by our id. */
  readonly idempotencyKey: string;
  readonly amount: Money;
  readonly reference: string;
  readonly description: string;
  readonly customer: Customer;
  readonly paymentMethod: string | null;
  readonly callbackUrl: string;
  readonly timeoutMs: number;
};

export type ChargeContext = {
  /**
   * To be awaited right before the first byte that may move money leaves, after tokens and
   * everything else is at hand. Writes the dispatch down; refuses when it was written before.
   */
  dispatch(): Promise<void>;
  readonly signal: AbortSignal;
};

/** Something definite about a payment, from an answer, a look-up or a callback. */
export type Outcome = {
  readonly kind: 'succeeded' | 'authorized' | 'declined' | 'canceled';
  readonly providerPaymentId: string | null;
  readonly receipt: string | null;
  /** What the provider says it moved; null when it does not say. */
  readonly money: { readonly amountMinor: number; readonly currency: string } | null;
  readonly failure: Failure | null;
  readonly providerCode: string | null;
};

/** Nothing definite. `pending`: the provider is at it. `unknown`: we could not understand. */
export type Inconclusive = {
  readonly kind: 'pending' | 'unknown';
  readonly providerPaymentId: string | null;
  readonly providerCode: string | null;
  readonly message: string;
};

export type ChargeResult = Outcome | Inconclusive;
export type LookupResult = Outcome | Inconclusive;
export type ProviderEvent = Outcome | Inconclusive;

export type LookupRequest = { readonly providerPaymentId: string; readonly timeoutMs: number };

export type ProviderClient = {
  /** Throws ProviderError; see its kinds. */
  charge(request: ChargeRequest, context: ChargeContext): Promise<ChargeResult>;
  /** Throws ProviderError when no answer could be had: that is not "pending". */
  lookup(request: LookupRequest, signal: AbortSignal): Promise<LookupResult>;
  /** Cancels what was not yet paid; absent where the provider has no such call. */
  cancel?(request: LookupRequest, signal: AbortSignal): Promise<LookupResult>;
  close(): Promise<void>;
};

export type ProviderWebhook = {
  /** The segment of /api/v1/webhooks/<channel>/<token>. */
  readonly channel: string;
  /** What the provider wants to read back; always with status 200. */
  readonly acknowledgement: Readonly<Record<string, string | number>>;
  /** Reads a verified body. The key is the same for every delivery of the same event. */
  translate(body: Uint8Array): Translation;
};
export type Translation =
  | { readonly kind: 'event'; readonly eventKey: string; readonly event: ProviderEvent }
  | { readonly kind: 'malformed'; readonly reason: string };

export function isOutcome(result: ChargeResult): result is Outcome {
  return result.kind in OUTCOME_EVENTS;
}

/** Which event of the payment table an outcome is. */
export const OUTCOME_EVENTS = {
  succeeded: 'succeeded',
  authorized: 'authorized',
  declined: 'declined',
  canceled: 'canceled',
} as const satisfies Record<Outcome['kind'], string>;

/**
 * Why an outcome cannot be believed for this money; null when it can. An outcome that names no
 * money is believed: M-Pesa's status query tells none.
 */
export function mismatchOf(outcome: Outcome, expected: Money): 'amount' | 'currency' | null {
  if (outcome.money === null) return null;
  if (outcome.money.currency !== expected.currency) return 'currency';
  return outcome.money.amountMinor === expected.amountMinor ? null : 'amount';
}
