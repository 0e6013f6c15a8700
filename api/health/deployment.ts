import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../config/log.ts';
import type { Policies } from '../../config/policies.ts';
import { createWarningLog, type Warning } from '../../config/warnings.ts';
import { findDatabaseRisks } from '../../db/deployment.ts';
import type { Pool } from '../../db/pool.ts';
import { findSweepAge } from '../../db/sweep-rounds.ts';
import type { Engine } from '../../temporal/engine.ts';
import type { Fairness } from '../../temporal/fairness.ts';
import { SWEEP_SCHEDULE_ID } from '../../workflows/messages.ts';

/** How the deployment around this process is. */
export type DeploymentState = {
  /** Seconds since the sweeper's last round; null when none ever ended, or nobody can tell. */
  readonly sweepAgeSeconds: number | null;
  /** Whether merchants take turns at a provider; null while Temporal does not answer. */
  readonly fairness: Fairness | null;
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
  readonly engine: Pick<Engine, 'findNamespaceWarnings' | 'findFairness'>;
  readonly policies: Pick<Policies, 'sweep' | 'api'>;
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
const LIMITED =
  'Until then one merchant may have fewer charges waiting (api.waiting_charges.unfair_ms of the policies).';
const FAIRNESS_WARNINGS: Readonly<Record<Fairness, readonly Warning[]>> = {
  on: [],
  off: [
    {
      code: 'fairness_off',
      detail: `Temporal hands out calls to providers first come, first served, so a merchant with many charges makes all others wait. Set matching.enableFairness to true in the server’s dynamic configuration. ${LIMITED}`,
    },
  ],
  unknown: [
    {
      code: 'fairness_unknown',
      detail: `Temporal does not tell this process whether fairness is on, without which a merchant with many charges makes all others wait. See to it that it is, and say so by api.waiting_charges.fairness: on in the policies. ${LIMITED}`,
    },
  ],
};

export function watchDeployment({ pool, engine, policies, own, log }: Parts): Deployment {
  const tell = createWarningLog(log);
  // A look may be a minute old, and a round that had nothing to do must not be missed.
  const lateAfterSeconds = 60 + (policies.sweep.interval_ms * 4) / 1000;
  let isHearing = true;
  let looking: Promise<DeploymentState> | null = null;
  let state: DeploymentState = { sweepAgeSeconds: null, fairness: null, warnings: own };
  const findRisks = keepLast(() => findDatabaseRisks(pool));
  const findLacking = keepLast(() => engine.findNamespaceWarnings());
  const { fairness: stated } = policies.api.waiting_charges;
  const findFairness = () =>
    stated === 'ask' ? engine.findFairness().catch(() => null) : Promise.resolve(stated);
  let late: readonly Warning[] = [];
  let unfair: readonly Warning[] = [];
  const find = async (): Promise<DeploymentState> => {
    const [age, lacking, risks, fairness] = await Promise.all([
      findSweepAge(pool).catch(() => 'unknown' as const),
      findLacking(),
      findRisks(),
      findFairness(),
    ]);
    if (age !== 'unknown') late = age === null || age > lateAfterSeconds ? [lateWarning(age)] : [];
    if (fairness !== null) unfair = FAIRNESS_WARNINGS[fairness];
    const unheard = isHearing ? [] : [UNHEARD];
    const warnings = [...lacking, ...late, ...unfair, ...risks, ...unheard, ...own];
    state = { sweepAgeSeconds: age === 'unknown' ? null : age, fairness, warnings };
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
