import type { z } from 'zod';
import { lateOutcomeWorkflowId } from '../../domain/id.ts';
import type { Payment } from '../../domain/payment.ts';
import { isClosed } from '../../domain/payment-states.ts';
import { spellOut } from '../../domain/policy.ts';
import type { Engine } from '../engine.ts';
import { findRunning, presentRunning } from '../running.ts';
import type { executionShape } from './shape.ts';

const WAITS = {
  provider_answer: 'The charge is on its way to the provider; its answer is awaited.',
  resend: 'The provider took nothing; the charge is sent again at the time given.',
  payer_action: 'The payer has to act at the address in next_action; then the provider tells.',
  capture: 'The money is held; capture or cancel decides, or the end of the authorization.',
  callback: 'The provider has the charge; its callback is awaited, then it is asked.',
  lookup: 'The callback stayed away or was unclear; the provider is asked for the outcome.',
  review: 'Nobody could tell the outcome; a late callback or a decision will.',
  resume: 'An operator holds it: nothing is sent and nobody asked until it is let go on.',
} as const satisfies Record<NonNullable<Payment['waitingFor']>, string>;

/** Why a payment is where it is, and what comes next. */
export async function showExecution(
  engine: Engine,
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
    explanation: waitingFor === null ? explainRest(payment) : WAITS[waitingFor],
    wait_until: isPast ? null : payment.waitUntil,
    ...presentRunning(engine, running),
    policy: spellOut(payment.policy),
  };
}

function explainRest({ status }: Payment): string {
  if (status === 'created') return 'The payment is stored; its workflow is about to take it up.';
  return `The payment is ${status}; nothing is awaited.`;
}
