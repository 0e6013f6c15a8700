import { migrate } from '../db/migrate.ts';
import { type BootContext, choosePort, type TemporalPlace, withFreePorts } from './boot-context.ts';
import { ensureAppLogin, ensureDatabase } from './database.ts';
import { describeError, StartFailure } from './failure.ts';
import type { Secrets } from './home.ts';
import { seed } from './seed.ts';
import * as services from './services.ts';
import { listPostgresVariables } from './shell-settings.ts';
import { knock } from './temporal.ts';
import { CLI_REMEDY, describeMisses, resolveTemporalCli } from './temporal-binaries.ts';
import { DEFAULT_PORTS, type WorldOptions } from './world-options.ts';

/** @returns the address of Malipo's database, as its owner. */
export async function bootDatabase(context: BootContext): Promise<string> {
  const { options, home, supervisor, say } = context;
  if (options.databaseUrl !== undefined) {
    say('DATABASE_URL is set: no PostgreSQL is started');
    return options.databaseUrl;
  }
  const flags = options.postgresFlags ?? [];
  const preferred = options.ports?.postgres ?? DEFAULT_PORTS.postgres;
  return withFreePorts(context, 'PostgreSQL', async (isFirst) => {
    const port = await choosePort(context, 'postgres', isFirst ? preferred : 0);
    const service = services.describePostgres(home, port, flags, say);
    await supervisor.add(service);
    return ensureDatabase(service.url);
  });
}

/** Brings the schema up to date. @returns the address of the login of API and worker. */
export async function runMigrations(
  context: BootContext,
  ownerUrl: string,
  secrets: Secrets,
): Promise<string> {
  const { databaseUrl, appDatabaseUrl } = context.options;
  try {
    await migrate(ownerUrl);
    if (appDatabaseUrl !== undefined) return appDatabaseUrl;
    return await ensureAppLogin(ownerUrl, databaseUrl === undefined ? null : secrets.token_keys);
  } catch (error) {
    throw new StartFailure('The database', describeError(error), DATABASE_REMEDY(context));
  }
}

/** The merchant with its key, and the operators. */
export async function runSeed(
  context: BootContext,
  databaseUrl: string,
  secrets: Secrets,
): Promise<void> {
  try {
    await seed({
      databaseUrl,
      apiKey: secrets.api_key,
      operatorPassword: secrets.operator_password,
    });
  } catch (error) {
    throw new StartFailure(
      'The sandbox’s merchant',
      describeError(error),
      DATABASE_REMEDY(context),
    );
  }
}

function DATABASE_REMEDY({ options, home }: BootContext): string {
  if (options.databaseUrl === undefined) {
    return (
      `read ${home.logsDir}/postgres.log and run again; if the data are of another version of ` +
      'Malipo, set MALIPO_HOME to another folder for this one; or, which loses all sandbox data, ' +
      '`npm start -- --reset`'
    );
  }
  const set = listPostgresVariables(process.env);
  const names =
    set.length === 0 ? '' : `; ${set.join(', ')} also count for it: unset what should not`;
  return (
    'see that DATABASE_URL can be reached by a role that may create tables and roles, and that the ' +
    `database is empty or this sandbox’s${names}`
  );
}

/** @returns the server, with the Web UI where it is the sandbox's own. */
export async function bootTemporal(context: BootContext): Promise<TemporalPlace> {
  const { options, home, supervisor, say } = context;
  if (options.temporal !== undefined) {
    say('TEMPORAL_ADDRESS is set: no Temporal is started');
    await knock(options.temporal.address).catch((error: unknown) => {
      const reason = `${options.temporal?.address}: ${describeError(error)}`;
      throw new StartFailure('Temporal', reason, 'start it, or unset TEMPORAL_ADDRESS');
    });
    return { ...options.temporal, uiUrl: findUiUrl(options) };
  }
  const cli = await resolveTemporalCli({ say, signal: options.signal, home: home.root });
  if (!cli.ok) {
    const remedy = `${CLI_REMEDY}; or set TEMPORAL_ADDRESS to a Temporal server of your own`;
    throw new StartFailure('Temporal', `there is no Temporal CLI:${describeMisses(cli)}`, remedy);
  }
  return withFreePorts(context, 'Temporal', async (isFirst) => {
    const preferred = (name: 'temporal' | 'temporal_ui') =>
      isFirst ? (options.ports?.[name] ?? DEFAULT_PORTS[name]) : 0;
    const port = await choosePort(context, 'temporal', preferred('temporal'));
    const uiPort = await choosePort(context, 'temporal_ui', preferred('temporal_ui'));
    await supervisor.add(services.describeTemporal(home, { cliPath: cli.path, port, uiPort }));
    const uiUrl = `http://127.0.0.1:${uiPort}`;
    return { address: `127.0.0.1:${port}`, namespace: 'default', uiUrl };
  });
}

function findUiUrl({ environment }: WorldOptions): string | null {
  return environment?.MALIPO_TEMPORAL_UI_URL ?? process.env.MALIPO_TEMPORAL_UI_URL ?? null;
}
