import { z } from 'zod';
import { recordDecision } from '../../db/decisions.ts';
import { DECISIONS, type Decision } from '../../domain/decision.ts';
import type { ApiDeps } from '../deps.ts';
import type { UpdateAnswer } from '../engine.ts';
import { ApiError } from '../errors.ts';
import type { Reply } from '../operation.ts';
import { requireDone } from '../payments/actions.ts';
import { text } from '../schema.ts';

/** What an operator says about a payment or refund in review. */
export const decisionBody = z
  .strictObject({
    decision: z.enum(DECISIONS),
    reason: text(500).meta({ description: 'Kept in the audit trail; nothing personal, please' }),
    receipt: text(50).optional().meta({ description: 'The provider’s, where you found one' }),
  })
  .meta({ example: { decision: 'failed', reason: 'the statement of that day does not hold it' } });
export const awaitingShape = z
  .strictObject({
    object: z.literal('decision'),
    subject_id: z.string(),
    decision: z.enum(DECISIONS),
    status: z.literal('awaiting_second_operator'),
  })
  .meta({ id: 'AwaitingDecision' });

type Subject = { readonly id: string; readonly status: string; readonly amountMinor: number };
type Said<D> = Pick<Decision, 'reason'> & {
  readonly decision: D;
  readonly receipt?: string | undefined;
};

/**
 * Carries a decision out, once as many operators stand behind it as the amount asks for.
 * @throws ApiError not_in_review, or what the workflow refuses by.
 */
export async function decide<D extends Decision['decision']>(
  { pool, policies }: ApiDeps,
  subject: Subject,
  { decision, reason, receipt }: Said<D>,
  {
    operatorId,
    carryOut,
    show,
  }: {
    readonly operatorId: string;
    /** Tells the workflow. */
    readonly carryOut: (decided: Decision & { readonly decision: D }) => Promise<UpdateAnswer>;
    /** The subject as it stands after it. */
    readonly show: () => Promise<unknown>;
  },
): Promise<Reply> {
  if (subject.status !== 'needs_review') {
    throw new ApiError('not_in_review', `it is ${subject.status}`);
  }
  const needsTwo = subject.amountMinor >= policies.api.two_operators_from_minor;
  const said = { decision, reason, receipt: receipt ?? null };
  const by = await recordDecision(pool, { subjectId: subject.id, ...said, operatorId, needsTwo });
  if (by === null) {
    const status = 'awaiting_second_operator';
    return { status: 202, body: { object: 'decision', subject_id: subject.id, decision, status } };
  }
  requireDone('decided', subject, await carryOut({ ...said, by: by.join(' and ') }));
  return { status: 200, body: await show() };
}
