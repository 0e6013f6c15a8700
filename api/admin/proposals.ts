import { listProposals, type Proposal } from '../../db/proposals.ts';
import { declare, type Operation } from '../operation.ts';
import { findPage, pageOf } from '../response.ts';
import { pageQuery } from '../schema.ts';
import { presentProposal, proposalResponse } from './two-operators.ts';

/** What waits for a second operator. */
export const proposalOperations: readonly Operation[] = [
  declare({
    id: 'adminListProposals',
    method: 'get',
    path: '/api/v1/admin/proposals',
    tag: 'Operators',
    summary: 'List what waits for a second operator, newest first',
    description:
      'Decisions, keys and default accounts that one operator asked for in the last day. The second one sends the same request to where the first one did.',
    access: { kind: 'operator', role: 'viewer' },
    query: pageQuery,
    answers: { 200: { description: 'A page', schema: pageOf(proposalResponse) } },
    async handle({ pool }, { query }) {
      const list = (limit: number, beforeId: string | null) => listProposals(pool, beforeId, limit);
      return { status: 200, body: await findPage('decision', query, list, present) };
    },
  }),
];

function present({ subject_id, proposed_by, created_at, ...proposal }: Proposal) {
  return presentProposal({
    ...proposal,
    subjectId: subject_id,
    operatorId: proposed_by,
    createdAt: created_at,
  });
}
