import { join } from 'node:path';
import type { Home } from './home.ts';
import { startNodeChild } from './node-child.ts';
import { type RunningPostgres, startPostgres } from './postgres.ts';
import type { Service } from './supervisor.ts';
import { startTemporal } from './temporal.ts';

/** A child's environment; undefined takes a variable of ours away from it. */
export type ChildEnv = Readonly<Record<string, string | undefined>>;

/** What the simulator's settings are is the simulator's to say and to check. */
export type SimulatorSettings = Readonly<Record<string, unknown>>;

// The worker makes its workflow bundle first, on a busy machine for a while.
const PROGRAM_READY_MS = 60_000;

export function describePostgres(
  home: Home,
  port: number,
  flags: readonly string[],
  say: (line: string) => void,
): Service & { readonly url: string } {
  const logPath = join(home.logsDir, 'postgres.log');
  return {
    name: 'postgres',
    url: `postgres://malipo@127.0.0.1:${port}/postgres`,
    start: (onSpawn): Promise<RunningPostgres> =>
      startPostgres({ dataDir: home.postgresDir, port, logPath, flags, say, onSpawn }),
  };
}

export function describeTemporal(
  home: Home,
  server: { readonly cliPath: string; readonly port: number; readonly uiPort: number },
): Service {
  const logPath = join(home.logsDir, 'temporal.log');
  const fixed = { dbPath: home.temporalDb, logPath, namespace: 'default' };
  return {
    name: 'temporal',
    start: (onSpawn) => startTemporal({ ...server, ...fixed, onSpawn }),
  };
}

export function describeSimulator(
  home: Home,
  simulator: {
    readonly provider: string;
    readonly port: number;
    readonly settings: SimulatorSettings;
    readonly webhookUrl: string;
  },
): Service {
  const { provider, port, settings, webhookUrl } = simulator;
  return describeProgram(home, {
    name: `simulator_${provider}`,
    title: `The ${provider} simulator`,
    file: 'sandbox/simulator-main.ts',
    env: {
      MALIPO_SIMULATOR_PROVIDER: provider,
      MALIPO_SIMULATOR_PORT: String(port),
      MALIPO_SIMULATOR_LEDGER: join(home.simulatorsDir, `${provider}.jsonl`),
      MALIPO_SIMULATOR_SETTINGS: JSON.stringify(settings),
      MALIPO_SIMULATOR_WEBHOOK_URL: webhookUrl,
    },
  });
}

/** What a program of ours is started with. */
export type Setting = { readonly env: ChildEnv; readonly metricsPort: number };

export function describeWorker(
  home: Home,
  { env, metricsPort }: Setting,
  file = 'worker/main.ts',
): Service {
  return describeProgram(home, {
    name: 'worker',
    title: 'The worker',
    file,
    env: {
      ...env,
      MALIPO_METRICS_WORKER_PORT: String(metricsPort),
      // Its supervisor knows how it is; several sandboxes may share the machine.
      MALIPO_WORKER_HEALTH_PORT: '0',
    },
  });
}

/** @param index 0 for the public one. */
export function describeApi(
  home: Home,
  index: number,
  url: string,
  { env, metricsPort }: Setting,
): Service {
  return describeProgram(home, {
    name: index === 0 ? 'api' : `api_${index + 1}`,
    title: 'The API',
    file: 'api/main.ts',
    env: {
      ...env,
      MALIPO_API_PORT: new URL(url).port,
      MALIPO_METRICS_PORT: String(metricsPort),
    },
    healthUrl: `${url}/readyz`,
  });
}

type Program = {
  readonly name: string;
  readonly title: string;
  readonly file: string;
  readonly env: ChildEnv;
  readonly healthUrl?: string;
};

function describeProgram(home: Home, program: Program): Service {
  const { name, ...rest } = program;
  const logPath = join(home.logsDir, `${name}.log`);
  return {
    name,
    start: (onSpawn) =>
      startNodeChild({ ...rest, logPath, readyLimitMs: PROGRAM_READY_MS, onSpawn }),
  };
}
