import { Runtime } from '@temporalio/worker';
import type { ActivityDeps } from '../activities/index.ts';
import { type Env, EnvError, readEnv } from '../config/env.ts';
import { createLog } from '../config/log.ts';
import { readPolicies } from '../config/policies.ts';
import { readTemporalConfig } from '../config/temporal.ts';
import { faultsOfOwn, POLICY_DEFAULTS, PROVIDER_NAMES } from '../providers/index.ts';
import { loadWorkflowBundle } from './bundle.ts';
import { connectTemporal } from './connection.ts';
import { openDeps } from './deps.ts';
import { dispatchDeliveries } from './dispatcher.ts';
import { prepareNamespace } from './namespace.ts';
import { createTemporalLogger } from './temporal-log.ts';
import { runTogether } from './together.ts';
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
  const env = readEnv(PROVIDER_NAMES);
  const faults = faultsOfOwn(env.providers);
  if (faults.length > 0) throw new EnvError(faults);
  const log = createLog('worker', env.logLevel);
  const policies = readPolicies(POLICY_DEFAULTS, env.policiesPath);
  Runtime.install({
    logger: createTemporalLogger(log),
    shutdownSignals: [...SIGNALS],
    ...telemetry(env),
  });
  const { connectionOptions, namespace } = readTemporalConfig(env.temporal);
  const connection = await connectTemporal(connectionOptions, log, toldToEnd());
  if (connection === null) return 0;
  const deps = openDeps(env, connection, namespace, log);
  try {
    await prepareNamespace(connection, deps.temporal, namespace, policies.sweep);
    const workers = await createWorkers({
      connection,
      namespace,
      bundle: await loadWorkflowBundle(),
      deps: adapt(deps),
      providers: policies.providers,
    });
    const running = runTogether(workers, (signal) =>
      dispatchDeliveries(deps, policies.delivery, log, signal),
    );
    process.send?.({ type: 'ready' });
    log.info({ namespace, queues: workers.length }, 'the worker is ready');
    await running;
    return 0;
  } catch (error) {
    log.fatal({ err: error }, 'the worker stops');
    return 1;
  } finally {
    await deps.close();
    await connection.close();
  }
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
  if (workerMetrics === null) return {};
  const bindAddress = `${workerMetrics.host}:${workerMetrics.port}`;
  return { telemetryOptions: { metrics: { prometheus: { bindAddress } } } };
}
