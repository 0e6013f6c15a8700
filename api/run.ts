import { Client, Connection } from '@temporalio/client';
import { type Env, readEnv } from '../config/env.ts';
import { createLog, type Log } from '../config/log.ts';
import { createOutageLog } from '../config/outage-log.ts';
import { readPolicies } from '../config/policies.ts';
import { networkWarnings } from '../config/production.ts';
import { readTemporalConfig } from '../config/temporal.ts';
import { createCallbackTokens } from '../db/callback-token.ts';
import { openLazyPool } from '../db/pool.ts';
import { openRateLimits } from '../db/rate-limits.ts';
import { createVault, sayUnreadable } from '../db/vault.ts';
import {
  faultsOfOwn,
  POLICY_DEFAULTS,
  PROVIDER_NAMES,
  testMoneyOfOwn,
} from '../providers/index.ts';
import { createEngine } from '../temporal/engine.ts';
import { createApp } from './app.ts';
import { watchDeployment } from './health/deployment.ts';
import { openLive } from './live/server.ts';
import { createApiMetrics, serveMetrics } from './metrics.ts';
import { LOCAL_LIMITS } from './middleware/rate-limit.ts';
import { createTurns } from './payments/turns.ts';
import { listen } from './server.ts';
import { createAccessTokens } from './sessions/token.ts';

const POOL_SIZE = 15;
const CALLBACK_POOL_SIZE = 5;
const STATEMENT_TIMEOUT_MS = 10_000;

/**
 * Serves until SIGTERM or SIGINT, then lets requests in progress end; a second signal does not.
 * Neither PostgreSQL nor Temporal has to be there: what needs them says that they are away, and
 * callbacks are kept by the one that is not.
 */
export async function runApi(): Promise<void> {
  const env = readEnv(PROVIDER_NAMES, undefined, ({ providers, environment, hasTokenKeys }) => [
    ...(hasTokenKeys ? [] : ['MALIPO_TOKEN_KEYS: is missing']),
    ...faultsOfOwn(providers, environment),
  ]);
  const log = createLog('api', env.logLevel);
  const { connectionOptions, channelArgs, namespace } = readTemporalConfig(env.temporal);
  const connection = Connection.lazy({ ...connectionOptions, channelArgs });
  const client = new Client({ connection, namespace });
  const { pool, callbackPool } = openPools(env, log);
  const policies = readPolicies(POLICY_DEFAULTS, env.policiesPath);
  const limits = openRateLimits(env.databaseUrl, policies.api.rate_limits, LOCAL_LIMITS);
  const metrics = createApiMetrics(pool);
  const engine = createEngine(client, connection, env.temporalUiUrl, log);
  metrics.watchQueues(() => engine.findQueues(Object.keys(policies.providers)));
  const money = testMoneyOfOwn(env.providers, env.environment);
  const own = [...money, ...networkWarnings(env, connectionOptions)];
  const deployment = watchDeployment({ pool, engine, policies, own, log });
  let isDraining = false;
  const parts = {
    pool,
    callbackPool,
    vault: createVault(env.dataKeys, env.hashKey, sayUnreadable(log)),
    tokens: createCallbackTokens(...env.callbackKeys),
    accessTokens: createAccessTokens(env),
    engine,
    policies,
    limits,
    corsOrigins: env.corsOrigins,
    trustedProxies: env.trustedProxies,
    publicUrl: env.publicUrl,
    environment: env.environment,
    allowsLoopback: env.allowsLoopback,
    providerEnv: env.providers,
    metrics,
    deployment,
    turns: createTurns({ pool, policies, deployment }),
    isDraining: () => isDraining,
    log,
  };
  const live = openLive(parts, env.listenDatabaseUrl);
  const place = { host: env.apiHost, port: env.apiPort, publicUrl: env.publicUrl };
  const server = await listen(createApp(parts), place, live);
  const metered = env.metrics
    ? await serveMetrics(metrics, env.metrics.host, env.metrics.port, log)
    : null;
  log.info({ port: server.port }, 'the API is listening');
  const ending = new AbortController();
  const watching = deployment.run(ending.signal);
  process.send?.({ type: 'ready', port: server.port });
  await untilTold(log);
  isDraining = true;
  ending.abort();
  log.info('the API drains');
  await server.close();
  await metered?.close();
  await watching;
  await parts.engine.untilIdle();
  await Promise.all([pool.end(), callbackPool.end(), limits.close(), connection.close()]);
}

function openPools({ databaseUrl }: Env, log: Log) {
  const outage = createOutageLog(log, {
    failing: 'the API waits for the database',
    working: 'the API has reached the database',
  });
  const common = { databaseUrl, statementTimeoutMs: STATEMENT_TIMEOUT_MS };
  return {
    pool: openLazyPool({ ...common, size: POOL_SIZE }, outage),
    callbackPool: openLazyPool({ ...common, size: CALLBACK_POOL_SIZE }, outage),
  };
}

/** Told by a signal, or by a parent that is gone; told again by a signal, it ends at once. */
function untilTold(log: Log): Promise<void> {
  return new Promise((resolve) => {
    let isTold = false;
    const tell = (signal: NodeJS.Signals) => {
      if (isTold) {
        log.warn({ signal }, 'the API ends at once');
        process.exit(1);
      }
      isTold = true;
      resolve();
    };
    process.on('SIGTERM', tell);
    process.on('SIGINT', tell);
    process.once('disconnect', () => {
      isTold = true;
      resolve();
    });
  });
}
