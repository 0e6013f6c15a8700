import { z } from 'zod';
import { listActs, type StoredAct } from '../../db/operator-acts.ts';
import { ROLES } from '../../domain/access.ts';
import { declare, type Operation } from '../operation.ts';
import { pageQuery, text } from '../schema.ts';
import { makeCursor, pageOf, presentPage, readCursor, textOrNull, time } from '../shape.ts';

const actShape = z
  .strictObject({
    id: z.string(),
    object: z.literal('operator_act'),
    operator_id: z.string(),
    email: z.string(),
    role: z.enum(ROLES),
    action: z.string().meta({ description: 'The operation, by its id in this reference' }),
    target: textOrNull,
    asked: z.string().meta({ description: 'The body in short; secrets are left out' }),
    request_id: z.string(),
    remote_address: z.string(),
    user_agent: textOrNull,
    status: z.int().nullable().meta({ description: 'Of the answer; null when it was cut off' }),
    at: time,
  })
  .meta({ id: 'OperatorAct' });

/** What operators did, and from where. */
export const actOperations: readonly Operation[] = [
  declare({
    id: 'adminListActs',
    method: 'get',
    path: '/api/v1/admin/acts',
    tag: 'Operators',
    summary: 'List what operators did, newest first',
    access: { kind: 'operator', role: 'viewer' },
    query: pageQuery.extend({
      target: text(100).optional(),
      operator_id: text(100).optional(),
    }),
    answers: { 200: { description: 'A page of acts', schema: pageOf(actShape) } },
    async handle({ pool }, { query }) {
      const acts = await listActs(pool, {
        target: query.target ?? null,
        operatorId: query.operator_id ?? null,
        beforeId: query.cursor === undefined ? null : readCursor('act', query.cursor),
        limit: query.limit + 1,
      });
      const body = presentPage(acts, query.limit, presentAct, ({ id }) => makeCursor(id));
      return { status: 200, body };
    },
  }),
];

function presentAct({ details, ...act }: StoredAct): z.input<typeof actShape> {
  return { object: 'operator_act', ...act, asked: details.asked ?? '' };
}
