import { type Client, type Connection, WithStartWorkflowOperation } from '@temporalio/client';
import type { Log } from '../config/log.ts';
import type { Warning } from '../config/warnings.ts';
import type { PaymentInput } from '../domain/payment.ts';
import type { RefundInput } from '../domain/refund.ts';
import { refusalOf } from '../domain/server-refusal.ts';
import type {
  DeliveredEvent,
  DeliveredRefundEvent,
  SealedWebhookEvent,
} from '../domain/webhook-event.ts';
import {
  FIRST_STATE_UPDATE_ID,
  firstRefundStateUpdate,
  firstStateUpdate,
} from '../workflows/messages.ts';
import { type Batches, createBatches } from './batches.ts';
import {
  type Delivery,
  deliverEvent,
  deliverRefundEvent,
  type LoadReopened,
} from './deliver-callback.ts';
import { describeExecution, type Executions } from './describe.ts';
import { createFairnessCheck, type Fairness } from './fairness.ts';
import { findNamespaceWarnings } from './namespace.ts';
import { findQueueMetrics, type QueueMetrics } from './queues.ts';
import { paymentStart, refundStart, storeCallbackStart } from './start.ts';
import { createUpdates, type Updates } from './updates.ts';
import { endWithin, type Within } from './within.ts';

/** What the API asks of Temporal. Every call has a deadline. */
export type Engine = Batches &
  Executions &
  Updates & {
    /**
     * Starts the payment's workflow, or joins the one that runs, and waits so long for its first
     * meaningful state; false when that did not come or Temporal is away: the start goes on, and
     * the sweeper sees to it.
     */
    startPayment(input: PaymentInput, waitMs: number): Promise<boolean>;
    /** The same for a refund. */
    startRefund(input: RefundInput, waitMs: number): Promise<boolean>;
    /** Throws when Temporal is away. */
    deliver(
      workflowId: string,
      delivered: DeliveredEvent,
      load: LoadReopened<PaymentInput>,
    ): Promise<Delivery>;
    deliverRefund(
      workflowId: string,
      delivered: DeliveredRefundEvent,
      load: LoadReopened<RefundInput>,
    ): Promise<Delivery>;
    /** Has Temporal hold a callback until the database stores it. Throws when Temporal is away. */
    storeCallback(event: SealedWebhookEvent): Promise<void>;
    isReachable(): Promise<boolean>;
    /** What the namespace lacks that payments need; nothing while Temporal is away. */
    findNamespaceWarnings(): Promise<readonly Warning[]>;
    /** Whether merchants take turns at a provider. Throws when Temporal is away. */
    findFairness(): Promise<Fairness>;
    /** What waits in the providers' queues. Throws when Temporal is away. */
    findQueues(providers: readonly string[]): Promise<readonly QueueMetrics[]>;
    /** Resolves when no call goes on any more: only then its connection may be closed. */
    untilIdle(): Promise<void>;
  };

const SIGNAL_TIMEOUT_MS = 4_000;
const DESCRIBE_TIMEOUT_MS = 3_000;
const START_WITHIN_MS = 10_000;

/**
 * @param uiUrl where the Temporal Web UI is, for links; null when it has none.
 * @param startWithinMs how long a start goes on that nobody waits for any more.
 */
export function createEngine(
  client: Client,
  connection: Connection,
  uiUrl: string | null,
  log: Log,
  startWithinMs = START_WITHIN_MS,
): Engine {
  const namespace = client.options.namespace;
  const going = new Set<Promise<unknown>>();
  // The deadline of a call does not count while a connection is tried.
  const within: Within = (ms, call) => {
    const calling = connection.withDeadline(Date.now() + ms, call);
    const ended: Promise<unknown> = calling.then(
      () => going.delete(ended),
      () => going.delete(ended),
    );
    going.add(ended);
    return answerWithin(ms, calling);
  };
  const checkFairness = createFairnessCheck(client, connection);
  const findLacking = () =>
    within(DESCRIBE_TIMEOUT_MS, () => findNamespaceWarnings(client, connection));
  return {
    ...createStarts(client, within, startWithinMs, log, findLacking),
    ...createUpdates(client, within, log),
    ...createBatches(client, within, log),
    deliver: (workflowId, delivered, load) =>
      within(SIGNAL_TIMEOUT_MS, () => deliverEvent(client, workflowId, delivered, load)),
    deliverRefund: (workflowId, delivered, load) =>
      within(SIGNAL_TIMEOUT_MS, () => deliverRefundEvent(client, workflowId, delivered, load)),
    storeCallback: async (event) => {
      await within(SIGNAL_TIMEOUT_MS, () =>
        client.workflow.start('storeCallback', storeCallbackStart(event)),
      );
    },
    describe: (workflowId) =>
      within(DESCRIBE_TIMEOUT_MS, () => describeExecution(client, workflowId)).catch(() => null),
    isReachable: () =>
      within(DESCRIBE_TIMEOUT_MS, () => connection.workflowService.getSystemInfo({})).then(
        () => true,
        () => false,
      ),
    findNamespaceWarnings: findLacking,
    findQueues: (providers) =>
      within(DESCRIBE_TIMEOUT_MS, () => findQueueMetrics(connection, namespace, providers)),
    findFairness: () => within(DESCRIBE_TIMEOUT_MS, checkFairness),
    untilIdle: async () => {
      while (going.size > 0) await Promise.all(going);
    },
    workflowUrl: (workflowId) =>
      uiUrl === null
        ? null
        : `${uiUrl}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}`,
  };
}

function answerWithin<T>(ms: number, work: Promise<T>): Promise<T> {
  return endWithin(ms, work, () => {
    throw new Error(`Temporal did not answer within ${ms} ms`);
  });
}

function createStarts(
  client: Client,
  within: Within,
  startWithinMs: number,
  log: Log,
  findLacking: Engine['findNamespaceWarnings'],
) {
  const tell = async (workflowId: string, error: unknown) => {
    const refusal = refusalOf(error);
    if (refusal !== null) {
      // The refusal of an update-with-start does not say what it is about.
      const lacking = await findLacking().catch(() => []);
      const missing = lacking.map(({ detail }) => detail);
      const about = { workflow_id: workflowId, reason: refusal, missing };
      log.error(about, 'Temporal refused a start; the sweeper tries again');
      return;
    }
    const reason = error instanceof Error ? error.name : 'unknown';
    const about = { workflow_id: workflowId, reason };
    log.warn(about, 'no first state in time; the sweeper sees to it');
  };
  // Who waits less long than a start may take leaves it to go on: the sweeper would come later.
  const answered = async (workflowId: string, waitMs: number, call: () => Promise<unknown>) => {
    const starting = within(Math.max(waitMs, startWithinMs), call).then(
      () => true,
      async (error: unknown) => {
        await tell(workflowId, error);
        return false;
      },
    );
    return await endWithin(waitMs, starting, () => false);
  };
  const updateId = FIRST_STATE_UPDATE_ID;
  return {
    startPayment: (input: PaymentInput, waitMs: number) => {
      const startWorkflowOperation = new WithStartWorkflowOperation('payment', paymentStart(input));
      return answered(input.workflowId, waitMs, () =>
        client.workflow.executeUpdateWithStart(firstStateUpdate, {
          updateId,
          startWorkflowOperation,
        }),
      );
    },
    startRefund: (input: RefundInput, waitMs: number) => {
      const startWorkflowOperation = new WithStartWorkflowOperation('refund', refundStart(input));
      return answered(input.workflowId, waitMs, () =>
        client.workflow.executeUpdateWithStart(firstRefundStateUpdate, {
          updateId,
          startWorkflowOperation,
        }),
      );
    },
  };
}
