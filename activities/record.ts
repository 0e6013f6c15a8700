import { ApplicationFailure } from '@temporalio/common';
import { type Reattempt, recordReattempt } from '../db/dispatch.ts';
import { record } from '../db/record.ts';
import { recordRefund } from '../db/record-refund.ts';
import { insertWebhookEvent } from '../db/webhook-events.ts';
import type { RecordRequest, RecordResult, Route } from '../domain/payment.ts';
import type { RefundRecordRequest, RefundRecordResult } from '../domain/refund.ts';
import type { SealedWebhookEvent } from '../domain/webhook-event.ts';
import type { ActivityDeps } from './deps.ts';

/** The workflows' pen. What it throws holds no row and no query: see ADR 0003. */
export function createRecord({ pool }: Pick<ActivityDeps, 'pool'>) {
  return {
    record(request: RecordRequest): Promise<RecordResult> {
      return record(pool, request).catch(throwInOurWords);
    },

    recordRefund(request: RefundRecordRequest): Promise<RefundRecordResult> {
      return recordRefund(pool, request).catch(throwInOurWords);
    },

    /** Opens the next attempt of a payment. Results of earlier versions hold its id alone. */
    recordReattempt(
      request: RecordRequest & { readonly route: Route },
    ): Promise<Pick<Reattempt, 'attemptId'> & Partial<Reattempt>> {
      return recordReattempt(pool, request).catch(throwInOurWords);
    },

    /** Keeps a callback that arrived while the database was away. */
    async keepEvent(event: SealedWebhookEvent): Promise<void> {
      await insertWebhookEvent(pool, event).catch(throwInOurWords);
    },
  };
}

/** PostgreSQL and its driver quote whole rows; a constraint's name and a kind of error are ours. */
function throwInOurWords(error: unknown): never {
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
