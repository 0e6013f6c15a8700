import { z } from 'zod';
import { listLost } from '../../db/payments.ts';
import { STATISTICS_STEPS, type StatisticsGroup, summarizePayments } from '../../db/statistics.ts';
import { FAILURES } from '../../domain/error.ts';
import { CURRENCIES } from '../../domain/money.ts';
import { PAYMENT_STATUSES } from '../../domain/payment-states.ts';
import { ApiError } from '../errors.ts';
import { declare, type Operation } from '../operation.ts';
import { presentExecution } from '../payments/present.ts';
import { executionShape, providerName } from '../payments/shape.ts';
import { moment, text } from '../schema.ts';
import { minor, namesOf, presentWholeList, time, wholeListOf } from '../shape.ts';

const tag = 'Operators';
const access = { kind: 'operator', role: 'viewer' } as const;
const DAY_MS = 86_400_000;
const WINDOW_DAYS_MAX = 93;
const STUCK_GRACE_MS = 60_000;
const STUCK_LIMIT = 100;

const groupShape = z
  .strictObject({
    at: time.meta({ description: 'The begin of the step' }),
    provider: providerName,
    currency: z.enum(CURRENCIES),
    status: z.enum(PAYMENT_STATUSES),
    failure_code: namesOf(FAILURES).nullable(),
    payments: z.int(),
    amount: minor,
    amount_refunded: minor,
    median_ms: z.int().nullable().meta({ description: 'From creation to the end' }),
  })
  .meta({ id: 'StatisticsGroup' });

/** How it goes: figures, what is stuck, and the policies that are in force. */
export const overviewOperations: readonly Operation[] = [
  declare({
    id: 'adminGetStatistics',
    method: 'get',
    path: '/api/v1/admin/statistics',
    tag,
    summary: 'Count payments by time, provider, status and failure',
    description: `Of payments created in a window of ${WINDOW_DAYS_MAX} days at most; the last seven days where none is given.`,
    access,
    query: z.strictObject({
      created_from: moment.optional(),
      created_before: moment.optional(),
      step: z.enum(STATISTICS_STEPS).default('day'),
      merchant_id: text(100).optional(),
    }),
    answers: { 200: { description: 'The groups', schema: wholeListOf(groupShape) } },
    async handle({ pool }, { query }) {
      const before = query.created_before ?? new Date().toISOString();
      const from = query.created_from ?? new Date(Date.parse(before) - 7 * DAY_MS).toISOString();
      if (Date.parse(before) - Date.parse(from) > WINDOW_DAYS_MAX * DAY_MS) {
        const detail = `must be within ${WINDOW_DAYS_MAX} days of created_before`;
        throw new ApiError('invalid_request', `created_from ${detail}`, [
          { pointer: '/created_from', detail },
        ]);
      }
      const asked = { from, before, step: query.step, merchantId: query.merchant_id ?? null };
      const groups = await summarizePayments(pool, asked);
      return { status: 200, body: presentWholeList(groups.map(presentGroup)) };
    },
  }),
  declare({
    id: 'adminListStuck',
    method: 'get',
    path: '/api/v1/admin/stuck',
    tag,
    summary: 'List what is silent for longer than it said, and why',
    access,
    answers: { 200: { description: 'Up to 100', schema: wholeListOf(executionShape) } },
    async handle({ pool, engine }) {
      const payments = await listLost(pool, STUCK_GRACE_MS, STUCK_LIMIT);
      const stuck = await Promise.all(
        payments.map(async (payment) =>
          presentExecution(payment, engine, await engine.describe(payment.workflowId)),
        ),
      );
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
        description: 'As config/policies.yaml spells them, overlays applied',
        schema: z.record(z.string(), z.unknown()),
      },
    },
    handle: ({ policies }) => Promise.resolve({ status: 200, body: policies }),
  }),
];

function presentGroup(group: StatisticsGroup): z.input<typeof groupShape> {
  return group;
}
