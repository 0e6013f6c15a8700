import type { Dispute } from './dispute.ts';
import type { Inconclusive, ProviderEvent } from './outcome.ts';
import type { ProviderRefund } from './provider-refund.ts';
import type { RefundInconclusive, RefundNews } from './refund.ts';

/**
 * What a callback says. `workflowId` is the one our request put into the provider's metadata;
 * absent where the address names it.
 */
export type Translation = Told & {
  /** The version of the provider's API that it is written in, where that is not the one we read. */
  readonly otherVersion?: string;
};

type Told =
  | {
      readonly kind: 'event';
      readonly eventKey: string;
      readonly event: ProviderEvent;
      readonly workflowId?: string;
      /** Whose phone it names, in clear or masked: compared where it is read, and kept nowhere. */
      readonly payerPhone?: string;
    }
  | {
      readonly kind: 'refund_event';
      readonly eventKey: string;
      readonly event: RefundNews;
      readonly workflowId?: string;
    }
  | { readonly kind: 'dispute'; readonly eventKey: string; readonly dispute: Dispute }
  | {
      readonly kind: 'provider_refund';
      readonly eventKey: string;
      readonly refund: ProviderRefund;
    }
  /** Genuine, and nothing to us: kept, and no more. */
  | { readonly kind: 'ignored'; readonly eventKey: string; readonly reason: string }
  /** `workflowId` where at least its metadata could be read. */
  | { readonly kind: 'malformed'; readonly reason: string; readonly workflowId?: string };

/** A verified callback, as it is kept. The raw body may hold personal data, so it is sealed. */
export type SealedWebhookEvent = {
  readonly id: string;
  readonly provider: string;
  /**
   * Whose signature proved it, as a credentials reference without its version; null where a token
   * in the address did.
   */
  readonly account: string | null;
  readonly eventKey: string;
  readonly status: 'received' | 'parked' | 'applied';
  readonly workflowId: string | null;
  readonly event: StoredEvent | null;
  /** The sealed body in base64: it may travel through Temporal while the database is away. */
  readonly bodyCipher: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly verifiedBy: string;
  readonly remoteAddress: string | null;
  readonly error: string | null;
};
export type StoredEvent = ProviderEvent | RefundNews | AccountEvent;

/** What names no workflow of ours: its payment is found by the provider's id of it. */
export type AccountEvent =
  | (Dispute & { readonly kind: 'dispute' })
  | { readonly kind: 'provider_refund'; readonly refund: ProviderRefund };

/** What a genuine callback that nobody can read is to the workflow that it was sent to. */
export function unreadableEvent(
  workflowId: string,
  reason: string,
): Inconclusive | RefundInconclusive {
  const told = {
    kind: 'unknown',
    providerCode: null,
    message: `the callback could not be read: ${reason}`,
    unclear: 'unreadable',
  } as const;
  return workflowId.startsWith('refund-')
    ? { ...told, providerRefundId: null }
    : { ...told, providerPaymentId: null };
}

export function isUnreadable(
  event: StoredEvent | null,
): event is Inconclusive | RefundInconclusive {
  return event?.kind === 'unknown' && event.unclear === 'unreadable';
}

export function isRefundEvent(event: StoredEvent): event is RefundNews {
  return 'providerRefundId' in event || event.kind === 'receipt';
}

export function isAccountEvent(event: StoredEvent): event is AccountEvent {
  return event.kind === 'dispute' || event.kind === 'provider_refund';
}

/**
 * The id under which a callback is told to a workflow. What was told once is neither heard nor
 * written down again, so each replay has an id of its own.
 */
export function deliveryIdOf(stored: {
  readonly id: string;
  readonly replay_count: number;
}): string {
  return stored.replay_count === 0 ? stored.id : `${stored.id}.${stored.replay_count}`;
}

/** The stored callback's id in it. */
export function eventIdOf(deliveryId: string): string {
  return deliveryId.split('.')[0] ?? deliveryId;
}

/** A callback on its way to a workflow. */
export type Delivered<E> = {
  readonly eventId: string;
  readonly event: E;
  /** Set when the database was away at delivery: the workflow sees to it that it is kept. */
  readonly unstored: SealedWebhookEvent | null;
};
export type DeliveredEvent = Delivered<ProviderEvent>;
export type DeliveredRefundEvent = Delivered<RefundNews>;
