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
import type { PaymentInput } from '../domain/payment.ts';
import type { RefundInput } from '../domain/refund.ts';
import { refusalOf } from '../domain/server-refusal.ts';
import {
  cancelUpdate,
  captureUpdate,
  decideRefundUpdate,
  decideUpdate,
  type UpdateDefinition,
  type Verified,
  verifyUpdate,
} from '../workflows/messages.ts';
import { paymentReopen, refundReopen } from './start.ts';
import type { Within } from './within.ts';

/** What callers ask of a payment's or a refund's workflow, and wait for. */
export type Updates = {
  cancelPayment(workflowId: string, load: LoadReopening): Promise<UpdateAnswer>;
  capturePayment(
    workflowId: string,
    amountMinor: number,
    load: LoadReopening,
  ): Promise<UpdateAnswer>;
  verifyPayment(workflowId: string, load: LoadReopening): Promise<VerifyAnswer>;
  /** Carries out an operator's decision, in the workflow that the payment waits in. */
  decidePayment(workflowId: string, decision: Decision, load: LoadReopening): Promise<UpdateAnswer>;
  decideRefund(
    workflowId: string,
    decision: RefundDecision,
    load: LoadRefundReopening,
  ): Promise<UpdateAnswer>;
};

/**
 * Asked only when no run is open: what the workflow is reopened with, so that nobody has to wait
 * for the sweeper; null where there is nothing to reopen.
 */
export type LoadReopening = () => Promise<PaymentInput | null>;
export type LoadRefundReopening = () => Promise<RefundInput | null>;

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
type Start = ReturnType<typeof reopenPayment>;
const reopenPayment = (input: PaymentInput) =>
  new WithStartWorkflowOperation('payment', paymentReopen(input));
const reopenRefund = (input: RefundInput) =>
  new WithStartWorkflowOperation('refund', refundReopen(input));

function createAskers({ workflow }: Client, within: Within, log: Log) {
  /** The run that is open takes it; else one that is opened for it. */
  const ask = (
    workflowId: string,
    asked: Asked,
    start: () => Promise<Start | null>,
  ): Promise<UpdateAnswer> =>
    within<UpdateAnswer>(REQUEST_WAIT_MAX_MS, async () => {
      const answer = await answerOf(asked.of(workflow.getHandle(workflowId)));
      if (answer.kind !== 'not_running') return answer;
      const operation = await start();
      if (operation === null) return { kind: 'not_running' };
      return await answerOf(asked.withStart(operation));
    }).catch((error: unknown) => {
      const about = { workflow_id: workflowId, refusal: refusalOf(error) };
      log.warn({ err: error, ...about }, 'what was asked of a workflow was not done in time');
      return { kind: 'unavailable' };
    });
  return {
    askPayment: (workflowId: string, asked: Asked, load: LoadReopening) =>
      ask(workflowId, asked, async () => {
        const input = await load();
        return input && reopenPayment(input);
      }),
    askRefund: (workflowId: string, asked: Asked, load: LoadRefundReopening) =>
      ask(workflowId, asked, async () => {
        const input = await load();
        return input && reopenRefund(input);
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
