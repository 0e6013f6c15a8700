import { z } from 'zod';
import { listStuck } from '../../db/payments.ts';
import { spellOut } from '../../domain/policy.ts';
import { declare, type Operation } from '../operation.ts';
import { showExecution } from '../payments/execution.ts';
import { executionShape } from '../payments/shape.ts';
import { presentWholeList, wholeListOf } from '../shape.ts';

const tag = 'Operators';
const access = { kind: 'operator', role: 'viewer' } as const;
const STUCK_GRACE_MS = 60_000;
const STUCK_LIMIT = 100;

/** What is stuck, and the policies that are in force. */
export const overviewOperations: readonly Operation[] = [
  declare({
    id: 'adminListStuck',
    method: 'get',
    path: '/api/v1/admin/stuck',
    tag,
    summary: 'List what is silent for longer than it said, and why',
    access,
    answers: { 200: { description: 'Up to 100', schema: wholeListOf(executionShape) } },
    async handle({ pool, engine }) {
      const payments = await listStuck(pool, STUCK_GRACE_MS, STUCK_LIMIT);
      const stuck = await Promise.all(payments.map((payment) => showExecution(engine, payment)));
      return { status: 200, body: presentWholeList(stuck) };
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
