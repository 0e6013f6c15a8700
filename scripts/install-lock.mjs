// Runs on Node 18 with nothing installed, so: plain JavaScript, Node built-ins only.
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
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Stop } from './stop.mjs';

const LONGEST_INSTALL_MS = 15 * 60_000;

/**
 * Waits until nobody else installs packages here. The lock names this process and, once it is told,
 * npm's, which may outlive this one.
 */
export async function lockInstall(root) {
  const path = makePlace(root);
  const deadline = Date.now() + LONGEST_INSTALL_MS;
  let told = false;
  while (!takeLock(path)) {
    const holders = readHolders(path);
    if (holders !== null && !holders.some(isAlive)) {
      dropStaleLock(path, holders);
      continue;
    }
    const who = holders?.find(isAlive) ?? 'unknown';
    if (Date.now() > deadline) {
      throw new Stop(`Process ${who} has been installing packages for too long; see ${path}.`);
    }
    if (!told) process.stderr.write(`Waiting for process ${who}, which installs packages...\n`);
    told = true;
    await sleep(200);
  }
  return {
    addHolder: (pid) => writeFileSync(path, `${process.pid} ${pid}`),
    release: () => rmSync(path, { force: true }),
  };
}

function makePlace(root) {
  const folder = join(root, '.malipo');
  try {
    accessSync(root, constants.W_OK | constants.X_OK);
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK | constants.X_OK);
    return join(folder, 'install.lock');
  } catch (error) {
    throw new Stop(
      [
        `The packages are not installed, and cannot be here: ${error.message}`,
        `Run \`npm start\` or \`npm ci\` once as the owner of ${root}, or copy it to a folder of`,
        'your own. With the packages there, MALIPO_HOME names a folder for the sandbox’s data.',
      ].join('\n'),
    );
  }
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
function dropStaleLock(path, holders) {
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
    if (String(readHolders(aside)) !== String(holders) && !existsSync(path)) linkSync(aside, path);
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
  }
  rmSync(aside, { force: true });
}

function readHolders(path) {
  try {
    return readFileSync(path, 'utf8').split(' ').map(Number);
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
