import type { z } from 'zod';
import { findUnclearCause } from '../../db/audit.ts';
import { countWaitingBefore } from '../../db/waiting-charges.ts';
import type { Payment } from '../../domain/payment.ts';
import { spellOut } from '../../domain/policy.ts';
import { REVIEWS, type ReviewGuide } from '../../domain/review.ts';
import type { ApiDeps } from '../deps.ts';
import { explainTurn, explainWait, presentWorkflow } from '../execution.ts';
import type { executionResponse } from './response.ts';

const COUNTED_MAX = 1_000;

/** Why a payment is where it is, and what comes next. */
export async function showExecution(
  deps: Pick<ApiDeps, 'pool' | 'engine' | 'policies'>,
  payment: Payment,
): Promise<z.input<typeof executionResponse>> {
  const { pool, engine } = deps;
  const { workflowId, status, provider } = payment;
  const execution = await engine.describe(workflowId);
  const isOverdue = payment.waitUntil !== null && Date.parse(payment.waitUntil) < Date.now();
  const asks = payment.waitingFor === 'callback' && isOverdue;
  const waitingFor = asks ? 'lookup' : payment.waitingFor;
  // In review the provider is asked now and then; the row holds the first of those times.
  const isPast = asks || (isOverdue && waitingFor === 'review');
  const turn = await explainTurn(
    deps,
    execution,
    () => Promise.resolve(provider),
    () => tellBefore(pool, payment),
  );
  const findCause = () => findUnclearCause(pool, payment.id);
  const explanation =
    waitingFor === null
      ? [turn ?? explainRest(payment)]
      : [await explainWait(waitingFor, 'charge', guideOf(payment), findCause), turn];
  return {
    object: 'execution',
    payment_id: payment.id,
    status,
    waiting_for: waitingFor,
    explanation: explanation.filter((it) => it !== null).join(' '),
    wait_until: isPast ? null : payment.waitUntil,
    ...presentWorkflow(engine, workflowId, execution),
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

/** Of other merchants' payments nothing is told; they come by turns, where Temporal knows those. */
async function tellBefore(pool: ApiDeps['pool'], payment: Payment): Promise<string> {
  const before = await countWaitingBefore(pool, payment, COUNTED_MAX);
  const count = before === 0 ? 'none' : before === 1 ? '1 payment' : `${before} payments`;
  const more = before === COUNTED_MAX ? ' or more' : '';
  return `${count}${more} of yours came before it`;
}

function explainRest({ status }: Payment): string {
  if (status === 'created') return 'The payment is stored; its workflow is about to take it up.';
  return `The payment is ${status}; nothing is awaited.`;
}
