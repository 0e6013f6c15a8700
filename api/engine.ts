import { type Client, type Connection, WithStartWorkflowOperation } from '@temporalio/client';
import type { Log } from '../config/log.ts';
import type { Warning } from '../config/warnings.ts';
import type { PaymentInput } from '../domain/payment.ts';
import type { LateRefundInput, RefundInput } from '../domain/refund.ts';
import { refusalOf } from '../domain/server-refusal.ts';
import type {
  DeliveredEvent,
  DeliveredRefundEvent,
  SealedWebhookEvent,
} from '../domain/webhook-event.ts';
import {
  type Delivery,
  deliverEvent,
  deliverRefundEvent,
  type LoadLate,
} from '../workflows/delivery.ts';
import {
  FIRST_STATE_UPDATE_ID,
  firstRefundStateUpdate,
  firstStateUpdate,
  keepStart,
  paymentStart,
  refundStart,
} from '../workflows/messages.ts';
import { type Batches, createBatches, type Within } from './batches.ts';
import { describeExecution, type Executions } from './execution.ts';
import { findNamespaceWarnings } from './namespace.ts';
import { createUpdates, type Updates } from './updates.ts';

/** What the API asks of Temporal. Every call has a deadline. */
export type Engine = Batches &
  Executions &
  Updates & {
    /**
     * Starts the payment's workflow, or joins the one that runs, and waits for its first meaningful
     * state; false when the deadline passed or Temporal is away: the sweeper sees to the start.
     */
    startPayment(input: PaymentInput, waitMs: number): Promise<boolean>;
    /** The same for a refund. */
    startRefund(input: RefundInput, waitMs: number): Promise<boolean>;
    /** Throws when Temporal is away. */
    deliver(
      workflowId: string,
      delivered: DeliveredEvent,
      loadLate: LoadLate<PaymentInput>,
    ): Promise<Delivery>;
    deliverRefund(
      workflowId: string,
      delivered: DeliveredRefundEvent,
      loadLate: LoadLate<LateRefundInput>,
    ): Promise<Delivery>;
    /** Has Temporal hold a callback until the database stores it. Throws when Temporal is away. */
    keepCallback(event: SealedWebhookEvent): Promise<void>;
    isReachable(): Promise<boolean>;
    /** What the namespace lacks that payments need; nothing while Temporal is away. */
    findNamespaceWarnings(): Promise<readonly Warning[]>;
  };

export type { UpdateAnswer } from './updates.ts';

const SIGNAL_TIMEOUT_MS = 4_000;
const DESCRIBE_TIMEOUT_MS = 3_000;

/** @param uiUrl where the Temporal Web UI is, for links; null when it has none. */
export function createEngine(
  client: Client,
  connection: Connection,
  uiUrl: string | null,
  log: Log,
): Engine {
  const namespace = client.options.namespace;
  const within: Within = (ms, call) => connection.withDeadline(Date.now() + ms, call);
  const findMissing = () =>
    within(DESCRIBE_TIMEOUT_MS, () => findNamespaceWarnings(client, connection));
  return {
    ...createStarts(client, within, log, findMissing),
    ...createUpdates(client, within),
    ...createBatches(client, within, log),
    deliver: (workflowId, delivered, loadLate) =>
      within(SIGNAL_TIMEOUT_MS, () => deliverEvent(client, workflowId, delivered, loadLate)),
    deliverRefund: (workflowId, delivered, loadLate) =>
      within(SIGNAL_TIMEOUT_MS, () => deliverRefundEvent(client, workflowId, delivered, loadLate)),
    keepCallback: async (event) => {
      await within(SIGNAL_TIMEOUT_MS, () => client.workflow.start('keep', keepStart(event)));
    },
    describe: (workflowId) =>
      within(DESCRIBE_TIMEOUT_MS, () => describeExecution(client, workflowId)).catch(() => null),
    isReachable: () =>
      within(DESCRIBE_TIMEOUT_MS, () => connection.workflowService.getSystemInfo({})).then(
        () => true,
        () => false,
      ),
    findNamespaceWarnings: findMissing,
    workflowUrl: (workflowId) =>
      uiUrl === null
        ? null
        : `${uiUrl}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}`,
  };
}

function createStarts(
  client: Client,
  within: Within,
  log: Log,
  findMissing: Engine['findNamespaceWarnings'],
) {
  const answered = async (workflowId: string, waitMs: number, call: () => Promise<unknown>) => {
    try {
      await within(waitMs, call);
      return true;
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal !== null) {
        // The refusal of an update-with-start does not say what it is about.
        const missing = (await findMissing()).map(({ detail }) => detail);
        log.error(
          { workflow_id: workflowId, reason: refusal, missing },
          'Temporal refused a start; the sweeper tries again',
        );
        return false;
      }
      const reason = error instanceof Error ? error.name : 'unknown';
      log.warn(
        { workflow_id: workflowId, reason },
        'no first state in time; the sweeper sees to it',
      );
      return false;
    }
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
