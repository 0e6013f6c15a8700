import { z } from 'zod';
import { listActs, type StoredAct } from '../../db/operator-activity.ts';
import { ROLES } from '../../domain/access.ts';
import { declare, type Operation } from '../operation.ts';
import {
  exampleId,
  findPage,
  idOf,
  objectOf,
  pageOf,
  stringOf,
  stringOrNullOf,
  textMap,
  time,
} from '../response.ts';
import { moment, pageQuery, text } from '../schema.ts';
import { readWindow, WINDOW_RULE } from '../window.ts';
import { EXPORT_FORMATS, exportAnswer, exportRows } from './export.ts';
import { SENSITIVE_ACTIONS } from './two-operators.ts';

const tag = 'Operators';

const activityResponse = z
  .strictObject({
    id: idOf('act'),
    object: objectOf('operator_activity'),
    operator_id: stringOf('The id of the operator who did it', exampleId('operator')),
    email: stringOf('Masked where a sign-in was refused', 'you@example.com'),
    role: z.enum(ROLES).nullable().meta({
      description: 'The role at that time; null: nobody was signed in',
      example: 'operator',
    }),
    action: stringOf('The operation, by its id in this reference', 'adminDecidePayment'),
    target: stringOrNullOf('The first part of the path that varies', exampleId('payment')),
    params: textMap.meta({
      description: 'All parts of the path that vary',
      example: { id: exampleId('payment') },
    }),
    request_summary: stringOf(
      'The body or query in short; secrets are left out',
      '{"decision":"succeeded","reason":"the portal shows it"}',
    ),
    request_id: stringOf('The id of the request, as in the log', exampleId('request')),
    remote_address: stringOf('The address that it came from', '203.0.113.7'),
    user_agent: stringOrNullOf('The program that sent it, as it calls itself', 'curl/8.7.1'),
    status: z
      .int()
      .nullable()
      .meta({ description: 'Of the answer; null when it was cut off', example: 200 }),
    at: time.describe('When it was done, in UTC'),
  })
  .meta({ id: 'OperatorActivity' });

const activityFilters = z.strictObject({
  target: text(100).optional(),
  operator_id: text(100).optional(),
  action: text(100).optional(),
  sensitive: z.literal('true').optional().meta({
    description: 'Only what moves money or rights, and what all admins are told of',
  }),
  from: moment.optional(),
  before: moment.optional(),
});

const COLUMNS = [
  'at',
  'operator_id',
  'email',
  'role',
  'action',
  'target',
  'params',
  'request_summary',
  'status',
  'request_id',
  'remote_address',
  'user_agent',
  'id',
] as const;

/** What operators did, and from where. */
export const activityOperations: readonly Operation[] = [
  declare({
    id: 'adminListActivity',
    method: 'get',
    path: '/api/v1/admin/activity',
    tag,
    summary: 'List what operators did, newest first',
    access: { kind: 'operator', role: 'viewer' },
    query: activityFilters.extend(pageQuery.shape),
    answers: { 200: { description: 'A page of acts', schema: pageOf(activityResponse) } },
    async handle({ pool }, { query }) {
      const { from = null, before = null } = query;
      const filter = { ...readFilter(query), from, before };
      const list = (limit: number, afterId: string | null) =>
        listActs(pool, filter, { afterId, limit });
      return { status: 200, body: await findPage('act', query, list, presentActivity) };
    },
  }),
  declare({
    id: 'adminExportActivity',
    method: 'get',
    path: '/api/v1/admin/activity/export',
    tag,
    summary: 'Export what operators did as CSV or as lines of JSON',
    description: `With the filters of the list. ${WINDOW_RULE}`,
    access: { kind: 'operator', role: 'operator' },
    audited: true,
    query: activityFilters.extend({ format: z.enum(EXPORT_FORMATS).default('csv') }),
    answers: { 200: exportAnswer },
    async handle(deps, { query }) {
      const window = readWindow('from', { from: query.from, before: query.before });
      const filter = { ...readFilter(query), ...window };
      return await exportRows(deps, {
        name: `malipo-acts-${window.from.slice(0, 10)}-${window.before.slice(0, 10)}`,
        format: query.format,
        columns: COLUMNS,
        readPage: async (afterId, limit) =>
          (await listActs(deps.pool, filter, { afterId, limit })).map(presentActivity),
      });
    },
  }),
];

function readFilter(query: z.output<typeof activityFilters>) {
  return {
    target: query.target ?? null,
    operatorId: query.operator_id ?? null,
    action: query.action ?? null,
    actions: query.sensitive === undefined ? null : SENSITIVE_ACTIONS,
  };
}

function presentActivity({ details, ...act }: StoredAct): z.input<typeof activityResponse> {
  const { request_summary = '', ...params } = details;
  return { object: 'operator_activity', ...act, params, request_summary };
}
