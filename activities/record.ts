import { record } from '../db/record.ts';
import { insertWebhookEvent } from '../db/webhook-events.ts';
import type { RecordRequest, RecordResult } from '../domain/payment.ts';
import type { SealedWebhookEvent } from '../domain/webhook-event.ts';
import type { ActivityDeps } from './index.ts';

/** The workflows' pen. */
export function createRecord({ pool }: ActivityDeps) {
  return {
    record(request: RecordRequest): Promise<RecordResult> {
      return record(pool, request);
    },

    /** Keeps a callback that arrived while the database was away. */
    async keepEvent(event: SealedWebhookEvent): Promise<void> {
      await insertWebhookEvent(pool, event);
    },
  };
}
