import { z } from 'zod';
import { listStuck } from '../../db/payments.ts';
import { listStuckRefunds } from '../../db/refunds.ts';
import { spellOut } from '../../domain/policy.ts';
import { declare, type Operation } from '../operation.ts';
import { showExecution } from '../payments/execution.ts';
import { executionResponse } from '../payments/response.ts';
import { showRefundExecution } from '../refunds/execution.ts';
import { refundExecutionResponse } from '../refunds/response.ts';
import { findPage, pageOf } from '../response.ts';
import { pageQuery } from '../schema.ts';

const tag = 'Operators';
const access = { kind: 'operator', role: 'viewer' } as const;
const STUCK_GRACE_MS = 60_000;

/** What is stuck, and the policies that are in force. */
export const overviewOperations: readonly Operation[] = [
  declare({
    id: 'adminListStuck',
    method: 'get',
    path: '/api/v1/admin/stuck',
    tag,
    summary: 'List payments that are overdue for longer than they said, and why, oldest first',
    description: 'Those in review are not among them: they have a queue of their own.',
    access,
    query: pageQuery,
    answers: { 200: { description: 'A page', schema: pageOf(executionResponse) } },
    async handle(deps, { query }) {
      const body = await findPage(
        'payment',
        query,
        (limit, afterId) => listStuck(deps.pool, STUCK_GRACE_MS, limit, afterId),
        (payment) => showExecution(deps, payment),
      );
      return { status: 200, body };
    },
  }),
  declare({
    id: 'adminListStuckRefunds',
    method: 'get',
    path: '/api/v1/admin/stuck/refunds',
    tag,
    summary: 'The same of refunds',
    access,
    query: pageQuery,
    answers: { 200: { description: 'A page', schema: pageOf(refundExecutionResponse) } },
    async handle(deps, { query }) {
      const body = await findPage(
        'refund',
        query,
        (limit, afterId) => listStuckRefunds(deps.pool, STUCK_GRACE_MS, limit, afterId),
        (refund) => showRefundExecution(deps, refund),
      );
      return { status: 200, body };
    },
  }),
  declare({
    id: 'adminGetPolicies',
    method: 'get',
    path: '/api/v1/admin/policies',
    tag,
    summary: 'See the policies in force',
    access,
    answers: {
      200: {
        description:
          'As config/policies.yaml spells them, overlays applied, and the rule of each failure code',
        schema: z.record(z.string(), z.unknown()),
        example: {
          api: { start_wait_ms: 8_000 },
          providers: { mpesa: { late_success: 'review' } },
        },
      },
    },
    handle({ policies }) {
      const providers = Object.entries(policies.providers).map(([name, it]) => [
        name,
        spellOut(it),
      ]);
      const body = { ...policies, providers: Object.fromEntries(providers) };
      return Promise.resolve({ status: 200, body });
    },
  }),
];
