import {
  type Client,
  type Connection,
  WithStartWorkflowOperation,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import type { PaymentInput } from '../domain/payment.ts';
import type { DeliveredEvent } from '../domain/webhook-event.ts';
import { deliverEvent } from '../workflows/delivery.ts';
import {
  cancelUpdate,
  FIRST_STATE_UPDATE_ID,
  firstStateUpdate,
  paymentStart,
} from '../workflows/messages.ts';
import { describeExecution, type Execution } from './execution.ts';

/** What the API asks of Temporal. Every call has a deadline. */
export type Engine = {
  /**
   * Starts the payment's workflow, or joins the one that runs, and waits for its first meaningful
   * state; false when the deadline passed or Temporal is away: the sweeper sees to the start.
   */
  startPayment(input: PaymentInput, waitMs: number): Promise<boolean>;
  cancelPayment(workflowId: string): Promise<CancelAnswer>;
  /** False when there is no such payment. Throws when Temporal is away. */
  deliver(
    workflowId: string,
    delivered: DeliveredEvent,
    loadPayment: () => Promise<PaymentInput | null>,
  ): Promise<boolean>;
  /** Null when Temporal is away or no longer keeps the workflow. */
  describe(workflowId: string): Promise<Execution | null>;
  isReachable(): Promise<boolean>;
  workflowUrl(workflowId: string): string | null;
};

export type CancelAnswer =
  | { readonly kind: 'canceled' | 'unavailable' | 'not_running' }
  | { readonly kind: 'refused'; readonly type: string; readonly message: string };

const CANCEL_TIMEOUT_MS = 8_000;
const SIGNAL_TIMEOUT_MS = 4_000;
const DESCRIBE_TIMEOUT_MS = 3_000;

/** @param uiUrl where the Temporal Web UI is, for links; null when it has none. */
export function createEngine(client: Client, connection: Connection, uiUrl: string | null): Engine {
  const namespace = client.options.namespace;
  const within = <T>(ms: number, call: () => Promise<T>) =>
    connection.withDeadline(Date.now() + ms, call);
  return {
    async startPayment(input, waitMs) {
      const startWorkflowOperation = new WithStartWorkflowOperation('payment', paymentStart(input));
      try {
        await within(waitMs, () =>
          client.workflow.executeUpdateWithStart(firstStateUpdate, {
            updateId: FIRST_STATE_UPDATE_ID,
            startWorkflowOperation,
          }),
        );
        return true;
      } catch {
        return false;
      }
    },
    cancelPayment: (workflowId) =>
      within(CANCEL_TIMEOUT_MS, () => cancelPayment(client, workflowId)).catch(toCancelAnswer),
    deliver: (workflowId, delivered, loadPayment) =>
      within(SIGNAL_TIMEOUT_MS, () => deliverEvent(client, workflowId, delivered, loadPayment)),
    describe: (workflowId) =>
      within(DESCRIBE_TIMEOUT_MS, () => describeExecution(client, workflowId)).catch(() => null),
    isReachable: () =>
      within(DESCRIBE_TIMEOUT_MS, () => connection.workflowService.getSystemInfo({})).then(
        () => true,
        () => false,
      ),
    workflowUrl: (workflowId) =>
      uiUrl === null
        ? null
        : `${uiUrl}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}`,
  };
}

async function cancelPayment(client: Client, workflowId: string): Promise<CancelAnswer> {
  await client.workflow.getHandle(workflowId).executeUpdate(cancelUpdate);
  return { kind: 'canceled' };
}

function toCancelAnswer(error: unknown): CancelAnswer {
  if (error instanceof WorkflowNotFoundError) return { kind: 'not_running' };
  if (error instanceof WorkflowUpdateFailedError) {
    const { cause } = error;
    const type = cause !== undefined && 'type' in cause ? String(cause.type) : 'refused';
    return { kind: 'refused', type, message: cause?.message ?? 'refused' };
  }
  return { kind: 'unavailable' };
}
