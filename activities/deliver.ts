import { ApplicationFailure, Context } from '@temporalio/activity';
import { ApplicationFailureCategory } from '@temporalio/common';
import { Webhook } from 'standardwebhooks';
import {
  type DeliveryTask,
  endDelivery,
  findDeliveryTask,
  recordDeliveryAttempt,
} from '../db/deliveries.ts';
import { openSecrets } from '../db/webhook-endpoints.ts';
import type { DeliveryInput } from '../domain/outgoing-event.ts';
import type { ActivityDeps } from './deps.ts';
import { createPoster } from './outbound.ts';

const GONE = 410;

/** Tells merchants' endpoints what happened. */
export function createDeliver({ pool, vault, allowsLoopback }: ActivityDeps) {
  const poster = createPoster(allowsLoopback);
  return {
    /**
     * One try. Temporal runs it again by the policy's schedule, under the same event id, so an
     * endpoint that answers late or twice can tell.
     */
    async deliver({ deliveryId, policy }: DeliveryInput): Promise<void> {
      const task = await findDeliveryTask(pool, deliveryId);
      if (task.status !== 'pending') return;
      if (!task.active) return await endDelivery(pool, deliveryId, 'canceled');
      const body = bodyOf(task);
      const headers = signedHeaders(task, body, await openSecrets(pool, vault, task.endpoint_id));
      const posted = await poster.post(task.url, headers, body, policy.timeout_ms);
      const { statusCode } = posted;
      const isDelivered = statusCode !== null && statusCode >= 200 && statusCode < 300;
      const disabledReason = statusCode === GONE ? 'it answered 410 Gone' : null;
      await recordDeliveryAttempt(pool, {
        ...posted,
        deliveryId,
        endpointId: task.endpoint_id,
        isDelivered,
        disabledReason,
        disableAfterMs: policy.disable_after_ms,
      });
      if (isDelivered || disabledReason !== null) return;
      throw tryAgain(posted.error ?? `it answered ${statusCode}`, policy.schedule_ms);
    },

    async giveUpDelivery({ deliveryId }: DeliveryInput): Promise<void> {
      await endDelivery(pool, deliveryId, 'failed');
    },
  };
}

function tryAgain(message: string, scheduleMs: readonly number[]): ApplicationFailure {
  const pauseMs = scheduleMs[Context.current().info.attempt - 1];
  if (pauseMs === undefined) return ApplicationFailure.nonRetryable(message, 'undelivered');
  return ApplicationFailure.create({
    message,
    type: 'undelivered',
    nextRetryDelay: pauseMs,
    category: ApplicationFailureCategory.BENIGN,
  });
}

/** The same bytes at every try. */
function bodyOf({ event_id, type, created_at, data }: DeliveryTask): string {
  return JSON.stringify({ id: event_id, type, timestamp: created_at, data });
}

/** https://www.standardwebhooks.com: every current secret signs, separated by a space. */
function signedHeaders(
  { event_id }: DeliveryTask,
  body: string,
  secrets: readonly string[],
): Record<string, string> {
  const at = new Date();
  return {
    'content-type': 'application/json',
    'user-agent': 'Malipo-Webhooks/1',
    'webhook-id': event_id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': secrets
      .map((secret) => new Webhook(secret).sign(event_id, at, body))
      .join(' '),
  };
}
