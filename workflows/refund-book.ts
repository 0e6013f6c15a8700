import { setCurrentDetails } from '@temporalio/workflow';
import type {
  RefundInput,
  RefundRecordRequest,
  RefundRecordResult,
  RefundReviewReason,
} from '../domain/refund.ts';
import type { RefundStatus } from '../domain/refund-states.ts';
import { recordRefund } from './proxies.ts';

type Entry = Pick<RefundRecordRequest, 'key' | 'action' | 'cause'> &
  Partial<Omit<RefundRecordRequest, 'refundId' | 'paymentId'>>;

/** What the workflow knows of its refund, and its pen. */
export type RefundBook = {
  status(): RefundStatus;
  providerRefundId(): string | null;
  /** As a payment's. */
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

/** @param status where the refund stands when the workflow takes it up, and why in review. */
export function openRefundBook(
  input: RefundInput,
  status: RefundStatus,
  review: RefundReviewReason | null = null,
): RefundBook {
  const { refundId, paymentId } = input;
  let current = status;
  let knownId: string | null = null;
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
      const isInReview = current === 'needs_review';
      reviewReason = isInReview ? (request.reviewReason ?? reviewReason) : null;
      const { cause, waitingFor } = request;
      setCurrentDetails(
        `**${current}** — ${cause}${waitingFor ? `\n\nWaits for: ${waitingFor}` : ''}`,
      );
      return result;
    },
  };
}
