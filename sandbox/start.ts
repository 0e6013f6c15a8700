import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { renderBanner } from './details.ts';
import { AlreadyRuns, describeError, StartFailure } from './failure.ts';
import { chooseHome } from './home.ts';
import { curlOptions, dropPostgresVariables, reachLoopbackDirectly } from './shell-settings.ts';
import type { World } from './world.ts';
import type { WorldOptions } from './world-options.ts';

type Flags = {
  readonly isJson: boolean;
  /** Nothing is asked for that a sandbox which runs already could not have. */
  readonly suitsAny: boolean;
  readonly isReset: boolean;
  readonly handset: 'auto' | 'manual';
  /** null: the usual one, or another when it is taken. */
  readonly apiPort: number | null;
};

// In a file of its own, for `scripts/run.mjs` prints it before anything is installed.
const USAGE = readFileSync(new URL('usage.txt', import.meta.url), 'utf8').trimEnd();

// Ctrl-C arrives from the terminal, from npm and from the script that started us.
const SAME_REQUEST_MS = 1_500;

const say = (line: string) => process.stderr.write(`${line}\n`);
// A terminal that was closed must not turn the orderly end into a crash.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

const flags = readFlags();
if (flags === 'help') process.stdout.write(`${USAGE}\n`);
else process.exitCode = typeof flags === 'string' ? refuse(flags) : await main(flags);
process.exit();

function refuse(reason: string): number {
  say(`${reason}\n${USAGE}`);
  return 2;
}

async function main(flags: Flags): Promise<number> {
  const curl = curlOptions(process.env);
  reachLoopbackDirectly(process.env);
  if (!process.env.DATABASE_URL) dropPostgresVariables(process.env);
  const ending = new AbortController();
  let world: World | null = null;
  let firstRequestMs = 0;
  const end = (code: number) => {
    const now = performance.now();
    if (!ending.signal.aborted) {
      firstRequestMs = now;
      say('Ending (once more to end at once)');
      ending.abort(code);
    } else if (now - firstRequestMs > SAME_REQUEST_MS) {
      if (world) world.killAll();
      else process.exit(code);
    }
  };
  process.on('SIGINT', () => end(130));
  process.on('SIGTERM', () => end(0));
  process.on('SIGHUP', () => end(0));
  process.on('disconnect', () => end(0));
  try {
    // Not before: all that the sandbox is made of takes a while to load.
    const { startWorld } = await import('./world.ts');
    const noProxy = curl === '' ? undefined : process.env.no_proxy;
    world = await startWorld({ ...listOptions(flags), noProxy, signal: ending.signal });
    const details = world.details();
    const json = () => `${JSON.stringify(details, null, 2)}\n`;
    const { root } = world.home;
    process.stdout.write(flags.isJson ? json() : renderBanner(details, root, curl));
    await untilAborted(ending.signal);
    await world.stop();
    say('Ended; the data is kept');
    return Number(ending.signal.reason);
  } catch (error) {
    if (ending.signal.aborted) return Number(ending.signal.reason);
    if (!(error instanceof StartFailure)) throw error;
    if (error instanceof AlreadyRuns && flags.isJson && flags.suitsAny) {
      const isPrinted = await printRunning(flags, error.holderPid, ending.signal);
      if (ending.signal.aborted) return Number(ending.signal.reason);
      if (isPrinted) return 0;
    }
    say(`\n${error.message}`);
    return 1;
  }
}

/** @returns false when the one that runs is not what was asked for. */
async function printRunning(
  { apiPort }: Flags,
  holderPid: number,
  signal: AbortSignal,
): Promise<boolean> {
  const { readRunning } = await import('./running.ts');
  const running = await readRunning(chooseHome(process.env), holderPid, signal).catch(() => null);
  if (running === null) return false;
  if (apiPort !== null && Number(new URL(running.apiUrl).port) !== apiPort) return false;
  process.stdout.write(`${JSON.stringify(running.details, null, 2)}\n`);
  return true;
}

function listOptions(flags: Flags): WorldOptions {
  const { DATABASE_URL, MALIPO_MIGRATE_DATABASE_URL, TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE } =
    process.env;
  return {
    home: chooseHome(process.env),
    ports: flags.apiPort === 0 ? { api: 0 } : {},
    apiPort: flags.apiPort || undefined,
    isReset: flags.isReset,
    databaseUrl: MALIPO_MIGRATE_DATABASE_URL || DATABASE_URL || undefined,
    appDatabaseUrl: (MALIPO_MIGRATE_DATABASE_URL && DATABASE_URL) || undefined,
    temporal: TEMPORAL_ADDRESS
      ? { address: TEMPORAL_ADDRESS, namespace: TEMPORAL_NAMESPACE || 'default' }
      : undefined,
    simulators: { mpesa: { answer_mode: flags.handset } },
    say,
  };
}

/** The flags, `help`, or what is wrong with them. */
function readFlags(): Flags | string {
  try {
    const { values } = parseArgs({
      options: {
        json: { type: 'boolean', default: false },
        reset: { type: 'boolean', default: false },
        handset: { type: 'string' },
        port: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) return 'help';
    const { handset = 'auto' } = values;
    if (handset !== 'auto' && handset !== 'manual') return `--handset ${handset} is unknown`;
    const apiPort = values.port === undefined ? null : Number(values.port || NaN);
    const isPort =
      apiPort === null || (Number.isInteger(apiPort) && apiPort >= 0 && apiPort <= 65_535);
    if (!isPort) return `--port ${values.port} is no port`;
    const suitsAny = !values.reset && values.handset === undefined && apiPort !== 0;
    return { isJson: values.json, suitsAny, isReset: values.reset, handset, apiPort };
  } catch (error) {
    return describeError(error);
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
