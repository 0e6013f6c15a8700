import { type NativeConnection, Runtime } from '@temporalio/worker';
import type { ActivityDeps } from '../activities/index.ts';
import { type Env, readEnv } from '../config/env.ts';
import { createLog, type Log } from '../config/log.ts';
import { createOutageLog, type OutageLog } from '../config/outage-log.ts';
import { type Policies, readPolicies } from '../config/policies.ts';
import { networkWarnings } from '../config/production.ts';
import { readTemporalConfig } from '../config/temporal.ts';
import type { Warning } from '../config/warnings.ts';
import {
  faultsOfOwn,
  POLICY_DEFAULTS,
  PROVIDER_NAMES,
  testMoneyOfOwn,
} from '../providers/index.ts';
import { loadWorkflowBundle } from './bundle.ts';
import { connectTemporal } from './connection.ts';
import { openDeps, type WorkerDeps } from './deps.ts';
import { dispatchDeliveries } from './dispatcher.ts';
import { serveHealth, type WorkerParts } from './health.ts';
import { createTemporalLogger } from './temporal-log.ts';
import { runTogether } from './together.ts';
import { createWatch } from './watch.ts';
import { createWorkers } from './workers.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Runs until SIGTERM or SIGINT: then running activities get their grace time. It waits for
 * Temporal; without PostgreSQL it works as far as that goes.
 * @param adapt lets tests put failures between the steps; the product passes nothing.
 * @returns the exit code.
 */
export async function runWorker(
  adapt: (deps: ActivityDeps) => ActivityDeps = (deps) => deps,
): Promise<number> {
  const env = readEnv(PROVIDER_NAMES, undefined, ({ providers, environment }) =>
    faultsOfOwn(providers, environment),
  );
  const log = createLog('worker', env.logLevel);
  const policies = readPolicies(POLICY_DEFAULTS, env.policiesPath);
  const outage = createOutageLog(log, {
    failing: 'the worker waits for Temporal',
    working: 'the worker has reached Temporal',
  });
  Runtime.install({
    logger: createTemporalLogger(log, outage),
    shutdownSignals: [...SIGNALS],
    ...telemetry(env),
  });
  const { connectionOptions, namespace } = readTemporalConfig(env.temporal);
  const parts: WorkerParts = {};
  const health = serveHealth(env.workerHealth, parts, log);
  const connection = await connectTemporal(connectionOptions, outage, toldToEnd());
  if (connection === null) return 0;
  const deps = openDeps(env, connection, namespace, log);
  try {
    const own = [
      ...testMoneyOfOwn(env.providers, env.environment),
      ...networkWarnings(env, connectionOptions),
    ];
    await work({ own, policies, connection, namespace, deps, adapt, parts, log, outage });
    return 0;
  } catch (error) {
    log.fatal({ err: error }, 'the worker stops');
    return 1;
  } finally {
    await health.close();
    await deps.close();
    await connection.close();
  }
}

type Work = {
  /** What was wrong from the start. */
  readonly own: readonly Warning[];
  readonly policies: Policies;
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly deps: WorkerDeps;
  readonly adapt: (deps: ActivityDeps) => ActivityDeps;
  readonly parts: WorkerParts;
  readonly log: Log;
  readonly outage: OutageLog;
};

/** From the first look at the namespace until the workers have ended. */
async function work(given: Work): Promise<void> {
  const { own, policies, connection, namespace, deps, parts, log, outage } = given;
  const watch = createWatch(
    {
      operator: connection.operatorService,
      schedule: deps.temporal.schedule,
      namespace,
      policy: policies.sweep,
    },
    { pool: deps.pool, own },
    { log, outage },
  );
  Object.assign(parts, { connection, pool: deps.pool, warnings: watch.warnings });
  await watch.look();
  const workers = await createWorkers({
    connection,
    namespace,
    bundle: await loadWorkflowBundle(),
    deps: given.adapt(deps),
    providers: policies.providers,
    deliveryLimits: policies.delivery_limits,
  });
  const running = runTogether(workers, async (signal) => {
    await Promise.all([
      dispatchDeliveries(deps, policies.delivery, policies.delivery_limits, log, signal),
      watch.run(signal),
    ]);
  });
  parts.workers = workers;
  process.send?.({ type: 'ready' });
  log.info({ namespace, queues: workers.length }, 'the worker is ready');
  await running;
}

/** Workers that run hear the same signals by themselves. */
function toldToEnd(): AbortSignal {
  const told = new AbortController();
  const tell = () => {
    told.abort();
    // Told again, the process ends at once, as it does by itself.
    for (const signal of SIGNALS) process.off(signal, tell);
  };
  for (const signal of SIGNALS) process.on(signal, tell);
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  return told.signal;
}

/** The SDK's own metrics: activities by type and queue, so by provider, with their outcomes. */
function telemetry({ workerMetrics }: Env) {
  // Its native part would write to the terminal by itself, in a form of its own.
  const logging = { forward: {} };
  if (workerMetrics === null) return { telemetryOptions: { logging } };
  const bindAddress = `${workerMetrics.host}:${workerMetrics.port}`;
  return { telemetryOptions: { logging, metrics: { prometheus: { bindAddress } } } };
}
