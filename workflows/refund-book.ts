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
import { recordRefund, restoreRefund } from './proxies.ts';
import { untilWritten } from './row.ts';
import { openNumbers } from './run-memory.ts';
import { openUnclearNotes, type UnclearNotes } from './unclear.ts';

type Entry = Pick<RefundRecordRequest, 'key' | 'action' | 'cause'> &
  Partial<Omit<RefundRecordRequest, 'refundId' | 'paymentId'>>;

/** What the workflow knows of its refund, and its pen. */
export type RefundBook = {
  status(): RefundStatus;
  providerRefundId(): string | null;
  /** Why it is in review; null when it is not, or when that is not known. */
  reviewReason(): RefundReviewReason | null;
  /** As a payment's: a refund, too, may come to review again in the same run. */
  numbered(key: string): string;
  /** What messages without a consequence said so far: the same again gets no entry. */
  readonly noted: Set<string>;
  /** What came and concluded nothing, as far as it asks for more than patience. */
  readonly unclear: UnclearNotes;
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
  let { refundId, paymentId } = input;
  let current = status;
  let knownId = providerRefundId;
  let reviewReason = review;
  /** As in `openRow`: another row has other ids. */
  const restore = async () => {
    const { merchantId, workflowId, credentialsRef, amountMinor, currency } = input;
    const known = { merchantId, workflowId, credentialsRef, amountMinor, currency };
    const ids = { refundId, paymentId, providerRefundId: knownId };
    const restored = await restoreRefund({ ...known, ...ids });
    if (restored !== null) ({ refundId, paymentId } = restored);
    return restored !== null;
  };
  return {
    status: () => current,
    providerRefundId: () => knownId,
    reviewReason: () => reviewReason,
    numbered: openNumbers(),
    noted: new Set(),
    unclear: openUnclearNotes(),
    async write(entry) {
      const request = { ...BLANK, ...entry };
      knownId ??= request.providerRefundId ?? request.outcome?.providerRefundId ?? null;
      const result = await untilWritten(() => {
        const key = `${refundId}/${entry.key}`;
        return recordRefund({ ...request, key, refundId, paymentId });
      }, restore);
      current = result.status;
      if (result.mayBeAtProvider === true) return result;
      const told = result.reviewReason ?? request.reviewReason;
      reviewReason = reasonAfter(current, told, reviewReason);
      if (request.isSilent === true) return result;
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
    Pick<RefundRecordRequest, 'webhook' | 'provenUnsent'> & { readonly failure: RefundFailure },
): Promise<RefundRecordResult> {
  const { failure, ...told } = failed;
  return await book.write({
    ...told,
    action: 'refund.settled',
    actor: told.webhook === null ? 'workflow' : 'provider',
    event: 'failed',
    outcome: refundFailed(failure),
  });
}
