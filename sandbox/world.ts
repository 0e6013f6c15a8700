import * as fs from 'node:fs';
import { bootWorld } from './boot.ts';
import type { Booted } from './boot-context.ts';
import type { SandboxDetails } from './details.ts';
import { writeEnvFile } from './env-file.ts';
import { AlreadyRuns, explainFileError } from './failure.ts';
import {
  endLeftovers,
  forgetWhere,
  type Home,
  openHome,
  resetHome,
  rotateLogs,
  writePrivately,
} from './home.ts';
import { rememberPorts } from './last-ports.ts';
import { type Lock, takeLock } from './lock.ts';
import { SANDBOX_OPERATOR, SECOND_SANDBOX_OPERATOR } from './seed.ts';
import { Supervisor } from './supervisor.ts';
import type { WorldOptions } from './world-options.ts';

export type World = {
  readonly home: Home;
  /** One for each API process; the first is the public one. */
  readonly apiUrls: readonly string[];
  /** As they are now: pids change when something is started again. */
  readonly details: () => SandboxDetails;
  /** Names: postgres, temporal, simulator_mpesa, worker, api, api_2... Waits for its end. */
  readonly kill: (name: string, signal: NodeJS.Signals) => Promise<void>;
  /** Resolves when the service is ready again. */
  readonly start: (name: string) => Promise<void>;
  /** Ends everything in reverse order and leaves nothing but the data. */
  readonly stop: () => Promise<void>;
  /** Ends everything at once; {@link World.stop} still tidies up. */
  readonly killAll: () => void;
};

/**
 * Brings up the whole world: PostgreSQL, migrations, Temporal, simulators, worker, API, a merchant
 * with a key. When a part fails, everything is ended again.
 * @throws StartFailure naming the part, the reason and what mends it.
 */
export async function startWorld(options: WorldOptions): Promise<World> {
  try {
    return await startInHome(options);
  } catch (error) {
    throw explainFileError(error);
  }
}

async function startInHome(options: WorldOptions): Promise<World> {
  const home = openHome(options.home);
  const lock = await lockHome(home);
  // A killed run leaves it.
  forgetWhere(home);
  const say = options.say ?? (() => undefined);
  let booted: Booted | null = null;
  const supervisor: Supervisor = new Supervisor({
    restartsDead: options.restartsDead ?? true,
    say,
    onChange: () => record(home, supervisor, booted),
  });
  const stop = async () => {
    await supervisor.stop();
    booted = null;
    forgetWhere(home);
    fs.rmSync(home.pids, { force: true });
    lock.release();
  };
  const giveUp = () => void supervisor.stop();
  options.signal?.addEventListener('abort', giveUp, { once: true });
  try {
    await clearGround(home, options, say);
    const parts = await bootWorld({ options, home, supervisor, say });
    booted = parts;
    rememberPorts(home, options, parts);
    writeEnvFile(home.env, describe(home, supervisor, parts), options.noProxy);
    record(home, supervisor, parts);
    return {
      home,
      apiUrls: parts.apiUrls,
      details: () => describe(home, supervisor, parts),
      kill: (name, signal) => supervisor.kill(name, signal),
      start: (name) => supervisor.start(name),
      stop,
      killAll: () => supervisor.killAll(),
    };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', giveUp);
  }
}

async function lockHome(home: Home): Promise<Extract<Lock, { ok: true }>> {
  const lock = await takeLock(home.lock);
  if (lock.ok) return lock;
  throw new AlreadyRuns(home.root, lock.holderPid);
}

async function clearGround(
  home: Home,
  options: WorldOptions,
  say: (line: string) => void,
): Promise<void> {
  const ended = await endLeftovers(home);
  if (ended.length > 0) say(`Ended what an earlier run left behind: ${ended.join(', ')}`);
  if (options.isReset) {
    resetHome(home);
    const kept = options.databaseUrl === undefined ? '' : '; DATABASE_URL is left as it is';
    say(`Everything in ${home.root} is forgotten${kept}`);
  }
  rotateLogs(home);
}

function record(home: Home, supervisor: Supervisor, booted: Booted | null): void {
  writePrivately(home.pids, supervisor.listProcesses());
  if (booted) writePrivately(home.details, describe(home, supervisor, booted));
}

function describe(home: Home, supervisor: Supervisor, booted: Booted): SandboxDetails {
  const processes = Object.entries(supervisor.listProcesses());
  return {
    api_url: booted.apiUrls[0] ?? '',
    api_key: booted.secrets.api_key,
    operator: { email: SANDBOX_OPERATOR, password: booted.secrets.operator_password },
    second_operator: {
      email: SECOND_SANDBOX_OPERATOR,
      password: booted.secrets.operator_password,
    },
    temporal_address: booted.temporal.address,
    temporal_namespace: booted.temporal.namespace,
    temporal_ui_url: booted.temporal.uiUrl,
    database_url: booted.databaseUrl,
    owner_database_url: booted.ownerDatabaseUrl,
    metrics_urls: booted.metricsUrls,
    simulators: Object.fromEntries(
      booted.simulators.map(({ name, url, page }) => [
        name,
        page === null ? { url } : { url, [page]: `${url}/` },
      ]),
    ),
    pids: {
      supervisor: process.pid,
      ...Object.fromEntries(processes.map(([name, { pid }]) => [name, pid])),
    },
    logs_dir: home.logsDir,
    env_file: home.env,
  };
}
