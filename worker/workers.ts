import { type NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import {
  type ActivityDeps,
  createDatabaseActivities,
  createDeliveryActivities,
  createProviderActivities,
} from '../activities/index.ts';
import type { DeliveryLimits } from '../domain/outgoing-event.ts';
import type { ProviderPolicy } from '../domain/policy.ts';
import { DELIVERY_TASK_QUEUE, providerTaskQueue, TASK_QUEUE } from '../workflows/messages.ts';
import type { Bundle } from './bundle.ts';

export type WorkersOptions = {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly bundle: Bundle;
  readonly deps: ActivityDeps;
  readonly providers: Readonly<Record<string, ProviderPolicy>>;
  readonly deliveryLimits: DeliveryLimits;
};

const SHUTDOWN_GRACE_MS = 25_000;
/** From the signal to the end of what has not ended by itself. */
export const SHUTDOWN_FORCE_MS = 30_000;
/** A worker that was killed holds its payments' next task for at most this long. */
const STICKY_TIMEOUT = '3s';
/** Heartbeats say that a send was claimed, and are the only witness should the database forget. */
const HEARTBEAT_THROTTLE = '1s';
/**
 * A workflow task that a worker took is out of the merchants' turns, and one thread runs them all:
 * more at once would only stand in line here instead of in Temporal (ADR 0022).
 */
const WORKFLOW_TASKS_AT_ONCE = 4;
const POLLERS = { type: 'autoscaling', minimum: 1, initial: 2, maximum: 10 } as const;

/**
 * One worker for payments' workflows and our own database, one for webhooks with workflows and
 * places of its own, and one for each provider, whose queue the server limits to the policy's rate.
 */
export async function createWorkers(options: WorkersOptions): Promise<readonly Worker[]> {
  const { connection, namespace, deps } = options;
  const common: Pick<
    WorkerOptions,
    'connection' | 'namespace' | 'shutdownGraceTime' | 'shutdownForceTime'
  > = {
    connection,
    namespace,
    shutdownGraceTime: SHUTDOWN_GRACE_MS,
    shutdownForceTime: SHUTDOWN_FORCE_MS,
  };
  const records = Worker.create({
    ...common,
    taskQueue: TASK_QUEUE,
    workflowBundle: options.bundle,
    activities: createDatabaseActivities(deps),
    stickyQueueScheduleToStartTimeout: STICKY_TIMEOUT,
    maxCachedWorkflows: 500,
    maxConcurrentWorkflowTaskExecutions: WORKFLOW_TASKS_AT_ONCE,
    maxConcurrentLocalActivityExecutions: 20,
    workflowTaskPollerBehavior: POLLERS,
    activityTaskPollerBehavior: POLLERS,
  });
  const activities = createProviderActivities(deps);
  const providers = Object.entries(options.providers).map(([name, policy]) =>
    Worker.create({
      ...common,
      taskQueue: providerTaskQueue(name),
      activities,
      maxConcurrentActivityTaskExecutions: 50,
      maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE,
      maxTaskQueueActivitiesPerSecond: policy.rate_limit_per_second,
      activityTaskPollerBehavior: POLLERS,
    }),
  );
  const deliveries = Worker.create({
    ...common,
    taskQueue: DELIVERY_TASK_QUEUE,
    workflowBundle: options.bundle,
    activities: createDeliveryActivities(deps, options.deliveryLimits),
    stickyQueueScheduleToStartTimeout: STICKY_TIMEOUT,
    maxCachedWorkflows: 200,
    maxConcurrentWorkflowTaskExecutions: WORKFLOW_TASKS_AT_ONCE,
    maxConcurrentActivityTaskExecutions: 200,
    workflowTaskPollerBehavior: POLLERS,
    activityTaskPollerBehavior: POLLERS,
  });
  return await Promise.all([records, deliveries, ...providers]);
}
