import { z } from 'zod';
import { DATABASE_FAULTS, findDatabaseFault } from '../../db/health.ts';
import { declare, type Operation } from '../operation.ts';

const tag = 'Health';
const access = { kind: 'open' } as const;
/** These ask the database for whoever comes. */
const limit = 'health';
const state = z.enum(['ok', 'unavailable']);
const statusShape = z.strictObject({ status: state });
const REASONS =
  '`database_away`: it does not answer, and is tried again by itself. `schema_missing`: it answers and lacks our schema, or there is no database of this name; create it, and run `npm run migrate`. `database_refused`: it answers and refuses us; see to the user, the password and the grants of `DATABASE_URL`. `draining`: this process ends.';
const unreadyShape = z.strictObject({
  status: z.literal('unavailable'),
  reason: z.enum([...DATABASE_FAULTS, 'draining']).meta({ description: REASONS }),
});
const healthShape = z.strictObject({
  object: z.literal('health'),
  status: z.enum(['ok', 'degraded', 'unavailable']),
  components: z.strictObject({ database: state, temporal: state }),
});
const tell = (isUp: boolean) => (isUp ? 'ok' : 'unavailable');

/** For load balancers and for people. */
export const healthOperations: readonly Operation[] = [
  declare({
    id: 'getLivez',
    method: 'get',
    path: '/livez',
    tag,
    summary: 'This process turns',
    access,
    answers: { 200: { description: 'It does', schema: statusShape } },
    handle: () => Promise.resolve({ status: 200, body: { status: 'ok' } }),
  }),
  declare({
    id: 'getReadyz',
    method: 'get',
    path: '/readyz',
    tag,
    summary: 'This process can take payments',
    description:
      'That needs the database only: with Temporal away payments are stored, and started later.',
    access,
    limit,
    answers: {
      200: { description: 'It can', schema: statusShape },
      503: { description: 'It cannot yet, or it ends', schema: unreadyShape },
    },
    async handle({ pool, isDraining }) {
      const reason = isDraining() ? 'draining' : await findDatabaseFault(pool);
      if (reason === null) return { status: 200, body: { status: 'ok' } };
      return { status: 503, body: { status: 'unavailable', reason } };
    },
  }),
  declare({
    id: 'getHealth',
    method: 'get',
    path: '/api/v1/health',
    tag,
    summary: 'How each part is',
    access,
    limit,
    answers: {
      200: { description: 'Payments are taken', schema: healthShape },
      503: {
        description: 'None can be taken',
        schema: healthShape,
        example: {
          status: 'unavailable',
          components: { database: 'unavailable', temporal: 'ok' },
        },
      },
    },
    async handle({ pool, engine }) {
      const [fault, temporal] = await Promise.all([findDatabaseFault(pool), engine.isReachable()]);
      const database = fault === null;
      return {
        status: database ? 200 : 503,
        body: {
          object: 'health',
          status: database && temporal ? 'ok' : database ? 'degraded' : 'unavailable',
          components: { database: tell(database), temporal: tell(temporal) },
        },
      };
    },
  }),
];
