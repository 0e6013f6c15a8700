import { migrate } from '../db/migrate.ts';
import { PROVIDER_NAMES } from '../providers/index.ts';
import { ensureDatabase } from './database.ts';
import { describeError, StartFailure } from './failure.ts';
import { type Home, loadSecrets, type Secrets } from './home.ts';
import { pickPort } from './ports.ts';
import { seed } from './seed.ts';
import * as services from './services.ts';
import { listCredentials, loadSimulator } from './simulators.ts';
import type { Service, Supervisor } from './supervisor.ts';
import { knock } from './temporal.ts';
import { describeMisses, MEND_CLI, resolveTemporalCli } from './temporal-binaries.ts';
import { DEFAULT_PORTS, type WorldOptions } from './world-options.ts';

export type BootContext = {
  readonly options: WorldOptions;
  readonly home: Home;
  readonly supervisor: Supervisor;
  readonly say: (line: string) => void;
};

/** Where everything turned out to be. */
export type Booted = {
  readonly databaseUrl: string;
  readonly temporal: TemporalPlace;
  readonly simulators: readonly BootedSimulator[];
  readonly apiUrls: readonly string[];
  /** Where Prometheus reads each process, by the name of its service. */
  readonly metricsUrls: Readonly<Record<string, string>>;
  readonly secrets: Secrets;
};

type TemporalPlace = {
  readonly address: string;
  readonly namespace: string;
  readonly uiUrl: string | null;
};

type BootedSimulator = {
  readonly name: string;
  readonly url: string;
  readonly page: string | null;
  readonly credentials: Readonly<Record<string, string>>;
};

/** Starts the parts in order, each ready before the next. */
export async function bootWorld(context: BootContext): Promise<Booted> {
  const secrets = loadSecrets(context.home);
  const databaseUrl = await step(context, 'PostgreSQL', () => bootDatabase(context));
  await step(context, 'migrations', () => runMigrations(databaseUrl));
  const temporal = await step(context, 'Temporal', () => bootTemporal(context));
  const apiUrls = await pickApiUrls(context);
  const simulators: BootedSimulator[] = [];
  for (const name of PROVIDER_NAMES) {
    simulators.push(
      await step(context, `${name} simulator`, () => bootSimulator(context, name, apiUrls)),
    );
  }
  const env = listEnvironment({ databaseUrl, temporal, simulators, apiUrls, secrets }, context);
  const metricsUrls = await bootPrograms(context, env, apiUrls);
  await step(context, 'merchant and key', () => runSeed(databaseUrl, secrets));
  return { databaseUrl, temporal, simulators, apiUrls, metricsUrls, secrets };
}

/** The worker and the API processes. @returns where their metrics are. */
async function bootPrograms(
  context: BootContext,
  env: services.ChildEnv,
  apiUrls: readonly string[],
): Promise<Booted['metricsUrls']> {
  const { home, supervisor, options } = context;
  const metricsUrls: Record<string, string> = {};
  const add = async (title: string, describe: (metricsPort: number) => Service) => {
    const { port } = await pickPort(0);
    const service = describe(port);
    metricsUrls[service.name] = `http://127.0.0.1:${port}/metrics`;
    await step(context, title, () => supervisor.add(service));
  };
  await add('worker', (metricsPort) =>
    services.describeWorker(home, { env, metricsPort }, options.workerFile),
  );
  for (const [index, url] of apiUrls.entries()) {
    await add(`API on ${url}`, (metricsPort) =>
      services.describeApi(home, index, url, { env, metricsPort }),
    );
  }
  return metricsUrls;
}

async function step<Result>(
  { options, say }: BootContext,
  name: string,
  work: () => Promise<Result>,
): Promise<Result> {
  options.signal?.throwIfAborted();
  const startedMs = performance.now();
  const result = await work();
  options.signal?.throwIfAborted();
  say(`${name}: ready (${((performance.now() - startedMs) / 1000).toFixed(1)} s)`);
  return result;
}

async function bootDatabase(context: BootContext): Promise<string> {
  const { options, home, supervisor, say } = context;
  if (options.databaseUrl !== undefined) {
    say('DATABASE_URL is set: no PostgreSQL is started');
    return options.databaseUrl;
  }
  const port = await choosePort(context, 'postgres', portOf(context, 'postgres'));
  const service = services.describePostgres(home, port, options.postgresFlags ?? [], say);
  await supervisor.add(service);
  return ensureDatabase(service.url);
}

async function runMigrations(databaseUrl: string): Promise<void> {
  try {
    await migrate(databaseUrl);
  } catch (error) {
    const mend = 'see that DATABASE_URL, if set, can be reached by a role that may create tables';
    throw new StartFailure('The database', describeError(error), `${mend}; or begin with --reset`);
  }
}

async function runSeed(databaseUrl: string, secrets: Secrets): Promise<void> {
  try {
    await seed({
      databaseUrl,
      apiKey: secrets.api_key,
      operatorPassword: secrets.operator_password,
    });
  } catch (error) {
    const mend = 'begin anew with `npm start -- --reset`, which forgets payments and keys';
    throw new StartFailure('The sandbox’s merchant', describeError(error), mend);
  }
}

async function bootTemporal(context: BootContext): Promise<TemporalPlace> {
  const { options, home, supervisor, say } = context;
  if (options.temporal !== undefined) {
    say('TEMPORAL_ADDRESS is set: no Temporal is started');
    await knock(options.temporal.address).catch((error: unknown) => {
      const reason = `${options.temporal?.address}: ${describeError(error)}`;
      throw new StartFailure('Temporal', reason, 'start it, or unset TEMPORAL_ADDRESS');
    });
    return { ...options.temporal, uiUrl: findUiUrl(options) };
  }
  const cli = await resolveTemporalCli({ say, signal: options.signal });
  if (!cli.ok) {
    const mend = `${MEND_CLI}; or set TEMPORAL_ADDRESS to a Temporal server of your own`;
    throw new StartFailure('Temporal', `there is no Temporal CLI:${describeMisses(cli)}`, mend);
  }
  const port = await choosePort(context, 'temporal', portOf(context, 'temporal'));
  const uiPort = await choosePort(context, 'temporal_ui', portOf(context, 'temporal_ui'));
  await supervisor.add(services.describeTemporal(home, { cliPath: cli.path, port, uiPort }));
  const uiUrl = `http://127.0.0.1:${uiPort}`;
  return { address: `127.0.0.1:${port}`, namespace: 'default', uiUrl };
}

function findUiUrl({ environment }: WorldOptions): string | null {
  return environment?.MALIPO_TEMPORAL_UI_URL ?? process.env.MALIPO_TEMPORAL_UI_URL ?? null;
}

async function bootSimulator(
  context: BootContext,
  name: string,
  apiUrls: readonly string[],
): Promise<BootedSimulator> {
  const { options, home, supervisor } = context;
  const simulator = await loadSimulator(name);
  const preferred = options.ports?.simulators ?? simulator.SANDBOX.port;
  const port = await choosePort(context, `${name} simulator`, preferred);
  const settings = options.simulators?.[name] ?? {};
  const webhookUrl = `${apiUrls[0]}/api/v1/webhooks/${name}`;
  await supervisor.add(
    services.describeSimulator(home, { provider: name, port, settings, webhookUrl }),
  );
  const url = `http://127.0.0.1:${port}`;
  const credentials = listCredentials(name, simulator, url);
  return { name, url, page: simulator.SANDBOX.page, credentials };
}

async function pickApiUrls(context: BootContext): Promise<readonly string[]> {
  const ports = [await choosePort(context, 'api', portOf(context, 'api'))];
  for (let more = 1; more < (context.options.apiProcesses ?? 1); more += 1) {
    ports.push((await pickPort(0)).port);
  }
  return ports.map((port) => `http://127.0.0.1:${port}`);
}

async function choosePort({ say }: BootContext, name: string, preferred: number): Promise<number> {
  const { port, wasTaken } = await pickPort(preferred);
  if (wasTaken) say(`Port ${preferred} is taken: ${name} listens on ${port}`);
  return port;
}

function portOf({ options }: BootContext, name: keyof typeof DEFAULT_PORTS): number {
  return options.ports?.[name] ?? DEFAULT_PORTS[name];
}

function listEnvironment(
  parts: Omit<Booted, 'metricsUrls'>,
  { options }: BootContext,
): services.ChildEnv {
  const { temporal, secrets } = parts;
  const isOurTemporal = options.temporal === undefined;
  return {
    ...(isOurTemporal ? hideTemporalSettings() : {}),
    DATABASE_URL: parts.databaseUrl,
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    MALIPO_ENVIRONMENT: 'sandbox',
    MALIPO_API_HOST: '127.0.0.1',
    MALIPO_PUBLIC_URL: parts.apiUrls[0],
    MALIPO_TEMPORAL_UI_URL: temporal.uiUrl ?? undefined,
    MALIPO_DATA_KEYS: secrets.data_keys,
    MALIPO_HASH_KEY: secrets.hash_key,
    MALIPO_TOKEN_KEYS: secrets.token_keys,
    MALIPO_LOG_LEVEL: process.env.MALIPO_LOG_LEVEL ?? 'info',
    ...Object.fromEntries(parts.simulators.flatMap((it) => Object.entries(it.credentials))),
    ...options.environment,
  };
}

/** A TLS or profile setting for another Temporal would make ours unreachable. */
function hideTemporalSettings(): services.ChildEnv {
  const names = Object.keys(process.env).filter((name) => name.startsWith('TEMPORAL_'));
  return Object.fromEntries(names.map((name) => [name, undefined]));
}
