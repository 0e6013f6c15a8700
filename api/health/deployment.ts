import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../config/log.ts';
import type { Policies } from '../../config/policies.ts';
import { createWarningLog, type Warning } from '../../config/warnings.ts';
import { findDatabaseRisks } from '../../db/deployment.ts';
import type { Pool } from '../../db/pool.ts';
import { findSweepAge } from '../../db/sweep-rounds.ts';
import { SWEEP_SCHEDULE_ID } from '../../workflows/messages.ts';
import type { Engine } from '../engine.ts';

/** How the deployment around this process is. */
export type DeploymentState = {
  /** Seconds since the sweeper's last round; null when none ever ended, or nobody can tell. */
  readonly sweepAgeSeconds: number | null;
  readonly warnings: readonly Warning[];
};

export type Deployment = {
  /** What the last look found. */
  readonly state: () => DeploymentState;
  /** One look; several at once are one. */
  look(): Promise<DeploymentState>;
  /** The live feed tells whether PostgreSQL's notifications reach it. */
  readonly setHearing: (isHearing: boolean) => void;
  /** Looks at once and each minute, more often while the sweeper is late; until the signal. */
  run(signal: AbortSignal): Promise<void>;
};

type Parts = {
  readonly pool: Pool;
  readonly engine: Pick<Engine, 'findNamespaceWarnings'>;
  readonly policies: Pick<Policies, 'sweep'>;
  /** What was wrong from the start. */
  readonly own: readonly Warning[];
  readonly log: Log;
};

const LOOK_EVERY_MS = 60_000;
/** A first round ends some seconds after the worker starts: its warning should not last longer. */
const LOOK_AGAIN_MS = 5_000;
const UNHEARD: Warning = {
  code: 'notifications_unheard',
  detail:
    'Notifications of PostgreSQL do not reach this process, so live events come up to a second late. If a pooler such as PgBouncer stands between, set MALIPO_LISTEN_DATABASE_URL to PostgreSQL’s own address.',
};

export function watchDeployment({ pool, engine, policies, own, log }: Parts): Deployment {
  const tell = createWarningLog(log);
  // A look may be a minute old, and a round that had nothing to do must not be missed.
  const lateAfterSeconds = 60 + (policies.sweep.every_ms * 4) / 1000;
  let isHearing = true;
  let looking: Promise<DeploymentState> | null = null;
  let state: DeploymentState = { sweepAgeSeconds: null, warnings: own };
  const findRisks = keepLast(() => findDatabaseRisks(pool));
  const findLacking = keepLast(() => engine.findNamespaceWarnings());
  let late: readonly Warning[] = [];
  const find = async (): Promise<DeploymentState> => {
    const [age, lacking, risks] = await Promise.all([
      findSweepAge(pool).catch(() => 'unknown' as const),
      findLacking(),
      findRisks(),
    ]);
    if (age !== 'unknown') late = age === null || age > lateAfterSeconds ? [lateWarning(age)] : [];
    const warnings = [...lacking, ...late, ...risks, ...(isHearing ? [] : [UNHEARD]), ...own];
    state = { sweepAgeSeconds: age === 'unknown' ? null : age, warnings };
    tell(warnings);
    return state;
  };
  const look = () => {
    looking ??= find().finally(() => {
      looking = null;
    });
    return looking;
  };
  return {
    state: () => state,
    look,
    setHearing: (hears) => {
      isHearing = hears;
    },
    async run(signal) {
      while (!signal.aborted) {
        const { warnings } = await look();
        const isLate = warnings.some(({ code }) => code === 'sweeper_late');
        const pauseMs = isLate ? LOOK_AGAIN_MS : LOOK_EVERY_MS;
        await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      }
    },
  };
}

/** A look that gets no answer repairs nothing: what the last answer said still counts. */
function keepLast(find: () => Promise<readonly Warning[]>): () => Promise<readonly Warning[]> {
  let last: readonly Warning[] = [];
  return async () => {
    last = await find().catch(() => last);
    return last;
  };
}

function lateWarning(age: number | null): Warning {
  const since =
    age === null
      ? 'No round of the sweeper has ended yet'
      : `The sweeper’s last round ended ${age} s ago`;
  const detail = `${since}. Payments that a crash left without a workflow wait. Is a worker running, and the schedule ${SWEEP_SCHEDULE_ID} there?`;
  return { code: 'sweeper_late', detail };
}
