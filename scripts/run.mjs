#!/usr/bin/env node
// The one door of every npm script: install what is missing, find a Node new enough, run the verb.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findNode, installPackages } from './bootstrap.mjs';
import { Stop } from './stop.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MODULES = join(ROOT, 'node_modules');
const JEST = join('node_modules', 'jest', 'bin', 'jest.js');
const JEST_OPTIONS = '--experimental-vm-modules --disable-warning=ExperimentalWarning';

// They end what they have begun after the first signal, and at once after a second one. In a
// process group of their own they do not hear the terminal's Ctrl-C beside the one we pass on.
const SERVER = { endsWithUs: true, hasOwnGroup: true };

const VERBS = {
  start: (args) => run({ file: 'sandbox/start.ts', args, endsWithUs: true }),
  test: (args) => run({ file: JEST, args, nodeOptions: JEST_OPTIONS }),
  check: () => runChecks(),
  generate: (args) => run({ file: 'scripts/generate.ts', args }),
  'build-client': (args) => run({ file: 'scripts/build-client.ts', args }),
  api: (args) => run({ file: 'api/main.ts', args, ...SERVER, loadsEnv: true }),
  worker: (args) => run({ file: 'worker/main.ts', args, ...SERVER, loadsEnv: true }),
  migrate: (args) => run({ file: 'scripts/migrate.ts', args, loadsEnv: true }),
  'rotate-keys': (args) => run({ file: 'scripts/rotate-keys.ts', args, loadsEnv: true }),
  admin: (args) => run({ file: 'scripts/admin.ts', args, loadsEnv: true }),
  simulator: (args) => run({ file: 'sandbox/simulator-main.ts', args, ...SERVER }),
  seed: (args) => run({ file: 'scripts/seed.ts', args }),
  bench: (args) => runBench(args),
  'new-provider': (args) => run({ file: 'scripts/new-provider.ts', args }),
};

/** These need more than what runs: what tests and checks with. */
const NEED_TOOLS = new Set(['test', 'check', 'new-provider', 'build-client']);

const BENCHES = ['flood'];

const CHECKS = [
  { name: 'types', bin: 'tsc', args: ['--noEmit', '-p', '.'] },
  { name: 'format and lint', bin: 'biome', args: ['check', '.'] },
  { name: 'promises', bin: 'oxlint', args: ['--type-aware'] },
  { name: 'unused code', bin: 'knip', args: [] },
  { name: 'generated files', file: 'scripts/generate.ts', args: ['--check'] },
  {
    name: 'house rules',
    file: JEST,
    args: ['--config', 'jest.house.config.mjs'],
    nodeOptions: JEST_OPTIONS,
  },
];

let node = process.execPath;
try {
  const [verb = '', ...args] = process.argv.slice(2);
  const action = Object.hasOwn(VERBS, verb) ? VERBS[verb] : null;
  if (!action) {
    throw new Stop(`Usage: node scripts/run.mjs ${Object.keys(VERBS).join('|')} [arguments]`, 2);
  }
  if (verb !== 'start' || !isAnswered(args)) {
    await installPackages(ROOT, { hasTools: NEED_TOOLS.has(verb) });
    node = findNode(ROOT);
    process.exitCode = await action(args);
  }
} catch (error) {
  if (!(error instanceof Stop)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = error.code;
}

/** Nobody waits for an install only to read how to start. */
function isAnswered(args) {
  const usage = readFileSync(join(ROOT, 'sandbox', 'usage.txt'), 'utf8');
  const known = new Set(usage.match(/--[a-z]+/g));
  const unknown = args.find((it) => it.startsWith('--') && !known.has(it.split('=')[0]));
  if (unknown !== undefined) throw new Stop(`Unknown option '${unknown}'\n${usage.trimEnd()}`, 2);
  if (!args.includes('--help') && !args.includes('-h')) return false;
  process.stdout.write(usage);
  return true;
}

/** Runs one program to its end and answers its exit code. */
function run({ file, bin, args, nodeOptions, ...how }) {
  const { endsWithUs = false, loadsEnv = false, hasOwnGroup = false } = how;
  const command = bin ? join(MODULES, '.bin', bin) : node;
  const path = [join(MODULES, '.bin'), dirname(node), process.env.PATH].join(delimiter);
  const options = [process.env.NODE_OPTIONS, nodeOptions].filter(Boolean).join(' ');
  // What the environment says already wins over the file.
  const hasEnv = loadsEnv && existsSync(join(ROOT, '.env'));
  const env = hasEnv ? [`--env-file=${join(ROOT, '.env')}`] : [];
  const child = spawn(command, file ? [...env, join(ROOT, file), ...args] : args, {
    cwd: ROOT,
    detached: hasOwnGroup,
    // The channel tells the child when this process is gone, even by kill -9.
    stdio: endsWithUs ? ['inherit', 'inherit', 'inherit', 'ipc'] : 'inherit',
    env: { ...inherited(), PATH: path, ...(options && { NODE_OPTIONS: options }) },
  });
  const stopForwarding = forwardSignals(child);
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new Stop(`${command}: ${error.message}`, 127)));
    child.once('exit', (code, signal) => {
      stopForwarding();
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
}

/** The shell's, without the choice of a database driver that is not among our packages. */
function inherited() {
  const { NODE_PG_FORCE_NATIVE: _, ...env } = process.env;
  return env;
}

/**
 * A signal is passed on once. Ctrl-C reaches the child from the terminal as well and npm repeats
 * it, so repeats within a second are one request; a later one is a new request.
 */
function forwardSignals(child) {
  const last = new Map();
  const forward = (signal) => {
    const now = Date.now();
    const isRepeat = now - (last.get(signal) ?? 0) < 1000;
    last.set(signal, now);
    if (!isRepeat) child.kill(signal);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, forward);
  // A shell between npm and us may die of the signal without passing it on.
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.env.npm_lifecycle_event && process.ppid !== parent && last.size === 0) {
      forward('SIGTERM');
    }
  }, 500);
  return () => {
    clearInterval(watch);
    for (const signal of signals) process.removeListener(signal, forward);
  };
}

/** What it measures is the first argument: `flood` is bench/flood.ts. */
function runBench([name = '', ...args]) {
  if (!BENCHES.includes(name)) {
    throw new Stop(`Usage: npm run bench -- ${BENCHES.join('|')} [arguments]`, 2);
  }
  return run({ file: `bench/${name}.ts`, args });
}

/** Every check runs, whatever the ones before it said: one run shows all there is to mend. */
async function runChecks() {
  const failed = [];
  for (const check of CHECKS) {
    process.stdout.write(`\n== ${check.name}\n`);
    const code = await run(check);
    if (code >= 128) return code;
    if (code !== 0) failed.push(check.name);
  }
  const passed = CHECKS.length - failed.length;
  const names = failed.length > 0 ? `: ${failed.join(', ')}` : '';
  process.stdout.write(`\n${passed} checks passed, ${failed.length} failed${names}\n`);
  return failed.length > 0 ? 1 : 0;
}
