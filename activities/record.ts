import { recordReattempt } from '../db/dispatch.ts';
import { record } from '../db/record.ts';
import { recordRefund } from '../db/record-refund.ts';
import { insertWebhookEvent } from '../db/webhook-events.ts';
import type { RecordRequest, RecordResult, Route } from '../domain/payment.ts';
import type { RefundRecordRequest, RefundRecordResult } from '../domain/refund.ts';
import type { SealedWebhookEvent } from '../domain/webhook-event.ts';
import type { ActivityDeps } from './deps.ts';

/** The workflows' pen. */
export function createRecord({ pool }: ActivityDeps) {
  return {
    record(request: RecordRequest): Promise<RecordResult> {
      return record(pool, request);
    },

    recordRefund(request: RefundRecordRequest): Promise<RefundRecordResult> {
      return recordRefund(pool, request);
    },

    /** Opens the next attempt of a payment; answers its id. */
    recordReattempt(
      request: RecordRequest & { readonly route: Route },
    ): Promise<{ readonly attemptId: string }> {
      return recordReattempt(pool, request);
    },

    /** Keeps a callback that arrived while the database was away. */
    async keepEvent(event: SealedWebhookEvent): Promise<void> {
      await insertWebhookEvent(pool, event);
    },
  };
}
