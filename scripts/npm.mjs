// Runs on Node 18 with nothing installed, so: plain JavaScript, Node built-ins only.
import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { Stop } from './stop.mjs';

// On a terminal one line is written over and over; elsewhere each is a line of the log.
const TELL_EVERY_MS = process.stderr.isTTY ? 500 : 5_000;

/**
 * Runs npm to its end.
 * @param packages the paths of what will be there: how far it is, is told by those that are.
 * @param onSpawn told npm's process.
 */
export async function runNpm(root, args, { packages, tellEveryMs = TELL_EVERY_MS, onSpawn }) {
  const file = process.env.npm_execpath ?? '';
  const [command, prefix] =
    basename(file) === 'npm-cli.js' ? [process.execPath, [file]] : ['npm', []];
  // npm's own engine check speaks of the Node it runs on, which is not the Node that is used. Its
  // progress is a wheel that turns, and only on a terminal.
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--progress=false'];
  const env = { ...process.env, ...chooseNpmCache(root) };
  // Standard output belongs to the verb (`--json`), so npm's goes to standard error.
  const npm = spawn(command, [...prefix, ...args, ...quiet], {
    cwd: root,
    env,
    stdio: ['ignore', 2, 2],
  });
  if (npm.pid !== undefined) onSpawn(npm.pid);
  const stopTelling = tellProgress(root, packages, tellEveryMs);
  // Half an install must not go on alone, beside the next one.
  const end = (signal) => npm.kill(signal);
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, end);
  const { error, code, signal } = await new Promise((resolve) => {
    npm.once('error', (error) => resolve({ error }));
    npm.once('exit', (code, signal) => resolve({ code, signal }));
  });
  for (const signal of signals) process.removeListener(signal, end);
  stopTelling();
  if (error) throw new Stop(`npm could not be started: ${error.message}`, 127);
  if (signal || code >= 128) throw new Stop(`npm ${args[0]} was ended (${signal ?? code}).`, 130);
  if (code === 0) return;
  throw new Stop(
    [
      `npm ${args[0]} failed (exit code ${code}); its reason stands above.`,
      'Without a network it needs what npm’s cache holds; behind a proxy or mirror, npm’s own settings',
      '(`npm config set proxy`, `registry`). For a cache that cannot be written or is broken, set',
      'npm_config_cache to an empty folder of yours. Nothing of the sandbox is lost: run it again.',
    ].join('\n'),
    code,
  );
}

function tellProgress(root, packages, pollIntervalMs) {
  const startedMs = performance.now();
  const tell = () => {
    const present = packages.filter((path) => existsSync(join(root, path, 'package.json'))).length;
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    const line = `  ${present} of ${packages.length} packages, ${seconds} s`;
    process.stderr.write(process.stderr.isTTY ? `\r${line}` : `${line}\n`);
  };
  const timer = setInterval(tell, pollIntervalMs);
  return () => {
    clearInterval(timer);
    if (process.stderr.isTTY) process.stderr.write('\n');
  };
}

/** Users without a home folder of their own have no place for npm's cache but ours. */
function chooseNpmCache(root) {
  const usual = process.env.npm_config_cache || join(process.env.HOME || homedir(), '.npm');
  try {
    mkdirSync(usual, { recursive: true });
    // A former `sudo npm` leaves what is below to root.
    const places = [usual, join(usual, '_cacache'), join(usual, '_cacache', 'tmp')];
    for (const place of places.filter((path) => path === usual || existsSync(path))) {
      accessSync(place, constants.W_OK | constants.X_OK);
    }
    return {};
  } catch (error) {
    const own = join(root, '.malipo', 'npm-cache');
    process.stderr.write(
      `npm’s cache cannot be used (${error.message}): this install uses ${own};\n` +
        '  npm_config_cache names another folder.\n',
    );
    return { npm_config_cache: own };
  }
}
