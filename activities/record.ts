import { activityInfo, log } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { type Reattempt, recordReattempt } from '../db/dispatch.ts';
import { MissingRow } from '../db/missing-row.ts';
import { record } from '../db/record.ts';
import { recordRefund } from '../db/record-refund.ts';
import { restorePayment } from '../db/restore.ts';
import { restoreRefund } from '../db/restore-refund.ts';
import { isDatabaseUnavailable, isDataFault, sqlStateOf } from '../db/unavailable.ts';
import { insertUnreadEvent, insertWebhookEvent } from '../db/webhook-events.ts';
import type { Route } from '../domain/payment.ts';
import type { RecordRequest, RecordResult } from '../domain/payment-record.ts';
import type { RefundRecordRequest, RefundRecordResult } from '../domain/refund.ts';
import type {
  RestoredPayment,
  RestoredRefund,
  RestorePaymentRequest,
  RestoreRefundRequest,
} from '../domain/restore.ts';
import type { SealedWebhookEvent } from '../domain/webhook-event.ts';
import type { ActivityDeps } from './deps.ts';
import { countMissing, countRefusal, countUnstoredCallback } from './metrics.ts';

type ReattemptRequest = RecordRequest & { readonly route: Omit<Route, 'can'> };

/** Of a row that no waiting mends: a person has to. */
const STORE_PAUSE_MAX_MS = 5 * 60_000;

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

    /** Opens the next attempt of a payment. */
    async recordReattempt(request: ReattemptRequest): Promise<Reattempt> {
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

    /**
     * Stores a callback that came while the database could not store it. A row that the database
     * refuses as it is, is parked with its bytes alone, where operators look.
     */
    async storeWebhookEvent(event: SealedWebhookEvent): Promise<void> {
      try {
        await insertWebhookEvent(pool, event).catch(async (error: unknown) => {
          if (!isDataFault(error)) throw error;
          await insertUnreadEvent(pool, event, wordsOf(error));
        });
      } catch (error) {
        throw tellUnstored(event, error);
      }
    },
  };
}

/** It is held by Temporal meanwhile, and tried again: soon where time mends it, else ever later. */
function tellUnstored({ id, provider }: SealedWebhookEvent, error: unknown): ApplicationFailure {
  const reason = wordsOf(error);
  countUnstoredCallback(provider);
  log.warn('a callback is not stored yet', { eventId: id, provider, reason });
  if (isDatabaseUnavailable(error)) return notWritten(reason);
  const pauseMs = 1_000 * 2 ** Math.min(activityInfo().attempt, 16);
  return notWritten(reason, Math.min(pauseMs, STORE_PAUSE_MAX_MS));
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

function throwInOurWords(error: unknown): never {
  if (error instanceof MissingRow) {
    throw ApplicationFailure.nonRetryable(`its row is gone`, `${error.of}_missing`);
  }
  throw notWritten(wordsOf(error));
}

/** @param nextRetryDelay in place of the pause by the workflow's own rule. */
function notWritten(message: string, nextRetryDelay?: number): ApplicationFailure {
  return ApplicationFailure.create({
    type: 'not_written',
    message,
    nonRetryable: false,
    ...(nextRetryDelay === undefined ? {} : { nextRetryDelay }),
  });
}

/** PostgreSQL and its driver quote whole rows; kinds of errors, codes and constraints do not. */
function wordsOf(error: unknown): string {
  const name = error instanceof Error ? error.constructor.name : typeof error;
  const kind = [name, sqlStateOf(error)].filter((it) => it !== undefined).join(' ');
  const constraint = constraintOf(error);
  return constraint === null
    ? `it could not be written down: ${kind}`
    : `it could not be written down: the constraint ${constraint} refuses it`;
}

function constraintOf(error: unknown): string | null {
  if (typeof error !== 'object' || error === null || !('constraint' in error)) return null;
  return typeof error.constraint === 'string' ? error.constraint : null;
}
