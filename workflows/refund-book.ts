import { setCurrentDetails } from '@temporalio/workflow';
import {
  type RefundFailure,
  type RefundInput,
  type RefundRecordRequest,
  type RefundRecordResult,
  type RefundReviewReason,
  refundFailed,
} from '../domain/refund.ts';
import type { RefundStatus } from '../domain/refund-states.ts';
import { reasonAfter } from '../domain/review.ts';
import { recordRefund } from './proxies.ts';

type Entry = Pick<RefundRecordRequest, 'key' | 'action' | 'cause'> &
  Partial<Omit<RefundRecordRequest, 'refundId' | 'paymentId'>>;

/** What the workflow knows of its refund, and its pen. */
export type RefundBook = {
  status(): RefundStatus;
  providerRefundId(): string | null;
  /** Why it is in review; null when it is not, or when that is not known. */
  reviewReason(): RefundReviewReason | null;
  write(entry: Entry): Promise<RefundRecordResult>;
};

const BLANK = {
  actor: 'workflow',
  event: null,
  outcome: null,
  providerRefundId: null,
  reviewReason: null,
  waitingFor: null,
  waitMs: null,
  webhook: null,
} as const;

/**
 * @param status where the refund stands when the workflow takes it up, and why in review.
 * @param providerRefundId the provider's id of it, where that is known then.
 */
export function openRefundBook(
  input: RefundInput,
  status: RefundStatus,
  review: RefundReviewReason | null = null,
  providerRefundId: string | null = null,
): RefundBook {
  const { refundId, paymentId } = input;
  let current = status;
  let knownId = providerRefundId;
  let reviewReason = review;
  return {
    status: () => current,
    providerRefundId: () => knownId,
    reviewReason: () => reviewReason,
    async write(entry) {
      const key = `${refundId}/${entry.key}`;
      const request: RefundRecordRequest = { ...BLANK, ...entry, key, refundId, paymentId };
      knownId ??= request.providerRefundId ?? request.outcome?.providerRefundId ?? null;
      const result = await recordRefund(request);
      current = result.status;
      const told = result.reviewReason ?? request.reviewReason;
      reviewReason = reasonAfter(current, told, reviewReason);
      const { cause, waitingFor } = request;
      setCurrentDetails(
        `**${current}** — ${cause}${waitingFor ? `\n\nWaits for: ${waitingFor}` : ''}`,
      );
      return result;
    },
  };
}

/** Ends a refund that gave nothing back. `webhook`: the callback that told so, where one did. */
export async function failRefund(
  book: RefundBook,
  failed: Pick<Entry, 'key' | 'cause'> &
    Pick<RefundRecordRequest, 'webhook'> & { readonly failure: RefundFailure },
): Promise<void> {
  const { failure, ...told } = failed;
  await book.write({
    ...told,
    action: 'refund.settled',
    actor: told.webhook === null ? 'workflow' : 'provider',
    event: 'failed',
    outcome: refundFailed(failure),
  });
}
