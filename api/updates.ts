import {
  ApplicationFailure,
  type Client,
  WithStartWorkflowOperation,
  type WorkflowHandle,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import type { Log } from '../config/log.ts';
import { REQUEST_WAIT_MAX_MS } from '../config/policies.ts';
import type { Decision, RefundDecision } from '../domain/decision.ts';
import { lateOutcomeWorkflowId, lateRefundWorkflowId } from '../domain/id.ts';
import type { RecoveryInput } from '../domain/payment.ts';
import type { RefundRecoveryInput } from '../domain/refund.ts';
import { refusalOf } from '../domain/server-refusal.ts';
import {
  cancelUpdate,
  captureUpdate,
  decideRefundUpdate,
  decideUpdate,
  recoveryStart,
  refundRecoveryStart,
  type UpdateDefinition,
  type Verified,
  verifyUpdate,
} from '../workflows/messages.ts';
import type { Within } from './batches.ts';

/** What callers ask of a payment's or a refund's workflow, and wait for. */
export type Updates = {
  cancelPayment(workflowId: string, load: LoadRecovery): Promise<UpdateAnswer>;
  capturePayment(
    workflowId: string,
    amountMinor: number,
    load: LoadRecovery,
  ): Promise<UpdateAnswer>;
  verifyPayment(workflowId: string, load: LoadRecovery): Promise<VerifyAnswer>;
  /** Carries out an operator's decision, in the workflow that the payment waits in. */
  decidePayment(workflowId: string, decision: Decision, load: LoadRecovery): Promise<UpdateAnswer>;
  decideRefund(
    workflowId: string,
    decision: RefundDecision,
    load: LoadRefundRecovery,
  ): Promise<UpdateAnswer>;
};

/**
 * Asked only when no workflow runs: what a recovery is started with, so that nobody has to wait for
 * the sweeper; null where there is nothing to recover.
 */
export type LoadRecovery = () => Promise<RecoveryInput | null>;
export type LoadRefundRecovery = () => Promise<RefundRecoveryInput | null>;

/** How an update of a payment's workflow went; `type` is the refusal's own. */
export type UpdateAnswer =
  | { readonly kind: 'done' | 'unavailable' | 'not_running' }
  | {
      readonly kind: 'refused';
      readonly type: string;
      readonly message: string;
      /** When to come again, where that is known. */
      readonly retryAfterS?: number;
    };

/** Where a verify was taken, it also says whether the provider was asked. */
export type VerifyAnswer = UpdateAnswer & { readonly verified?: Verified };

/** All who ask within one slot share one question, so that a loop of them fills no history. */
const VERIFY_SLOT_MS = 5_000;

/** One update, of a workflow that runs and of one that is started for it. */
type Asked = {
  of(handle: WorkflowHandle): Promise<unknown>;
  withStart(startWorkflowOperation: Start): Promise<unknown>;
};
type Start = ReturnType<typeof recoverPayment>;
const recoverPayment = (input: RecoveryInput) =>
  new WithStartWorkflowOperation('recoverPayment', recoveryStart(input));
const recoverRefund = (input: RefundRecoveryInput) =>
  new WithStartWorkflowOperation('recoverRefund', refundRecoveryStart(input));

function createAskers({ workflow }: Client, within: Within, log: Log) {
  /** Of the workflows that it may wait in, the first that runs; else one that is started for it. */
  const ask = (
    workflowIds: readonly string[],
    asked: Asked,
    start: () => Promise<Start | null>,
  ): Promise<UpdateAnswer> =>
    within<UpdateAnswer>(REQUEST_WAIT_MAX_MS, async () => {
      for (const workflowId of workflowIds) {
        const answer = await answerOf(asked.of(workflow.getHandle(workflowId)));
        if (answer.kind !== 'not_running') return answer;
      }
      const operation = await start();
      if (operation === null) return { kind: 'not_running' };
      return await answerOf(asked.withStart(operation));
    }).catch((error: unknown) => {
      const about = { workflow_id: workflowIds[0], refusal: refusalOf(error) };
      log.warn({ err: error, ...about }, 'what was asked of a workflow was not done in time');
      return { kind: 'unavailable' };
    });
  return {
    askPayment: (workflowId: string, asked: Asked, load: LoadRecovery) =>
      ask([workflowId, lateOutcomeWorkflowId(workflowId)], asked, async () => {
        const input = await load();
        return input && recoverPayment(input);
      }),
    askRefund: (workflowId: string, asked: Asked, load: LoadRefundRecovery) =>
      ask([workflowId, lateRefundWorkflowId(workflowId)], asked, async () => {
        const input = await load();
        return input && recoverRefund(input);
      }),
  };
}

export function createUpdates(client: Client, within: Within, log: Log): Updates {
  const { workflow } = client;
  const { askPayment, askRefund } = createAskers(client, within, log);
  const bare = (update: typeof cancelUpdate, options: { updateId?: string } = {}): Asked => ({
    of: (handle) => handle.executeUpdate(update, options),
    withStart: (start) =>
      workflow.executeUpdateWithStart(update, { ...options, startWorkflowOperation: start }),
  });
  const told = <R, T>(update: UpdateDefinition<R, [T]>, about: T): Asked => {
    const args: [T] = [about];
    return {
      of: (handle) => handle.executeUpdate(update, { args }),
      withStart: (start) =>
        workflow.executeUpdateWithStart(update, { args, startWorkflowOperation: start }),
    };
  };
  return {
    cancelPayment: (id, load) => askPayment(id, bare(cancelUpdate), load),
    capturePayment: (id, amountMinor, load) =>
      askPayment(id, told(captureUpdate, { amountMinor }), load),
    verifyPayment(id, load) {
      const options = { updateId: `verify/${Math.floor(Date.now() / VERIFY_SLOT_MS)}` };
      return askVerified((keep) =>
        askPayment(
          id,
          {
            of: (handle) => handle.executeUpdate(verifyUpdate, options).then(keep),
            withStart: (startWorkflowOperation) =>
              workflow
                .executeUpdateWithStart(verifyUpdate, { ...options, startWorkflowOperation })
                .then(keep),
          },
          load,
        ),
      );
    },
    decidePayment: (id, decision, load) => askPayment(id, told(decideUpdate, decision), load),
    decideRefund: (id, decision, load) => askRefund(id, told(decideRefundUpdate, decision), load),
  };
}

/** @param ask hands what the workflow answered to `keep`. */
async function askVerified(
  ask: (keep: (verified: Verified) => void) => Promise<UpdateAnswer>,
): Promise<VerifyAnswer> {
  const kept: Verified[] = [];
  const answer = await ask((verified) => kept.push(verified));
  const [verified] = kept;
  return verified === undefined ? answer : { ...answer, verified };
}

function answerOf(update: Promise<unknown>): Promise<UpdateAnswer> {
  return update.then(() => ({ kind: 'done' }), toUpdateAnswer);
}

function toUpdateAnswer(error: unknown): UpdateAnswer {
  if (error instanceof WorkflowNotFoundError) return { kind: 'not_running' };
  if (error instanceof WorkflowUpdateFailedError) {
    const { cause } = error;
    const type = cause !== undefined && 'type' in cause ? String(cause.type) : 'refused';
    const message = cause?.message ?? 'refused';
    return { kind: 'refused', type, message, ...retryAfterOf(cause) };
  }
  throw error;
}

function retryAfterOf(cause: Error | undefined): { readonly retryAfterS?: number } {
  const detail: unknown = cause instanceof ApplicationFailure ? cause.details?.[0] : null;
  if (typeof detail !== 'object' || detail === null || !('retryAfterMs' in detail)) return {};
  return { retryAfterS: Math.ceil(Number(detail.retryAfterMs) / 1000) };
}
