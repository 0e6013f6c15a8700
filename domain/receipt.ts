/** What a provider is asked for where a refund is made by a receipt that nobody told yet. */
export type ReceiptRequest = {
  readonly providerPaymentId: string | null;
  /** Where the answer goes, by the channel of the provider's refund webhooks. */
  readonly callbackUrls: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
};

/** What the answer has to be about, so that it is not believed of other money. */
export type ReceiptQuestion = {
  /** What the provider calls the payment's own request. */
  readonly conversation: string;
  /** The numbers at which the money may have come in. */
  readonly receivers: readonly string[];
};

/** `asked`: the answer comes by a webhook of the refund. The others are definite. */
export type ReceiptAnswer =
  | { readonly kind: 'asked'; readonly question: ReceiptQuestion }
  | {
      readonly kind: 'unknown' | 'misconfigured';
      readonly providerCode: string | null;
      readonly message: string;
    };

/** A provider's later word about a receipt; what it does not tell is null. */
export type ReceiptEvent = {
  readonly kind: 'receipt';
  /** Null when the provider knows of no completed payment. */
  readonly receipt: string | null;
  readonly amountMinor: number | null;
  readonly conversation: string | null;
  readonly receiver: string | null;
  readonly providerCode: string | null;
  readonly message: string;
  /** The provider refused our configuration: only a person can mend that. */
  readonly isMisconfigured?: true;
};

/**
 * Why the told receipt must not be used; null when it is the payment's. A wrong one would give back
 * somebody else's money, so an amount has to be told, and all else that is told has to agree.
 */
export function receiptMismatch(
  event: ReceiptEvent,
  question: ReceiptQuestion,
  capturedMinor: number,
): string | null {
  const { receipt, amountMinor, conversation, receiver } = event;
  if (receipt === null) return event.message;
  if (amountMinor !== capturedMinor) return 'what the provider told is about another amount';
  if (conversation !== null && conversation !== question.conversation) {
    return 'what the provider told is about another payment';
  }
  const isOurs = receiver === null || question.receivers.includes(receiver);
  return isOurs ? null : 'what the provider told went to another receiver';
}
