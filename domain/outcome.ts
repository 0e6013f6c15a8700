import { type Failure, failure } from './error.ts';

/** Something definite about a payment, from an answer, a look-up or a callback. */
export type Outcome = {
  readonly kind: 'succeeded' | 'authorized' | 'declined' | 'canceled';
  readonly providerPaymentId: string | null;
  readonly receipt: string | null;
  /** What the provider says it moved; null when it does not say. */
  readonly money: { readonly amountMinor: number; readonly currency: string } | null;
  readonly failure: Failure | null;
  readonly providerCode: string | null;
  /** The provider asks never to try this payer's means again: no policy opens another attempt. */
  readonly isFinal?: true;
  /** A callback named another phone than the payer's: it may be forged. */
  readonly payerMismatch?: true;
};

/** Nothing definite. `pending`: the provider is at it. `unknown`: we could not understand. */
export type Inconclusive = {
  readonly kind: 'pending' | 'unknown';
  readonly providerPaymentId: string | null;
  readonly providerCode: string | null;
  readonly message: string;
  readonly unclear?: Unclear;
};

/**
 * Why something that concludes nothing asks for more than patience. `unknown_result`: the provider
 * named a result that none of our tables has; waiting tells no more, so a person looks soon.
 * `unreadable`: a genuine callback that could not be read; it was perhaps the only one, so the
 * provider is asked soon.
 */
export type Unclear = 'unknown_result' | 'unreadable';

/** The payer has to do something elsewhere, such as 3-D Secure; the outcome comes later. */
export type ActionRequired = {
  readonly kind: 'action_required';
  readonly providerPaymentId: string | null;
  readonly providerCode: string | null;
  readonly message: string;
  readonly nextAction: NextAction;
};
export type NextAction = { readonly type: 'redirect_to_url'; readonly url: string };

export type ChargeResult = Outcome | ActionRequired | Inconclusive;
export type LookupResult = Outcome | Inconclusive;
export type ProviderEvent = Outcome | Inconclusive;

export function isOutcome(result: ChargeResult): result is Outcome {
  return result.kind in OUTCOME_EVENTS;
}

/** A payment that took nothing, by our own word and not by a result of the provider's. */
export function unpaid(kind: 'declined' | 'canceled', failure: Failure): Outcome {
  const nothing = { providerPaymentId: null, receipt: null, money: null };
  return { kind, ...nothing, failure, providerCode: failure.providerCode };
}

/** Nothing ever reached the provider, so no money moved. @param message says why. */
export function neverSent(message: string): Outcome {
  return unpaid('declined', failure('provider_unavailable', null, message));
}

/** Whether it tells of money that was taken or is held. */
export function isMoney({ kind }: Outcome): boolean {
  return kind === 'succeeded' || kind === 'authorized';
}

/** What an outcome is recorded as. */
export const OUTCOME_ACTIONS = {
  succeeded: 'payment.succeeded',
  authorized: 'payment.authorized',
  declined: 'payment.failed',
  canceled: 'payment.canceled',
} as const satisfies Record<Outcome['kind'], string>;

/** Which event of the payment table an outcome is. */
export const OUTCOME_EVENTS = {
  succeeded: 'succeeded',
  authorized: 'authorized',
  declined: 'declined',
  canceled: 'canceled',
} as const satisfies Record<Outcome['kind'], string>;
