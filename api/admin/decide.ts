import { z } from 'zod';
import { recordDecision } from '../../db/decisions.ts';
import {
  DECISIONS,
  type DecidedPayment,
  type Decision,
  faultOfDecision,
} from '../../domain/decision.ts';
import type { Currency } from '../../domain/money.ts';
import type { UpdateAnswer } from '../../temporal/updates.ts';
import type { ApiDeps } from '../deps.ts';
import { ApiError } from '../errors.ts';
import type { Reply } from '../operation.ts';
import { requireDone } from '../payments/actions.ts';
import { exampleId, objectOf, stringOf } from '../response.ts';
import { positiveAmount, text } from '../schema.ts';
import { needsSecond, notIndependent } from './two-operators.ts';

/** What an operator says about a payment or refund in review. */
export const decisionBody = z
  .strictObject({
    decision: z.enum(DECISIONS).describe('How it ended, as you found out'),
    reason: text(500).meta({ description: 'Kept in the audit trail; nothing personal, please' }),
    receipt: text(50).optional().meta({ description: 'The provider’s, where you found one' }),
  })
  .meta({ example: { decision: 'failed', reason: 'the statement of that day does not hold it' } });

/** The same for a payment, of which a part may have been captured. */
export const paymentDecisionBody = decisionBody
  .extend({
    amount: positiveAmount.optional().meta({
      description:
        'What was captured, with the decision succeeded. Needed where capture_method is manual or review_reason names a mismatch of amounts; else the whole when left out',
    }),
  })
  .meta({ example: { decision: 'succeeded', reason: 'the portal shows it', amount: 5_000 } });

export const awaitingResponse = z
  .strictObject({
    object: objectOf('decision'),
    subject_id: stringOf('The id of the payment or refund that it is about', exampleId('payment')),
    decision: z.enum(DECISIONS).describe('What you decided'),
    status: z
      .literal('awaiting_second_operator')
      .describe('A second operator has to decide the same before it counts'),
  })
  .meta({ id: 'AwaitingDecision' });

type Subject = {
  readonly id: string;
  readonly status: string;
  readonly amountMinor: number;
  readonly currency: Currency;
  readonly createdAt: string;
  readonly updatedAt: string;
};

type Said<D> = Pick<Decision, 'reason'> & {
  readonly decision: D;
  readonly receipt?: string | undefined;
  readonly amount?: number | undefined;
};

/**
 * Carries a decision out, once as many operators stand behind it as the amount asks for.
 * @throws ApiError not_in_review, invalid_decision, or what the workflow refuses by.
 */
export async function decide<D extends Decision['decision']>(
  { pool, policies }: ApiDeps,
  subject: Subject,
  { decision, reason, receipt, amount }: Said<D>,
  {
    operatorId,
    payment,
    faultOf = () => Promise.resolve(null),
    carryOut,
    show,
  }: {
    readonly operatorId: string;
    /** What it is about; null for a refund, whose amount is known. */
    readonly payment: DecidedPayment | null;
    /** What else stands against it; null when nothing does. */
    readonly faultOf?: () => Promise<string | null>;
    /** Tells the workflow. */
    readonly carryOut: (decided: Decision & { readonly decision: D }) => Promise<UpdateAnswer>;
    /** The subject as it stands after it. */
    readonly show: () => Promise<unknown>;
  },
): Promise<Reply> {
  if (subject.status !== 'needs_review') {
    throw new ApiError('not_in_review', `it is ${subject.status}`);
  }
  const { id: subjectId, createdAt: madeAt, updatedAt: changedAt } = subject;
  const action = payment === null ? 'adminDecideRefund' : 'adminDecidePayment';
  const needsTwo = needsSecond(policies, action, subject);
  const said = { decision, reason, receipt: receipt ?? null, amountMinor: amount ?? null };
  const fault = faultOfDecision({ ...said, by: operatorId }, payment);
  const found = fault ?? (await faultOf());
  if (found !== null) throw new ApiError('invalid_decision', found);
  const made = { subjectId, madeAt, changedAt, ...said, operatorId, needsTwo };
  const standing = await recordDecision(pool, made);
  if (standing.kind === 'not_independent') throw notIndependent('invalid_decision');
  if (standing.kind === 'awaits_second') {
    const status = 'awaiting_second_operator';
    return { status: 202, body: { object: 'decision', subject_id: subjectId, decision, status } };
  }
  requireDone('decided', subject, await carryOut({ ...said, by: standing.by.join(' and ') }));
  return { status: 200, body: await show() };
}
