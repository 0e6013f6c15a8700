import { ApplicationFailure } from '@temporalio/common';
import { newId } from '../db/ids.ts';
import { insertRefund } from '../db/refunds.ts';
import { refundWorkflowId } from '../domain/id.ts';
import { refundInput } from '../domain/inputs.ts';
import { capabilitiesOf } from '../providers/index.ts';
import { refundStart } from '../temporal/start.ts';
import type { ActivityDeps } from './deps.ts';

/** Which payment; the rest stands in its row. */
export type LateSuccessInput = { readonly paymentId: string; readonly merchantId: string };

type Start = (type: 'refund', options: ReturnType<typeof refundStart>) => Promise<unknown>;
type LateSuccessDeps = Pick<ActivityDeps, 'pool' | 'vault'> & {
  readonly temporal: { readonly workflow: { readonly start: Start } };
};

/** Merchants' keys hold no space, so none of theirs is ever this one. */
const keyOf = (paymentId: string) => `late success of ${paymentId}`;

/** What the policy does about money that came late. */
export function createLateSuccess({ pool, vault, temporal }: LateSuccessDeps) {
  return {
    /**
     * Gives back all that is left of a payment, by a refund like any other; done again it is the
     * same refund. When nothing is left, somebody was faster. What is not started here is started
     * by the sweeper.
     */
    async refundLateSuccess({ paymentId, merchantId }: LateSuccessInput): Promise<void> {
      const idempotencyKey = keyOf(paymentId);
      const hash = vault.hash('refund-workflow-id', `${merchantId}\n${idempotencyKey}`);
      const insertion = await insertRefund(pool, {
        id: newId('refund'),
        paymentId,
        merchantId,
        idempotencyKey,
        fingerprint: idempotencyKey,
        workflowId: refundWorkflowId(hash.toString('hex').slice(0, 32)),
        amountMinor: null,
        reason: 'policy late_success: refund',
        metadata: {},
      }).catch((error: unknown) => {
        // PostgreSQL's messages quote rows, and Temporal keeps messages: ADR 0003.
        const kind = error instanceof Error ? error.constructor.name : 'unknown';
        throw ApplicationFailure.retryable(`the refund could not be written down: ${kind}`);
      });
      if (insertion.kind !== 'inserted') return;
      const { refund, payment } = insertion;
      const input = refundInput(refund, payment, capabilitiesOf(payment.provider));
      await temporal.workflow.start('refund', refundStart(input));
    },
  };
}
