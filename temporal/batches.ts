import type { Client } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { Log } from '../config/log.ts';
import type { Control } from '../domain/control.ts';
import { controlSignal } from '../workflows/messages.ts';
import type { Within } from './within.ts';

/** How far a batch is, as Temporal counts. */
export type Batch = {
  readonly status: 'running' | 'completed' | 'failed';
  readonly payments: number;
  readonly done: number;
  readonly failed: number;
};
export type Batches = {
  /** Signals every open payment of a provider. False: it was not taken in time, but may yet be. */
  startBatch(id: string, provider: string, control: Control): Promise<boolean>;
  /** Null when Temporal is away. */
  findBatch(id: string): Promise<Batch | 'unknown' | null>;
};

// temporal.api.enums.v1.BatchOperationState
const STATES: Readonly<Record<number, Batch['status']>> = { 1: 'running', 2: 'completed' };
// grpc.status
const NOT_FOUND = 5;
const TIMEOUT_MS = 5_000;

/** Batches are the server's own: they go on whatever becomes of this process. */
export function createBatches(client: Client, within: Within, log: Log): Batches {
  const { namespace } = client.options;
  return {
    startBatch: (id, provider, control) =>
      within(TIMEOUT_MS, () =>
        client.workflowService.startBatchOperation({
          namespace,
          ...controlBatch(id, provider, control),
        }),
      ).then(
        () => true,
        (err: unknown) => {
          log.warn({ batch_id: id, provider, err }, 'Temporal did not take a batch in time');
          return false;
        },
      ),
    findBatch: (id) =>
      within(TIMEOUT_MS, () =>
        client.workflowService.describeBatchOperation({ namespace, jobId: id }),
      ).then(
        (told) => ({
          status: STATES[told.state] ?? 'failed',
          payments: Number(told.totalOperationCount),
          done: Number(told.completeOperationCount),
          failed: Number(told.failureOperationCount),
        }),
        (err: unknown) => {
          if (isNotFound(err)) return 'unknown';
          log.warn({ batch_id: id, err }, 'Temporal did not tell of a batch');
          return null;
        },
      ),
  };
}

function isNotFound(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === NOT_FOUND;
}

/**
 * Temporal's batch that signals every open payment of a provider; a fallback does not change whose
 * a payment is here. @param provider one of the registry's names.
 */
function controlBatch(jobId: string, provider: string, control: Control) {
  return {
    jobId,
    reason: control.reason,
    visibilityQuery: `Provider = '${provider}' AND ExecutionStatus = 'Running' AND WorkflowType = 'payment'`,
    signalOperation: {
      signal: controlSignal.name,
      input: { payloads: [defaultPayloadConverter.toPayload(control)] },
      identity: 'malipo-api',
    },
  };
}
