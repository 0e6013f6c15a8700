import {
  type Client,
  type Connection,
  WithStartWorkflowOperation,
  type WorkflowHandle,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import type { Log } from '../config/log.ts';
import { REQUEST_WAIT_MAX_MS } from '../config/policies.ts';
import type { Warning } from '../config/warnings.ts';
import type { Decision, RefundDecision } from '../domain/decision.ts';
import { lateOutcomeWorkflowId, lateRefundWorkflowId } from '../domain/id.ts';
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
  cancelUpdate,
  captureUpdate,
  decideRefundUpdate,
  decideUpdate,
  FIRST_STATE_UPDATE_ID,
  firstRefundStateUpdate,
  firstStateUpdate,
  keepStart,
  paymentStart,
  refundStart,
  verifyUpdate,
} from '../workflows/messages.ts';
import { type Batches, createBatches, type Within } from './batches.ts';
import { describeExecution, type Executions } from './execution.ts';
import { findNamespaceWarnings } from './namespace.ts';

/** What the API asks of Temporal. Every call has a deadline. */
export type Engine = Batches &
  Executions & {
    /**
     * Starts the payment's workflow, or joins the one that runs, and waits for its first meaningful
     * state; false when the deadline passed or Temporal is away: the sweeper sees to the start.
     */
    startPayment(input: PaymentInput, waitMs: number): Promise<boolean>;
    /** The same for a refund. */
    startRefund(input: RefundInput, waitMs: number): Promise<boolean>;
    cancelPayment(workflowId: string): Promise<UpdateAnswer>;
    capturePayment(workflowId: string, amountMinor: number): Promise<UpdateAnswer>;
    verifyPayment(workflowId: string): Promise<UpdateAnswer>;
    /** Carries out an operator's decision, in the workflow that the payment waits in. */
    decidePayment(workflowId: string, decision: Decision): Promise<UpdateAnswer>;
    decideRefund(workflowId: string, decision: RefundDecision): Promise<UpdateAnswer>;
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

/** How an update of a payment's workflow went; `type` is the refusal's own. */
export type UpdateAnswer =
  | { readonly kind: 'done' | 'unavailable' | 'not_running' }
  | { readonly kind: 'refused'; readonly type: string; readonly message: string };

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

function createUpdates(client: Client, within: Within) {
  type Update = (handle: WorkflowHandle) => Promise<unknown>;
  const answerOf = (workflowId: string, update: Update): Promise<UpdateAnswer> =>
    update(client.workflow.getHandle(workflowId)).then(() => ({ kind: 'done' }), toUpdateAnswer);
  /** Of the workflows that it may wait in, the first that runs. */
  const update = (workflowIds: readonly string[], ask: Update): Promise<UpdateAnswer> =>
    within(REQUEST_WAIT_MAX_MS, async () => {
      let answer: UpdateAnswer = { kind: 'not_running' };
      for (const workflowId of workflowIds) {
        answer = await answerOf(workflowId, ask);
        if (answer.kind !== 'not_running') break;
      }
      return answer;
    });
  return {
    cancelPayment: (workflowId: string) =>
      update([workflowId], (handle) => handle.executeUpdate(cancelUpdate)),
    capturePayment: (workflowId: string, amountMinor: number) =>
      update([workflowId], (handle) =>
        handle.executeUpdate(captureUpdate, { args: [{ amountMinor }] }),
      ),
    verifyPayment: (workflowId: string) =>
      update([workflowId], (handle) => handle.executeUpdate(verifyUpdate)),
    decidePayment: (workflowId: string, decision: Decision) =>
      update([workflowId, lateOutcomeWorkflowId(workflowId)], (handle) =>
        handle.executeUpdate(decideUpdate, { args: [decision] }),
      ),
    decideRefund: (workflowId: string, decision: RefundDecision) =>
      update([workflowId, lateRefundWorkflowId(workflowId)], (handle) =>
        handle.executeUpdate(decideRefundUpdate, { args: [decision] }),
      ),
  };
}

function toUpdateAnswer(error: unknown): UpdateAnswer {
  if (error instanceof WorkflowNotFoundError) return { kind: 'not_running' };
  if (error instanceof WorkflowUpdateFailedError) {
    const { cause } = error;
    const type = cause !== undefined && 'type' in cause ? String(cause.type) : 'refused';
    return { kind: 'refused', type, message: cause?.message ?? 'refused' };
  }
  return { kind: 'unavailable' };
}
