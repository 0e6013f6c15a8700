import type { ProviderEvent } from './provider.ts';

/** A verified callback, as it is kept. The raw body may hold personal data, so it is sealed. */
export type SealedWebhookEvent = {
  readonly id: string;
  readonly provider: string;
  readonly eventKey: string;
  readonly status: 'received' | 'parked';
  readonly workflowId: string | null;
  readonly event: ProviderEvent | null;
  /** The sealed body in base64: it may travel through Temporal while the database is away. */
  readonly bodyCipher: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly verifiedBy: string;
  readonly remoteAddress: string | null;
  readonly error: string | null;
};

/** A callback on its way to a workflow. */
export type DeliveredEvent = {
  readonly eventId: string;
  readonly event: ProviderEvent;
  /** Set when the database was away at delivery: the workflow sees to it that it is kept. */
  readonly unstored: SealedWebhookEvent | null;
};
