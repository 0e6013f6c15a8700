import type { CaptureMethod } from './capture.ts';
import type { Currency, Money } from './money.ts';
import type { ChargeResult, LookupResult } from './outcome.ts';
import type { ProviderPolicy } from './policy.ts';
import type { ProviderRefund, ProviderRefundsRequest } from './provider-refund.ts';
import type { ReceiptAnswer, ReceiptRequest } from './receipt.ts';
import type { RefundLookupRequest, RefundRequest, RefundResult } from './refund.ts';
import type { Translation } from './webhook-event.ts';

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
  /** Where the provider is, by environment; none where every account has an address of its own. */
  readonly baseUrls: { readonly sandbox?: string; readonly production?: string };
  /** Where it is when the deployment's own account names no address, if that is the sandbox. */
  readonly defaultsTo?: 'sandbox';
  /** Fields of the credentials that are no secrets and may be shown. */
  readonly shownFields: readonly string[];
  /**
   * Which of the shown ones tell one account from another; none where only secrets could. Whatever
   * else changes, it is the same account with new credentials.
   */
  readonly accountFields: readonly string[];
  /**
   * True when its ids of payments hold something of the payer: inside they are sealed (ADR 0003).
   * Its ids of refunds never are.
   */
  readonly idsArePersonal?: true;
  /** Checks credentials by field. Faults name the field and how to mend it, never its value. */
  readCredentials(record: Readonly<Record<string, string>>): CredentialsReading;
  /**
   * What else is wrong with credentials that somebody gives us, in the words of readCredentials.
   * Stored ones are not held against it: payments are open with them.
   * @param environment null for the deployment's own, of which nobody says it.
   */
  refuseNew?(credentials: Credentials, environment: Environment | null): readonly string[];
  /** Opens a client; it may keep tokens and connections as long as it lives. */
  connect(credentials: Credentials): ProviderClient;
  /** Where the provider tells about payments, and about refunds when it has one address for all. */
  readonly webhook: ProviderWebhook;
  /** Addresses of their own for what becomes of refunds; none where `webhook` tells. */
  readonly refundWebhooks: readonly ProviderWebhook[];
};

/** Where an account at a provider is: live money is in production alone. */
export const ENVIRONMENTS = ['simulator', 'sandbox', 'production'] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

/** How a provider's callbacks are proven and read. */
export type ProviderWebhook = {
  /** The segment of /api/v1/webhooks/<channel>/… */
  readonly channel: string;
  /** What the provider wants to read back; always with status 200. */
  readonly acknowledgement: Readonly<Record<string, string | number | boolean>>;
  /**
   * Checks the signature over the raw bytes; absent where the token in the address is the proof.
   * Null when it is genuine, else why not.
   */
  verify?(delivery: WebhookDelivery, credentials: Credentials): string | null;
  /** Reads a verified body. The key is the same for every delivery of the same event. */
  translate(body: Uint8Array): Translation;
};
export type WebhookDelivery = {
  readonly body: Uint8Array;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly nowMs: number;
};

export type Credentials = { readonly kind: string };
export type CredentialsReading =
  | { readonly ok: true; readonly credentials: Credentials }
  | { readonly ok: false; readonly faults: readonly string[] };

export type Capabilities = {
  /**
   * How long the provider remembers our idempotency key, so that a send whose answer was lost may
   * be repeated; null when it takes none. After it the same key makes a second charge.
   */
  readonly dedupe_window_ms: number | null;
  /** True when a payment can be looked up without the provider's own id. */
  readonly looks_up_by_our_id: boolean;
  readonly callback_auth: 'token' | 'signature';
  readonly capture: boolean;
  readonly cancel: boolean;
  readonly refund: 'sync' | 'async' | 'none';
  /** How what became of a refund can be asked for: `async` answers later, by a callback. */
  readonly looks_up_refunds: 'sync' | 'async' | 'none';
  /** What of the payment a refund cannot do without. */
  readonly refund_needs: 'provider_payment_id' | 'provider_receipt';
  /** True when it can be asked for a receipt that no callback told. */
  readonly learns_receipts?: true;
  readonly amounts: Partial<Record<Currency, AmountRule>>;
  /**
   * Which parts of the request the provider cannot do without. `return_url`: its payers may have to
   * act elsewhere, and nobody can know before; null says that no payer is there (ADR 0028).
   */
  readonly needs: readonly ('phone' | 'payment_method' | 'return_url')[];
  /** Countries of the payer's phone (ISO 3166), when the provider serves only some. */
  readonly phone_countries: readonly string[];
  readonly reference_max_length: number;
};
export type AmountRule = {
  readonly min_minor: number;
  readonly max_minor: number;
  readonly step_minor: number;
};

/** Whether its charge rings the payer's phone, so that many of them would be a nuisance. */
export function ringsPhones({ needs }: Pick<Capabilities, 'needs'>): boolean {
  return needs.includes('phone');
}

/** `learn`: the provider can be asked for it first. `missing`: there is no way to a refund. */
export type ReceiptNeed = 'met' | 'learn' | 'missing';

/** Whether a refund can be made with what is known of the payment's receipt. */
export function receiptNeedOf(
  { refund_needs, learns_receipts }: Pick<Capabilities, 'refund_needs' | 'learns_receipts'>,
  receipt: string | null,
): ReceiptNeed {
  if (refund_needs !== 'provider_receipt' || receipt !== null) return 'met';
  return learns_receipts === true ? 'learn' : 'missing';
}

export type Customer = {
  readonly phone: string | null;
  readonly email: string | null;
  readonly name: string | null;
};

export type ChargeRequest = {
  /** See `attemptReference`; for providers that look up by our id. */
  readonly attemptRef: string;
  /** Travels in the provider's metadata, so that its events find their way back. */
  readonly workflowId: string;
  /** `workflow/ordinal/charge`, for providers that deduplicate by our id. */
  readonly idempotencyKey: string;
  readonly amount: Money;
  readonly captureMethod: CaptureMethod;
  /** Where the payer's browser comes back to after an action; null where no payer is there. */
  readonly returnUrl: string | null;
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
  readonly dispatch: () => Promise<void>;
  readonly signal: AbortSignal;
};

/** `providerPaymentId` may be null only for providers that look up by our id. */
export type LookupRequest = {
  readonly providerPaymentId: string | null;
  readonly attemptRef: string;
  readonly timeoutMs: number;
};
export type CancelRequest = {
  readonly providerPaymentId: string;
  /** `workflow/ordinal/cancel` */
  readonly idempotencyKey: string;
  readonly timeoutMs: number;
};
export type CaptureRequest = {
  readonly providerPaymentId: string;
  /** `workflow/ordinal/capture` */
  readonly idempotencyKey: string;
  readonly amount: Money;
  readonly timeoutMs: number;
};

export type ProviderClient = {
  /** Throws ProviderError; see its kinds. */
  charge(request: ChargeRequest, context: ChargeContext): Promise<ChargeResult>;
  /** Throws ProviderError when no answer could be had: that is not "pending". */
  lookup(request: LookupRequest, signal: AbortSignal): Promise<LookupResult>;
  /**
   * Takes an authorized payment, in part or whole; what is left is let go. A result is about the
   * payment: `succeeded` with the money taken, or what else stands in the way of it.
   */
  capture?(request: CaptureRequest, signal: AbortSignal): Promise<LookupResult>;
  /**
   * Ends what was not yet paid. The result is about the payment: `canceled`, or `succeeded` when
   * the payer was faster.
   */
  cancel?(request: CancelRequest, signal: AbortSignal): Promise<LookupResult>;
  /** `context.dispatch` as with `charge`. Throws ProviderError. */
  refund?(request: RefundRequest, context: ChargeContext): Promise<RefundResult>;
  lookupRefund?(request: RefundLookupRequest, signal: AbortSignal): Promise<RefundResult>;
  /** The refunds of a payment that were not made by us. Throws ProviderError when not heard. */
  listProviderRefunds?(
    request: ProviderRefundsRequest,
    signal: AbortSignal,
  ): Promise<readonly ProviderRefund[]>;
  /** Asks which receipt a payment has, and moves nothing. Throws ProviderError when not heard. */
  learnReceipt?(request: ReceiptRequest, signal: AbortSignal): Promise<ReceiptAnswer>;
  close(): Promise<void>;
};
