/**
 * What became of money that was not asked for: given back at the provider, or kept because it is
 * the payment's after all.
 */
export const UNMATCHED_RECEIPT_STATUSES = ['open', 'given_back', 'kept'] as const;
export type UnmatchedReceiptStatus = (typeof UNMATCHED_RECEIPT_STATUSES)[number];
export type UnmatchedReceiptResolution = Exclude<UnmatchedReceiptStatus, 'open'>;

/** How an operator may close one. */
export const UNMATCHED_RECEIPT_RESOLUTIONS = [
  'given_back',
  'kept',
] as const satisfies UnmatchedReceiptResolution[];

/** What a callback says about it. `authorized`: the money is held, not taken. */
export type UnmatchedReceiptReport = {
  readonly kind: 'succeeded' | 'authorized';
  readonly providerPaymentId: string;
  readonly receipt: string | null;
  /** Null when the provider does not say. */
  readonly money: { readonly amountMinor: number; readonly currency: string } | null;
};

/**
 * Money that a provider holds or took for a payment under another of its ids than the payment's
 * own: an attempt that was thought to have failed, or a charge that nobody knows of. The payer may
 * have paid twice, so it stays open until an operator says what became of it.
 */
export type UnmatchedReceipt = UnmatchedReceiptReport & {
  readonly provider: string;
  /** The callback that told it. */
  readonly eventId: string;
  readonly status: UnmatchedReceiptStatus;
};

/** Adds what is said now; about the same charge the newer word counts while it is open. */
export function addUnmatchedReceipt(
  known: readonly UnmatchedReceipt[],
  said: UnmatchedReceipt,
): readonly UnmatchedReceipt[] {
  const isSame = (it: UnmatchedReceipt) => it.providerPaymentId === said.providerPaymentId;
  if (!known.some(isSame)) return [...known, said];
  return known.map((it) => (isSame(it) && it.status === 'open' ? said : it));
}
