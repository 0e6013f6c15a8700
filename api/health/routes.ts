import { z } from 'zod';
import { WARNING_CODES, type WarningCode } from '../../config/warnings.ts';
import { DATABASE_FAULTS, findDatabaseFault, isDatabaseReadOnly } from '../../db/health.ts';
import type { ApiDeps } from '../deps.ts';
import { declare, type Operation } from '../operation.ts';
import { namesOf, objectOf } from '../response.ts';

const tag = 'Health';
const access = { kind: 'open' } as const;
/** These ask the database for whoever comes. */
const limit = 'health';
const state = z.enum(['ok', 'unavailable']);
const statusResponse = z
  .strictObject({ status: state.describe('`ok` as soon as it answers') })
  .meta({ id: 'Liveness' });
const CODES = Object.entries(WARNING_CODES).map(([code, what]) => `\`${code}\`: ${what}.`);
const warningResponse = z
  .strictObject({
    code: namesOf(WARNING_CODES).meta({ description: CODES.join(' ') }),
    detail: z.string().meta({
      description: 'What is wrong, and how to mend it',
      example:
        'A failover of this database can lose committed payments: a standby follows it, and synchronous_standby_names is empty. Set synchronous_standby_names and synchronous_commit = on, or never let that standby take over.',
    }),
  })
  .meta({ id: 'DeploymentWarning' });
const warnings = z.array(warningResponse).meta({
  description:
    'Weaknesses of this deployment that may break a promise of ours; payments are taken all the same. Looked for each minute.',
});
const readyResponse = z
  .strictObject({
    status: z.literal('ok').describe('It can take payments'),
    warnings,
  })
  .meta({ id: 'Ready' });
const REASONS =
  '`database_away`: it does not answer, and is tried again by itself. `schema_missing`: it answers and lacks our schema, or there is no database of this name; create it, and run `npm run migrate`. `database_refused`: it answers and refuses us; see to the user, the password and the grants of `DATABASE_URL`. `database_misconfigured`: the connection would work as another role than ours, or without timeouts, as behind a pooler; the log names the remedy. `draining`: this process ends.';
const unreadyResponse = z
  .strictObject({
    status: z.literal('unavailable').describe('It cannot take payments'),
    reason: z.enum([...DATABASE_FAULTS, 'draining']).meta({ description: REASONS }),
  })
  .meta({ id: 'NotReady' });
const healthResponse = z
  .strictObject({
    object: objectOf('health'),
    status: z
      .enum(['ok', 'degraded', 'unavailable'])
      .describe('`degraded`: payments are taken, and something of what follows is not well'),
    components: z
      .strictObject({
        database: z.enum([...state.options, 'read_only']).meta({
          description: '`read_only`: it takes no writes at the moment, as in a failover',
        }),
        temporal: state.describe('It runs the workflows'),
        sweeper: state.meta({ description: 'Picks up what a crash left between two systems' }),
      })
      .meta({ id: 'HealthComponents' })
      .describe('The parts that payments need'),
    last_sweep_age_seconds: z
      .int()
      .nullable()
      .meta({ description: 'Null: no round of the sweeper has ended, or the database is away' }),
    warnings,
  })
  .meta({ id: 'Health' });
const OF_SWEEPER: readonly WarningCode[] = ['schedule_missing', 'schedule_paused', 'sweeper_late'];
const tell = (isUp: boolean) => (isUp ? 'ok' : 'unavailable');

async function tellDatabase(pool: ApiDeps['pool']) {
  if ((await findDatabaseFault(pool)) !== null) return 'unavailable';
  return await isDatabaseReadOnly(pool).then(
    (isReadOnly) => (isReadOnly ? 'read_only' : 'ok'),
    () => 'unavailable' as const,
  );
}

/** For load balancers and for people. */
export const healthOperations: readonly Operation[] = [
  declare({
    id: 'getLivez',
    method: 'get',
    path: '/livez',
    tag,
    summary: 'This process runs',
    access,
    answers: { 200: { description: 'It does', schema: statusResponse } },
    handle: () => Promise.resolve({ status: 200, body: { status: 'ok' } }),
  }),
  declare({
    id: 'getReadyz',
    method: 'get',
    path: '/readyz',
    tag,
    summary: 'This process can take payments',
    description:
      'That needs the database only: with Temporal away payments are stored, and started later. While the database takes no writes, as in a failover, the process stays ready: callbacks are taken still, and everything can be read.',
    access,
    limit,
    answers: {
      200: { description: 'It can', schema: readyResponse },
      503: { description: 'It cannot yet, or it ends', schema: unreadyResponse },
    },
    async handle({ pool, isDraining, deployment }) {
      const reason = isDraining() ? 'draining' : await findDatabaseFault(pool);
      if (reason === null) {
        return { status: 200, body: { status: 'ok', warnings: [...deployment.state().warnings] } };
      }
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
      200: { description: 'Payments are taken', schema: healthResponse },
      503: {
        description: 'None can be taken',
        schema: healthResponse,
        example: {
          status: 'unavailable',
          components: { database: 'unavailable', temporal: 'ok', sweeper: 'unavailable' },
          last_sweep_age_seconds: null,
          warnings: [],
        },
      },
    },
    async handle({ pool, engine, deployment }) {
      const [database, temporal, found] = await Promise.all([
        tellDatabase(pool),
        engine.isReachable(),
        deployment.look(),
      ]);
      const isTaking = database === 'ok';
      const isThere = database !== 'unavailable';
      const codes = found.warnings.map(({ code }) => code);
      const sweeper = isThere && !codes.some((code) => OF_SWEEPER.includes(code));
      const starts = !codes.includes('search_attributes_missing');
      const isWell = isTaking && temporal && sweeper && starts;
      return {
        status: isTaking ? 200 : 503,
        body: {
          object: 'health',
          status: isWell ? 'ok' : isTaking ? 'degraded' : 'unavailable',
          components: { database, temporal: tell(temporal), sweeper: tell(sweeper) },
          last_sweep_age_seconds: isThere ? found.sweepAgeSeconds : null,
          warnings: [...found.warnings],
        },
      };
    },
  }),
];
