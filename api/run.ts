import { Client, Connection } from '@temporalio/client';
import { EnvError, readEnv } from '../config/env.ts';
import { createLog, type Log } from '../config/log.ts';
import { readPolicies } from '../config/policies.ts';
import { readTemporalConfig } from '../config/temporal.ts';
import { createCallbackTokens } from '../db/callback-token.ts';
import { openLazyPool } from '../db/pool.ts';
import { openRateLimits } from '../db/rate-limits.ts';
import { createVault, sayUnreadable } from '../db/vault.ts';
import { faultsOfOwn, POLICY_DEFAULTS, PROVIDER_NAMES } from '../providers/index.ts';
import { createApp } from './app.ts';
import { createEngine } from './engine.ts';
import { openLive } from './live/server.ts';
import { createApiMetrics, serveMetrics } from './metrics.ts';
import { LOCAL_LIMITS } from './middleware/rate-limit.ts';
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
  const env = readEnv(PROVIDER_NAMES);
  const faults = [
    ...(env.tokenKeys.length === 0 ? ['MALIPO_TOKEN_KEYS: is missing'] : []),
    ...faultsOfOwn(env.providers),
  ];
  if (faults.length > 0) throw new EnvError(faults);
  const log = createLog('api', env.logLevel);
  const { connectionOptions, namespace } = readTemporalConfig(env.temporal);
  const connection = Connection.lazy(connectionOptions);
  const client = new Client({ connection, namespace });
  const { databaseUrl } = env;
  const statementTimeoutMs = STATEMENT_TIMEOUT_MS;
  const open = (size: number) =>
    openLazyPool({ databaseUrl, statementTimeoutMs, size }, (err) =>
      log.error({ err }, 'the API waits for the database'),
    );
  const pool = open(POOL_SIZE);
  const callbackPool = open(CALLBACK_POOL_SIZE);
  const policies = readPolicies(POLICY_DEFAULTS, env.policiesPath);
  const limits = openRateLimits(databaseUrl, policies.api.rate_limits, LOCAL_LIMITS);
  const metrics = createApiMetrics(pool);
  let isDraining = false;
  const parts = {
    pool,
    callbackPool,
    vault: createVault(env.dataKeys, env.hashKey, sayUnreadable(log)),
    tokens: createCallbackTokens(env.hashKey),
    accessTokens: createAccessTokens(env),
    engine: createEngine(client, connection, env.temporalUiUrl, log),
    policies,
    limits,
    corsOrigins: env.corsOrigins,
    trustedProxies: env.trustedProxies,
    publicUrl: env.publicUrl,
    environment: env.environment,
    providerEnv: env.providers,
    metrics,
    isDraining: () => isDraining,
    log,
  };
  const live = openLive(parts, databaseUrl);
  const place = { host: env.apiHost, port: env.apiPort, publicUrl: env.publicUrl };
  const server = await listen(createApp(parts), place, live);
  const metered = env.metrics
    ? await serveMetrics(metrics, env.metrics.host, env.metrics.port, log)
    : null;
  log.info({ port: server.port }, 'the API is listening');
  process.send?.({ type: 'ready', port: server.port });
  await untilTold(log);
  isDraining = true;
  log.info('the API drains');
  await server.close();
  await metered?.close();
  await parts.engine.untilIdle();
  await Promise.all([pool.end(), callbackPool.end(), limits.close(), connection.close()]);
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
