import { z } from 'zod';
import {
  type ProviderSummary,
  STATISTICS_GROUPS_MAX,
  STATISTICS_STEPS,
  type StatisticsGroup,
  summarizePayments,
  summarizeProviders,
} from '../../db/statistics.ts';
import { FAILURES } from '../../domain/error.ts';
import { type ApiError, faulty } from '../errors.ts';
import { declare, type Operation } from '../operation.ts';
import { paymentStatus, providerName } from '../payments/response.ts';
import {
  currencyName,
  minorOf,
  namesOf,
  objectOf,
  presentWholeList,
  time,
  wholeListOf,
} from '../response.ts';
import { moment, text } from '../schema.ts';
import { readWindow, WINDOW_RULE } from '../window.ts';

const tag = 'Operators';
const access = { kind: 'operator', role: 'viewer' } as const;

const elapsed = {
  median_ms: z.int().nullable().meta({ description: 'From creation to the end', example: 9_200 }),
  p95_ms: z
    .int()
    .nullable()
    .meta({ description: 'In 95 of 100 it took no longer', example: 41_000 }),
};
const resolvedByPolling = z
  .int()
  .meta({ description: 'Brought to their end by a status query, since the callback stayed away' });
const share = z.number().min(0).max(1).nullable();

const groupResponse = z
  .strictObject({
    at: time.meta({ description: 'The begin of the step' }),
    provider: providerName,
    currency: currencyName,
    status: paymentStatus,
    failure_code: namesOf(FAILURES).nullable().describe('Why they failed; null: they did not'),
    payments: z.int().describe('How many payments the group has'),
    amount: minorOf('The sum of what was asked for'),
    amount_refunded: minorOf('The sum of what was given back', 0),
    ...elapsed,
    resolved_by_polling: resolvedByPolling,
  })
  .meta({ id: 'StatisticsGroup' });

const summaryResponse = z
  .strictObject({
    object: objectOf('provider_summary'),
    provider: providerName,
    payments: z.int().describe('How many payments were created'),
    succeeded: z.int().describe('How many of them succeeded'),
    failed: z.int().describe('How many of them failed'),
    canceled: z.int().describe('How many of them were canceled'),
    open: z.int().meta({ description: 'Neither ended nor in review' }),
    needs_review: z.int().describe('How many of them wait for a decision'),
    success_rate: share.meta({
      description: 'Of those that ended; null while none has',
      example: 0.97,
    }),
    ...elapsed,
    resolved_by_polling: resolvedByPolling,
    resolved_by_polling_share: share.meta({
      description: 'Of those that ended; null while none has',
      example: 0.02,
    }),
    failures: z
      .array(
        z
          .strictObject({
            code: namesOf(FAILURES).describe('Why they failed'),
            payments: z.int().describe('How many failed so'),
          })
          .meta({ id: 'FailureCount' }),
      )
      .meta({ description: 'The five most frequent ones' }),
  })
  .meta({ id: 'ProviderSummary' });

const windowQuery = z.strictObject({
  created_from: moment.optional(),
  created_before: moment.optional(),
  merchant_id: text(100).optional(),
});
const description = `Of payments created in a time. ${WINDOW_RULE}`;

/** How payments go, in figures. */
export const statisticsOperations: readonly Operation[] = [
  declare({
    id: 'adminGetStatistics',
    method: 'get',
    path: '/api/v1/admin/statistics',
    tag,
    summary: 'Count payments by time, provider, status and failure',
    description: `${description} More than ${STATISTICS_GROUPS_MAX} groups are refused: they take a longer step or a shorter window.`,
    access,
    query: windowQuery.extend({ step: z.enum(STATISTICS_STEPS).default('day') }),
    answers: { 200: { description: 'The groups', schema: wholeListOf(groupResponse) } },
    async handle({ pool }, { query }) {
      const groups = await summarizePayments(pool, { ...readAsked(query), step: query.step });
      if (groups.length > STATISTICS_GROUPS_MAX) throw tooMany();
      return { status: 200, body: presentWholeList(groups.map(presentGroup)) };
    },
  }),
  declare({
    id: 'adminSummarizeProviders',
    method: 'get',
    path: '/api/v1/admin/statistics/summary',
    tag,
    summary: 'See how each provider does',
    description: `${description} A payment counts for the provider of its last attempt.`,
    access,
    query: windowQuery,
    answers: {
      200: { description: 'Those that had payments', schema: wholeListOf(summaryResponse) },
    },
    async handle({ pool }, { query }) {
      const summaries = await summarizeProviders(pool, readAsked(query));
      return { status: 200, body: presentWholeList(summaries.map(presentSummary)) };
    },
  }),
];

function tooMany(): ApiError {
  const detail = `makes more than ${STATISTICS_GROUPS_MAX} groups: take a longer step or a shorter window`;
  return faulty('invalid_request', [{ pointer: '/step', detail }]);
}

function readAsked({ created_from, created_before, merchant_id }: z.output<typeof windowQuery>) {
  const window = readWindow('created_from', { from: created_from, before: created_before });
  return { ...window, merchantId: merchant_id ?? null };
}

function presentGroup(group: StatisticsGroup): z.input<typeof groupResponse> {
  return group;
}

function presentSummary(summary: ProviderSummary): z.input<typeof summaryResponse> {
  const ended = summary.succeeded + summary.failed + summary.canceled;
  return {
    object: 'provider_summary',
    ...summary,
    success_rate: shareOf(summary.succeeded, ended),
    resolved_by_polling_share: shareOf(summary.resolved_by_polling, ended),
  };
}

/** In ten thousandths. */
function shareOf(part: number, whole: number): number | null {
  return whole === 0 ? null : Math.round((part / whole) * 10_000) / 10_000;
}
