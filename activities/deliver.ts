import { ApplicationFailure, Context, log } from '@temporalio/activity';
import { ApplicationFailureCategory } from '@temporalio/common';
import { Webhook } from 'standardwebhooks';
import {
  type DeliveryTask,
  endDelivery,
  findDeliveryTask,
  recordDeliveryAttempt,
} from '../db/delivery-runs.ts';
import { openSecrets } from '../db/webhook-endpoints.ts';
import type { DeliveryInput, DeliveryLimits } from '../domain/outgoing-event.ts';
import { scheduleAt } from '../domain/policy.ts';
import type { ActivityDeps } from './deps.ts';
import { countDelivery } from './metrics.ts';
import { createPoster, type Posted } from './outbound.ts';
import { Turns } from './turns.ts';

const GONE = 410;
/** Nothing goes out unsigned. The merchant reads this beside the delivery, and can mend it. */
const UNSIGNED: Posted = {
  statusCode: null,
  error: 'no secret of the endpoint can be opened: rotate it',
  response: null,
  durationMs: 0,
};
const BUSY_PAUSE_MS = 250;
const BUSY_PAUSE_MAX_MS = 60_000;

/**
 * Tells merchants' endpoints what happened.
 * @param limits few of the worker's places (worker/workers.ts) for one merchant, and fewer for one
 * endpoint, so that those that hang leave some to others.
 */
export function createDeliver(
  { pool, vault, allowsLoopback }: Pick<ActivityDeps, 'pool' | 'vault' | 'allowsLoopback'>,
  limits: Pick<DeliveryLimits, 'posts_max' | 'posts_per_endpoint_max'>,
) {
  const poster = createPoster(allowsLoopback);
  const ofMerchants = new Turns(limits.posts_max);
  const ofEndpoints = new Turns(limits.posts_per_endpoint_max);
  const post = async (task: DeliveryTask, timeoutMs: number) => {
    const body = bodyOf(task);
    const secrets = await openSecrets(pool, vault, task.endpoint_id);
    if (secrets.length === 0) return UNSIGNED;
    const headers = signedHeaders(task, body, secrets);
    return await poster.post(task.url, headers, body, timeoutMs);
  };
  return {
    /**
     * One try. Temporal runs it again by the policy's schedule, under the same event id, so an
     * endpoint that answers late or twice can tell. What is written down says how many tries there
     * were; Temporal's own count would take a database that was away for a try.
     */
    async deliver({ deliveryId, policy }: DeliveryInput): Promise<void> {
      const task = await findDeliveryTask(pool, deliveryId);
      if (task.status !== 'pending') return;
      if (!task.active) {
        await endDelivery(pool, deliveryId, 'canceled');
        return countDelivery('canceled');
      }
      // Without a turn the place of the worker is given back at once.
      const posted = await ofMerchants.take(task.merchant_id, () =>
        ofEndpoints.take(task.endpoint_id, () => post(task, policy.timeout_ms)),
      );
      if (posted === null) throw comeBack('busy', 'the endpoint has no free turn', busyPauseMs());
      const { statusCode } = posted;
      const { status, runAttempts, disabledReason } = await recordDeliveryAttempt(pool, {
        ...posted,
        deliveryId,
        endpointId: task.endpoint_id,
        isDelivered: statusCode !== null && statusCode >= 200 && statusCode < 300,
        goneReason: statusCode === GONE ? 'it answered 410 Gone' : null,
        scheduleMs: policy.schedule_ms,
        disableAfterMs: policy.disable_after_ms,
      });
      countDelivery(status);
      if (disabledReason !== null) {
        log.warn('an endpoint is switched off', { endpointId: task.endpoint_id, disabledReason });
      }
      if (status !== 'pending') return;
      const pauseMs = scheduleAt(policy.schedule_ms, runAttempts - 1);
      throw comeBack('undelivered', posted.error ?? `it answered ${statusCode}`, pauseMs);
    },

    /** Asked by workflows that began when Temporal still counted their tries. */
    async giveUpDelivery({ deliveryId }: DeliveryInput): Promise<void> {
      await endDelivery(pool, deliveryId, 'failed');
    },
  };
}

/** Longer each time, so that ten thousand that wait ask seldom; and never all at once. */
function busyPauseMs(): number {
  const { attempt } = Context.current().info;
  const pauseMs = Math.min(BUSY_PAUSE_MS * 2 ** Math.min(attempt - 1, 16), BUSY_PAUSE_MAX_MS);
  return Math.round(pauseMs * (1 + Math.random()));
}

/** No failure of ours: neither the log nor the metrics should cry. */
function comeBack(
  type: 'undelivered' | 'busy',
  message: string,
  pauseMs: number,
): ApplicationFailure {
  return ApplicationFailure.create({
    message,
    type,
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
