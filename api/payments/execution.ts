import type { z } from 'zod';
import { findUnclearCause } from '../../db/audit.ts';
import { lateOutcomeWorkflowId } from '../../domain/id.ts';
import type { Payment } from '../../domain/payment.ts';
import { isClosed } from '../../domain/payment-states.ts';
import { spellOut } from '../../domain/policy.ts';
import { REVIEWS, type ReviewGuide } from '../../domain/review.ts';
import type { ApiDeps } from '../deps.ts';
import { explainWait, findRunning, presentRunning } from '../execution.ts';
import type { executionShape } from './shape.ts';

/** Why a payment is where it is, and what comes next. */
export async function showExecution(
  { pool, engine }: Pick<ApiDeps, 'pool' | 'engine'>,
  payment: Payment,
): Promise<z.input<typeof executionShape>> {
  const { workflowId, status } = payment;
  const lateId = isClosed(status) ? null : lateOutcomeWorkflowId(workflowId);
  const running = await findRunning(engine, workflowId, lateId);
  const isOverdue = payment.waitUntil !== null && Date.parse(payment.waitUntil) < Date.now();
  const asks = payment.waitingFor === 'callback' && isOverdue;
  const waitingFor = asks ? 'lookup' : payment.waitingFor;
  // In review the provider is asked now and then; the row holds the first of those times.
  const isPast = asks || (isOverdue && waitingFor === 'review');
  return {
    object: 'execution',
    payment_id: payment.id,
    status,
    waiting_for: waitingFor,
    explanation:
      waitingFor === null
        ? explainRest(payment)
        : await explainWait(waitingFor, 'charge', guideOf(payment), () =>
            findUnclearCause(pool, payment.id),
          ),
    wait_until: isPast ? null : payment.waitUntil,
    ...presentRunning(engine, running),
    policy: spellOut(payment.policy),
  };
}

/** With the receipt, where one is known: that is what a person looks for. */
function guideOf({ reviewReason, providerReceipt }: Payment): ReviewGuide | null {
  if (reviewReason === null) return null;
  const { why, look } = REVIEWS[reviewReason];
  return {
    why,
    look: providerReceipt === null ? look : `${look} The receipt: ${providerReceipt}.`,
  };
}

function explainRest({ status }: Payment): string {
  if (status === 'created') return 'The payment is stored; its workflow is about to take it up.';
  return `The payment is ${status}; nothing is awaited.`;
}
