// Runs on Node 18 with nothing installed, so: plain JavaScript, Node built-ins only.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { lockInstall } from './install-lock.mjs';
import { runNpm } from './npm.mjs';
import { Stop } from './stop.mjs';

const OLDEST_NODE = [24, 9];

/**
 * Makes node_modules agree with package-lock.json. Several runs may call it at once: one installs,
 * the others wait for it.
 * @param hasTools whether what only tests and checks need is wanted too. It is left alone where it
 * is not: what is there stays.
 */
export async function installPackages(root, { hasTools, tellEveryMs }) {
  if (compare(root, hasTools) === 'installed') return;
  const lock = await lockInstall(root);
  const run = (verb, state) => install(root, { verb, state, hasTools, lock, tellEveryMs });
  try {
    let state = compare(root, hasTools);
    // It adds only: a sandbox may be running with the packages that are there.
    if (state === 'incomplete') {
      await run(['install', '--no-save'], state);
      state = compare(root, hasTools);
    }
    if (state !== 'installed') await run(['ci'], state);
  } finally {
    lock.release();
  }
}

/** The path of a Node new enough for this project: this one, or the one npm installed. */
export function findNode(root) {
  if (isNewEnough(process.versions.node)) return process.execPath;
  const installed = join(root, 'node_modules', '.bin', 'node');
  const answer = spawnSync(installed, ['--version'], { encoding: 'utf8' });
  if (answer.status === 0 && isNewEnough(answer.stdout.trim().slice(1))) return installed;
  throw new Stop(
    [
      `This is Node ${process.versions.node}; Malipo needs ${OLDEST_NODE.join('.')} or newer,`,
      `and no newer one came with the packages for ${process.platform}-${process.arch}.`,
      'Three ways to get one:',
      '  1. a version manager: `nvm install 24`, `fnm install 24` or `volta install node@24`',
      '  2. your system: `brew install node@24`, or your distribution’s package for Node 24',
      '  3. on Linux x64 or arm64: `npm ci --include=optional`, which brings it along',
    ].join('\n'),
  );
}

function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
}

const paths = (root) => ({
  wanted: join(root, 'package-lock.json'),
  // npm writes it last, so it tells what was installed to the end.
  present: join(root, 'node_modules', '.package-lock.json'),
});

/**
 * What is there against what is wanted: `installed`, `incomplete` (what is there is right, and
 * something is missing) or `other`.
 */
function compare(root, hasTools) {
  const wanted = readPackages(paths(root).wanted);
  if (!wanted) throw new Stop('package-lock.json is missing or broken: restore it from git.');
  const present = readPackages(paths(root).present);
  if (!present) return 'other';
  for (const [path, found] of Object.entries(present)) {
    const locked = wanted[path];
    // Tools of an earlier day do not keep anything from running.
    if (!hasTools && (locked ?? found).dev) continue;
    if (!locked || locked.version !== found.version || locked.integrity !== found.integrity) {
      return 'other';
    }
  }
  return listNeeded(wanted, hasTools).every((path) => path in present) ? 'installed' : 'incomplete';
}

/** Optional packages for other platforms are rightly absent. */
function listNeeded(wanted, hasTools) {
  return Object.entries(wanted)
    .filter(([path, locked]) => path !== '' && !locked.optional && !locked.peer)
    .filter(([, locked]) => hasTools || !(locked.dev || locked.devOptional))
    .map(([path]) => path);
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages ?? null;
  } catch {
    return null;
  }
}

async function install(root, { verb, state, hasTools, lock, tellEveryMs }) {
  const wanted = readPackages(paths(root).wanted);
  const packages = listNeeded(wanted, hasTools);
  if (verb[0] === 'ci') {
    // Killed while it clears the folder, npm would leave the list of what is no longer there.
    rmSync(paths(root).present, { force: true });
  } else {
    dropHalfInstalled(root, wanted);
  }
  const count = `${packages.length} packages`;
  const what = state === 'incomplete' ? `what is missing of ${count}` : count;
  const command = `npm ${verb.join(' ')}`;
  process.stderr.write(`Installing ${what} with \`${command}\` (once; 1 to 3 minutes)...\n`);
  // With NODE_ENV=production or its own `omit` npm would leave out what tests and sandbox need, and
  // what is missing would be installed anew at each start.
  const kinds = [hasTools ? '--include=dev' : '--omit=dev', '--include=optional'];
  const onSpawn = (pid) => lock.addHolder(pid);
  await runNpm(root, [...verb, ...kinds], { packages, tellEveryMs, onSpawn });
}

/** npm takes a folder of the right version for a whole package, also one it was killed over. */
function dropHalfInstalled(root, wanted) {
  const present = readPackages(paths(root).present) ?? {};
  for (const path of Object.keys(wanted)) {
    const isHalf = path !== '' && !(path in present) && existsSync(join(root, path));
    if (isHalf) rmSync(join(root, path), { recursive: true, force: true });
  }
}
