import { z } from 'zod';
import {
  insertOperator,
  listOperators,
  type Operator,
  updateOperator,
} from '../../db/operators.ts';
import { hashPassword } from '../../db/password.ts';
import { ROLES } from '../../domain/access.ts';
import { isId } from '../../domain/id.ts';
import { ApiError } from '../errors.ts';
import { declare, type Operation } from '../operation.ts';
import {
  createdAt,
  findPage,
  idOf,
  objectOf,
  pageOf,
  stringOf,
  textOrNull,
  time,
  timeOrNull,
} from '../response.ts';
import { pageQuery, newPassword as password, text } from '../schema.ts';
import { WHO_KNOWS_A_PASSWORD } from './two-operators.ts';

const tag = 'Operators';
const ruling = { kind: 'operator', role: 'admin' } as const;

const role = z.enum(ROLES).meta({
  description: 'What the operator may do: `viewer` reads, `operator` acts as well, `admin` all',
  example: 'operator',
});
const operatorResponse = z
  .strictObject({
    id: idOf('operator'),
    object: objectOf('operator'),
    email: stringOf('The e-mail address to sign in with', 'you@example.com'),
    name: stringOf('The operator’s name', 'A colleague'),
    role,
    active: z.boolean().meta({ description: 'Whether the operator can sign in', example: true }),
    last_signed_in_at: timeOrNull.describe('When the operator last signed in; null: not yet'),
    password_set_by: textOrNull.meta({
      description:
        'Who chose it: an operator’s id, cli for npm run admin; null: the operator itself',
    }),
    password_set_at: time.describe('When the password was set, in UTC'),
    created_at: createdAt,
  })
  .meta({ id: 'Operator' });

/** Operators themselves: who may look, act and rule. */
export const operatorOperations: readonly Operation[] = [
  declare({
    id: 'adminListOperators',
    method: 'get',
    path: '/api/v1/admin/operators',
    tag,
    summary: 'List operators, newest first',
    access: ruling,
    query: pageQuery,
    answers: { 200: { description: 'A page of operators', schema: pageOf(operatorResponse) } },
    async handle({ pool }, { query }) {
      const list = (limit: number, beforeId: string | null) => listOperators(pool, beforeId, limit);
      return { status: 200, body: await findPage('operator', query, list, presentOperator) };
    },
  }),
  declare({
    id: 'adminCreateOperator',
    method: 'post',
    path: '/api/v1/admin/operators',
    tag,
    summary: 'Create an operator',
    access: ruling,
    body: z
      .strictObject({
        email: z.email().max(254).describe('To sign in with, 254 characters at most'),
        name: text(200).describe('The operator’s name, 200 characters at most'),
        role,
        password,
      })
      .meta({
        example: {
          email: 'colleague@example.com',
          name: 'A colleague',
          role: 'viewer',
          password: 'a long pass phrase',
        },
      }),
    answers: { 201: { description: 'The operator', schema: operatorResponse } },
    problems: ['email_taken'],
    async handle({ pool }, { body, caller }) {
      const { password: plain, ...next } = body;
      const operator = await insertOperator(pool, {
        ...next,
        password: { hash: await hashPassword(plain), setBy: caller.operatorId },
      });
      if (operator === null) throw new ApiError('email_taken', 'an operator has this address');
      return { status: 201, body: presentOperator(operator) };
    },
  }),
  declare({
    id: 'adminUpdateOperator',
    method: 'patch',
    path: '/api/v1/admin/operators/{id}',
    tag,
    summary: 'Change an operator’s role or password, or switch it off',
    description: `A new password, or being switched off, ends all sessions of the operator. ${WHO_KNOWS_A_PASSWORD} So an admin changes its own at POST /api/v1/sessions/password.`,
    access: ruling,
    body: z
      .strictObject({
        role: role.optional(),
        active: z.boolean().optional().describe('`false`: the operator cannot sign in'),
        password: password.optional(),
      })
      .meta({ example: { role: 'operator' } }),
    answers: { 200: { description: 'The operator', schema: operatorResponse } },
    async handle({ pool }, { param, body, caller }) {
      const id = param('id');
      if (id === caller.operatorId && (body.active === false || body.role !== undefined)) {
        throw new ApiError('forbidden', 'another admin has to change your role or switch you off');
      }
      if (id === caller.operatorId && body.password !== undefined) {
        throw new ApiError('forbidden', 'change your own at POST /api/v1/sessions/password');
      }
      const { password: plain, ...rest } = body;
      const next =
        plain === undefined
          ? undefined
          : { hash: await hashPassword(plain), setBy: caller.operatorId };
      const changes = { ...rest, password: next };
      const operator = isId('operator', id) ? await updateOperator(pool, id, changes) : null;
      if (operator === null) throw new ApiError('not_found', 'no operator has this id');
      return { status: 200, body: presentOperator(operator) };
    },
  }),
];

function presentOperator(operator: Operator): z.input<typeof operatorResponse> {
  return { object: 'operator', ...operator };
}
