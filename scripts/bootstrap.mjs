// Runs on Node 18 with nothing installed, so: plain JavaScript, Node built-ins only.
import { spawn, spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const OLDEST_NODE = [24, 9];
const LONGEST_INSTALL_MS = 15 * 60_000;

/** A reason to end with a message and an exit code, not with a stack. */
export class Stop extends Error {
  constructor(message, code = 1) {
    super(message);
    this.code = code;
  }
}

/**
 * Makes node_modules agree with package-lock.json. Several runs may call it at once: one installs,
 * the others wait for it.
 */
export async function installPackages(root) {
  if (isInstalled(root)) return;
  const release = await lockInstall(root);
  try {
    if (!isInstalled(root)) await runNpmCi(root);
  } finally {
    release();
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

/** npm writes node_modules/.package-lock.json last, so a half-done install counts as none. */
function isInstalled(root) {
  const wanted = readPackages(join(root, 'package-lock.json'));
  if (!wanted) throw new Stop('package-lock.json is missing or broken: restore it from git.');
  const present = readPackages(join(root, 'node_modules', '.package-lock.json'));
  if (!present) return false;
  for (const [path, found] of Object.entries(present)) {
    const locked = wanted[path];
    if (!locked || locked.version !== found.version || locked.integrity !== found.integrity) {
      return false;
    }
  }
  // Optional packages for other platforms are rightly absent.
  return Object.entries(wanted).every(
    ([path, locked]) => path === '' || locked.optional || locked.peer || path in present,
  );
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages ?? null;
  } catch {
    return null;
  }
}

async function runNpmCi(root) {
  const npm = process.env.npm_execpath ?? '';
  const [command, prefix] =
    basename(npm) === 'npm-cli.js' ? [process.execPath, [npm]] : ['npm', []];
  process.stderr.write('Installing packages with `npm ci` (once, a minute or so)...\n');
  // With NODE_ENV=production or its own `omit` npm would leave out what tests and sandbox need, and
  // what is missing would be installed anew at each start.
  const all = ['--include=dev', '--include=optional'];
  // npm's own engine check speaks of the Node it runs on, which is not the Node that is used.
  const args = [...prefix, 'ci', ...all, '--no-audit', '--no-fund', '--loglevel=error'];
  const env = { ...process.env, ...chooseNpmCache(root) };
  // Standard output belongs to the verb (`--json`), so npm's goes to standard error.
  const npmCi = spawn(command, args, { cwd: root, env, stdio: ['ignore', 2, 2] });
  // Half an install must not go on alone, beside the next one.
  const end = (signal) => npmCi.kill(signal);
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, end);
  const { error, code, signal } = await new Promise((resolve) => {
    npmCi.once('error', (error) => resolve({ error }));
    npmCi.once('exit', (code, signal) => resolve({ code, signal }));
  });
  for (const signal of signals) process.removeListener(signal, end);
  if (error) throw new Stop(`npm could not be started: ${error.message}`, 127);
  if (signal || code >= 128) throw new Stop(`npm ci was ended (${signal ?? code}).`, 130);
  if (code !== 0) {
    throw new Stop(
      `npm ci failed (exit code ${code}); its reason stands above.\n` +
        'Without a network it needs npm’s cache; behind a proxy or mirror, npm’s own settings.',
      code,
    );
  }
}

/** Users without a home folder of their own have no place for npm's cache but ours. */
function chooseNpmCache(root) {
  const usual = process.env.npm_config_cache || join(process.env.HOME || homedir(), '.npm');
  try {
    mkdirSync(usual, { recursive: true });
    accessSync(usual, constants.W_OK | constants.X_OK);
    return {};
  } catch {
    return { npm_config_cache: join(root, '.malipo', 'npm-cache') };
  }
}

async function lockInstall(root) {
  const folder = join(root, '.malipo');
  const path = join(folder, 'install.lock');
  try {
    accessSync(root, constants.W_OK | constants.X_OK);
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new Stop(
      [
        `The packages are not installed, and cannot be here: ${error.message}`,
        `Run \`npm start\` or \`npm ci\` once as the owner of ${root}, or copy it to a folder of`,
        'your own. With the packages there, MALIPO_HOME names a folder for the sandbox’s data.',
      ].join('\n'),
    );
  }
  const deadline = Date.now() + LONGEST_INSTALL_MS;
  let told = false;
  while (!takeLock(path)) {
    const holder = readHolder(path);
    if (holder !== null && !isAlive(holder)) {
      dropStaleLock(path, holder);
      continue;
    }
    if (Date.now() > deadline) {
      throw new Stop(`Process ${holder} has been installing packages for too long; see ${path}.`);
    }
    if (!told) process.stderr.write(`Waiting for process ${holder}, which installs packages...\n`);
    told = true;
    await sleep(200);
  }
  return () => rmSync(path, { force: true });
}

/** A link appears with its content or not at all, so nobody reads a lock without a holder. */
function takeLock(path) {
  const own = `${path}.${process.pid}`;
  writeFileSync(own, String(process.pid));
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  } finally {
    rmSync(own, { force: true });
  }
}

/** Two runs may find the same stale lock; the loser puts back what it took by mistake. */
function dropStaleLock(path, holder) {
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
    if (readHolder(aside) !== holder && !existsSync(path)) linkSync(aside, path);
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
  }
  rmSync(aside, { force: true });
}

function readHolder(path) {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
