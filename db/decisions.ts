import type { Decision } from '../domain/decision.ts';
import type { Pool } from './pool.ts';
import { propose, type Standing } from './proposals.ts';

/**
 * Writes an operator's decision about a payment or refund down. Where two are needed, the same
 * decision with the same receipt and amount by another confirms it; any other replaces it.
 * @param made.madeAt when the payment or refund was made.
 * @param made.changedAt when it last changed: what was agreed before that has been heard.
 */
export function recordDecision(
  pool: Pool,
  made: {
    readonly subjectId: string;
    readonly madeAt: string;
    readonly changedAt: string;
    readonly decision: Decision['decision'];
    readonly receipt: string | null;
    readonly amountMinor: number | null;
    readonly reason: string;
    readonly operatorId: string;
    readonly needsTwo: boolean;
  },
): Promise<Exclude<Standing, { readonly kind: 'already_done' }>> {
  const { decision, receipt, amountMinor, ...rest } = made;
  const summary = { decision, receipt, amount: amountMinor, reason: made.reason };
  const said = { decision, receipt, amountMinor };
  const asked = { ...rest, action: 'decision', fingerprint: null, decision: said, summary };
  return pool.transaction(async (tx) => {
    const standing = await propose(tx, asked);
    // The workflow carries it out, which takes it once.
    if (standing.kind === 'already_done') throw new Error('a decision is told again');
    return standing;
  });
}
