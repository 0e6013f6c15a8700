import { PROVIDER_NAMES } from '../providers/index.ts';
import {
  type BootContext,
  type Booted,
  type BootedSimulator,
  choosePort,
  step,
  withFreePorts,
} from './boot-context.ts';
import { bootDatabase, bootTemporal, runMigrations, runSeed } from './boot-servers.ts';
import { listEnvironment } from './child-environment.ts';
import { describeError, isPortTaken, StartFailure } from './failure.ts';
import { loadSecrets } from './home.ts';
import { listPreferred } from './last-ports.ts';
import { describeListener, type HeldPort, holdPort, mayListen, pickPort } from './ports.ts';
import * as services from './services.ts';
import { listCredentials, loadSimulator } from './simulators.ts';
import type { Service } from './supervisor.ts';
import { DEFAULT_PORTS } from './world-options.ts';

/** Starts the parts in order, each ready before the next. */
export async function bootWorld(context: BootContext): Promise<Booted> {
  const secrets = loadSecrets(context.home);
  const held = await holdApiPorts(context, true);
  try {
    const ownerDatabaseUrl = await step(context, 'PostgreSQL', () => bootDatabase(context));
    const databaseUrl = await step(context, 'migrations', () =>
      runMigrations(context, ownerDatabaseUrl, secrets),
    );
    const temporal = await step(context, 'Temporal', () => bootTemporal(context));
    const programs = await bootPrograms(context, { databaseUrl, temporal, secrets }, held);
    await step(context, 'merchant and key', () => runSeed(context, databaseUrl, secrets));
    return { ownerDatabaseUrl, databaseUrl, temporal, secrets, ...programs };
  } finally {
    await letGo(held);
  }
}

type Servers = Pick<Booted, 'databaseUrl' | 'temporal' | 'secrets'>;
type Programs = Omit<Booted, keyof Servers | 'ownerDatabaseUrl'>;

/**
 * The simulators, the worker and the API processes. They know each other's ports, so when one of
 * the API's was taken after all, all of them are started anew.
 */
async function bootPrograms(
  context: BootContext,
  servers: Servers,
  held: readonly HeldPort[],
): Promise<Programs> {
  const { supervisor, options } = context;
  return withFreePorts(context, 'API', async (isFirst) => {
    const ports = isFirst ? held : await holdApiPorts(context, false);
    const before = new Set(supervisor.listNames());
    try {
      return await bootProgramsOn(context, servers, ports);
    } catch (error) {
      if (!isPortTaken(error)) throw error;
      const { apiPort } = options;
      if (apiPort !== undefined && describeError(error).includes(`:${apiPort}`)) {
        throw await refusePort(apiPort);
      }
      for (const name of supervisor.listNames().toReversed()) {
        if (!before.has(name)) await supervisor.remove(name);
      }
      throw error;
    } finally {
      await letGo(ports);
    }
  });
}

async function bootProgramsOn(
  context: BootContext,
  servers: Servers,
  ports: readonly HeldPort[],
): Promise<Programs> {
  const { home, options } = context;
  const apiUrls = ports.map(({ port }) => `http://127.0.0.1:${port}`);
  const simulators: BootedSimulator[] = [];
  for (const name of PROVIDER_NAMES) {
    simulators.push(
      await step(context, `${name} simulator`, () => bootSimulator(context, name, apiUrls)),
    );
  }
  const env = listEnvironment({ ...servers, simulators, apiUrls }, options);
  const metricsUrls: Record<string, string> = {};
  const note = ({ name, metricsUrl }: Measured) => {
    metricsUrls[name] = metricsUrl;
  };
  const describeWorker = (metricsPort: number) =>
    services.describeWorker(home, { env, metricsPort }, options.workerFile);
  note(
    await step(context, 'worker', () =>
      withFreePorts(context, 'worker', () => addMeasured(context, describeWorker)),
    ),
  );
  for (const [index, url] of apiUrls.entries()) {
    const describeApi = (metricsPort: number) =>
      services.describeApi(home, index, url, { env, metricsPort });
    await ports[index]?.release();
    note(await step(context, `API on ${url}`, () => addMeasured(context, describeApi)));
  }
  return { simulators, apiUrls, metricsUrls };
}

type Measured = { readonly name: string; readonly metricsUrl: string };

async function addMeasured(
  { supervisor }: BootContext,
  describe: (metricsPort: number) => Service,
): Promise<Measured> {
  const { port } = await pickPort(0);
  const service = describe(port);
  await supervisor.add(service);
  return { name: service.name, metricsUrl: `http://127.0.0.1:${port}/metrics` };
}

async function bootSimulator(
  context: BootContext,
  name: string,
  apiUrls: readonly string[],
): Promise<BootedSimulator> {
  const { options, home, supervisor } = context;
  const simulator = await loadSimulator(name);
  const preferred = options.ports?.simulators ?? simulator.SANDBOX.port;
  const settings = options.simulators?.[name] ?? {};
  const webhookUrl = `${apiUrls[0]}/api/v1/webhooks/${name}`;
  return withFreePorts(context, `${name} simulator`, async (isFirst) => {
    const port = await choosePort(context, `${name} simulator`, isFirst ? preferred : 0);
    await supervisor.add(
      services.describeSimulator(home, { provider: name, port, settings, webhookUrl }),
    );
    const url = `http://127.0.0.1:${port}`;
    const credentials = listCredentials(name, simulator, url);
    return { name, url, page: simulator.SANDBOX.page, credentials };
  });
}

/**
 * The ports of the API processes, kept from the first moment: others are told them long before the
 * API is there to listen.
 * @param isFirst else the usual port is not worth a try.
 */
async function holdApiPorts(context: BootContext, isFirst: boolean): Promise<readonly HeldPort[]> {
  const { options, home, say } = context;
  const usual = isFirst ? (options.ports?.api ?? DEFAULT_PORTS.api) : 0;
  const { apiPort } = options;
  const preferred = apiPort === undefined ? listPreferred(home, 'api', usual) : [apiPort];
  const first = await holdPort(...preferred);
  if (first.wasTaken) {
    if (apiPort !== undefined) {
      await first.release();
      throw await refusePort(apiPort);
    }
    say(`Port ${preferred[0]} is taken: api listens on ${first.port}`);
  }
  const held = [first];
  while (held.length < (options.apiProcesses ?? 1)) held.push(await holdPort(0));
  return held;
}

async function letGo(held: readonly HeldPort[]): Promise<void> {
  for (const { release } of held) await release();
}

/** Whoever asks for a port will call it, and must not talk to a stranger there. */
async function refusePort(port: number): Promise<StartFailure> {
  if (!(await mayListen(port))) {
    const reason = `this user may not listen on port ${port}`;
    return new StartFailure('The API', reason, 'name a port from 1024 on, or leave out --port');
  }
  const by = describeListener(port);
  const reason = `port ${port} is taken${by === null ? '' : ` by ${by}`}`;
  const remedy =
    'end that program, name another port, or leave out --port: any free one is taken then';
  return new StartFailure('The API', reason, remedy);
}
