import { log } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { type Reattempt, recordReattempt } from '../db/dispatch.ts';
import { MissingRow } from '../db/missing-row.ts';
import { record } from '../db/record.ts';
import { recordRefund } from '../db/record-refund.ts';
import { restorePayment } from '../db/restore.ts';
import { restoreRefund } from '../db/restore-refund.ts';
import { insertWebhookEvent } from '../db/webhook-events.ts';
import type { RecordRequest, RecordResult, Route } from '../domain/payment.ts';
import type { RefundRecordRequest, RefundRecordResult } from '../domain/refund.ts';
import type {
  RestoredPayment,
  RestoredRefund,
  RestorePaymentRequest,
  RestoreRefundRequest,
} from '../domain/restore.ts';
import type { SealedWebhookEvent } from '../domain/webhook-event.ts';
import type { ActivityDeps } from './deps.ts';
import { countMissing, countRefusal } from './metrics.ts';

/**
 * The workflows' pen. What it throws holds no row and no query: see ADR 0003. What the tables
 * refuse stands in the trail, and somebody should look: it is logged and counted.
 */
export function createRecord({ pool }: Pick<ActivityDeps, 'pool'>) {
  return {
    async record(request: RecordRequest): Promise<RecordResult> {
      const result = await record(pool, request).catch(throwInOurWords);
      if (result.refused) tellRefusal('payment', request, result.status);
      return result;
    },

    async recordRefund(request: RefundRecordRequest): Promise<RefundRecordResult> {
      const result = await recordRefund(pool, request).catch(throwInOurWords);
      if (result.refused) tellRefusal('refund', request, result.status);
      return result;
    },

    /** Opens the next attempt of a payment. Results of earlier versions hold its id alone. */
    async recordReattempt(
      request: RecordRequest & { readonly route: Route },
    ): Promise<Pick<Reattempt, 'attemptId'> & Partial<Reattempt>> {
      const reattempt = await recordReattempt(pool, request).catch(throwInOurWords);
      if (!reattempt.isOpened) tellRefusal('payment', request, reattempt.status);
      return reattempt;
    },

    /** Finds or builds the row that a run goes on with; null while it cannot. */
    async restorePayment(request: RestorePaymentRequest): Promise<RestoredPayment | null> {
      const restored = await restorePayment(pool, request).catch(throwInOurWords);
      tellMissing('payment', request.paymentId, restored?.paymentId ?? null);
      return restored;
    },

    /** The same for a refund. */
    async restoreRefund(request: RestoreRefundRequest): Promise<RestoredRefund | null> {
      const restored = await restoreRefund(pool, request).catch(throwInOurWords);
      tellMissing('refund', request.refundId, restored?.refundId ?? null);
      return restored;
    },

    /** Keeps a callback that arrived while the database was away. */
    async keepEvent(event: SealedWebhookEvent): Promise<void> {
      await insertWebhookEvent(pool, event).catch(throwInOurWords);
    },
  };
}

type Asked = {
  readonly paymentId: string;
  readonly refundId?: string;
  readonly event: string | null;
  readonly action: string;
};

function tellRefusal(
  of: 'payment' | 'refund',
  { paymentId, refundId, event, action }: Asked,
  from: string,
): void {
  const refused = event ?? action;
  countRefusal({ of, from, event: refused });
  log.warn(`a change of a ${of} is refused`, { paymentId, refundId, from, refused });
}

/** Somebody put the database back: whoever runs it should look what else is gone. */
function tellMissing(of: 'payment' | 'refund', id: string, foundId: string | null): void {
  const goesOn = foundId === null ? 'waits' : foundId === id ? 'rebuilt' : 'adopted';
  countMissing({ of, goes_on: goesOn });
  log.error(`the row of a ${of} is gone from the database`, { id, foundId, goesOn });
}

/** PostgreSQL and its driver quote whole rows; a constraint's name and a kind of error are ours. */
function throwInOurWords(error: unknown): never {
  if (error instanceof MissingRow) {
    throw ApplicationFailure.nonRetryable(`its row is gone`, `${error.of}_missing`);
  }
  const kind = error instanceof Error ? error.constructor.name : typeof error;
  const constraint = constraintOf(error);
  throw ApplicationFailure.create({
    type: 'not_written',
    message:
      constraint === null
        ? `it could not be written down: ${kind}`
        : `it could not be written down: the constraint ${constraint} refuses it`,
    nonRetryable: false,
  });
}

function constraintOf(error: unknown): string | null {
  if (typeof error !== 'object' || error === null || !('constraint' in error)) return null;
  return typeof error.constraint === 'string' ? error.constraint : null;
}
