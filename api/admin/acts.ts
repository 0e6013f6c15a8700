import { z } from 'zod';
import { listActs, type StoredAct } from '../../db/operator-acts.ts';
import { ROLES } from '../../domain/access.ts';
import { declare, type Operation } from '../operation.ts';
import { moment, pageQuery, text } from '../schema.ts';
import { findPage, idOf, objectOf, pageOf, textMap, textOrNull, time } from '../shape.ts';
import { readWindow, WINDOW_RULE } from '../window.ts';
import { EXPORT_FORMATS, exportAnswer, exportRows } from './export.ts';
import { SENSITIVE_ACTIONS } from './two-operators.ts';

const tag = 'Operators';

const actShape = z
  .strictObject({
    id: idOf('act'),
    object: objectOf('operator_act'),
    operator_id: z.string().describe('The id of the operator who did it'),
    email: z.string().meta({ description: 'Masked where a sign-in was refused' }),
    role: z.enum(ROLES).nullable().describe('The role at that time; null: nobody was signed in'),
    action: z.string().meta({ description: 'The operation, by its id in this reference' }),
    target: textOrNull.meta({ description: 'The first part of the path that varies' }),
    params: textMap.meta({ description: 'All parts of the path that vary' }),
    asked: z.string().meta({ description: 'The body or query in short; secrets are left out' }),
    request_id: z.string().describe('The id of the request, as in the log'),
    remote_address: z.string().describe('The address that it came from'),
    user_agent: textOrNull.describe('The program that sent it, as it calls itself'),
    status: z.int().nullable().meta({ description: 'Of the answer; null when it was cut off' }),
    at: time.describe('When it was done, in UTC'),
  })
  .meta({ id: 'OperatorAct' });

const actFilters = z.strictObject({
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
  'asked',
  'status',
  'request_id',
  'remote_address',
  'user_agent',
  'id',
] as const;

/** What operators did, and from where. */
export const actOperations: readonly Operation[] = [
  declare({
    id: 'adminListActs',
    method: 'get',
    path: '/api/v1/admin/acts',
    tag,
    summary: 'List what operators did, newest first',
    access: { kind: 'operator', role: 'viewer' },
    query: actFilters.extend(pageQuery.shape),
    answers: { 200: { description: 'A page of acts', schema: pageOf(actShape) } },
    async handle({ pool }, { query }) {
      const { from = null, before = null } = query;
      const filter = { ...readFilter(query), from, before };
      const list = (limit: number, afterId: string | null) =>
        listActs(pool, filter, { afterId, limit });
      return { status: 200, body: await findPage('act', query, list, presentAct) };
    },
  }),
  declare({
    id: 'adminExportActs',
    method: 'get',
    path: '/api/v1/admin/acts/export',
    tag,
    summary: 'Export what operators did as CSV or as lines of JSON',
    description: `With the filters of the list. ${WINDOW_RULE}`,
    access: { kind: 'operator', role: 'operator' },
    isSeen: true,
    query: actFilters.extend({ format: z.enum(EXPORT_FORMATS).default('csv') }),
    answers: { 200: exportAnswer },
    async handle(deps, { query }) {
      const window = readWindow('from', { from: query.from, before: query.before });
      const filter = { ...readFilter(query), ...window };
      return await exportRows(deps, {
        name: `malipo-acts-${window.from.slice(0, 10)}-${window.before.slice(0, 10)}`,
        format: query.format,
        columns: COLUMNS,
        readPage: async (afterId, limit) =>
          (await listActs(deps.pool, filter, { afterId, limit })).map(presentAct),
      });
    },
  }),
];

function readFilter(query: z.output<typeof actFilters>) {
  return {
    target: query.target ?? null,
    operatorId: query.operator_id ?? null,
    action: query.action ?? null,
    actions: query.sensitive === undefined ? null : SENSITIVE_ACTIONS,
  };
}

function presentAct({ details, ...act }: StoredAct): z.input<typeof actShape> {
  const { asked = '', ...params } = details;
  return { object: 'operator_act', ...act, params, asked };
}
