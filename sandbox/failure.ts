import { types } from 'node:util';

/** A part of the world that did not come up: what, why, and what the reader can do about it. */
export class StartFailure extends Error {
  readonly part: string;
  readonly reason: string;
  readonly remedy: string;

  constructor(part: string, reason: string, remedy: string) {
    super(`${part} did not start: ${reason}\n  To mend it: ${remedy}`);
    this.name = 'StartFailure';
    this.part = part;
    this.reason = reason;
    this.remedy = remedy;
  }
}

/** Another one runs in the same folder, so this one was not started. */
export class AlreadyRuns extends StartFailure {
  readonly holderPid: number;

  constructor(home: string, holderPid: number) {
    const reason = `another one runs on ${home} (process ${holderPid})`;
    const remedy =
      `use that one (\`npm start -- --json\` prints where it is), end it (kill ${holderPid}), or ` +
      'give this one its own folder by MALIPO_HOME';
    super('The sandbox', reason, remedy);
    this.name = 'AlreadyRuns';
    this.holderPid = holderPid;
  }
}

/** The words of anything that was thrown. */
export function describeError(error: unknown): string {
  return types.isNativeError(error) ? error.message : String(error);
}

/** Whether it is the system's error of that code, such as `EEXIST`. */
export function hasCode(error: unknown, code: string): boolean {
  // Not `instanceof`: inside a test the system's errors are of another realm.
  return types.isNativeError(error) && 'code' in error && error.code === code;
}

/** Whether something else took the port between its choice and its use. */
export function isPortTaken(error: unknown): boolean {
  if (!(error instanceof StartFailure)) return hasCode(error, 'EADDRINUSE');
  return /EADDRINUSE|address already in use|port \d+ is taken/i.test(error.reason);
}

/** By the system's code, for a folder or file of the sandbox. */
const FILE_REMEDIES: Readonly<Record<string, string>> = {
  EACCES: 'set MALIPO_HOME to a folder that you may write to, or run as the user who owns this one',
  EPERM: 'set MALIPO_HOME to a folder that you may write to, or run as the user who owns this one',
  EROFS: 'set MALIPO_HOME to a folder that you may write to',
  ENOSPC: 'make room there, or set MALIPO_HOME to a folder on another disk',
  EDQUOT: 'make room there, or set MALIPO_HOME to a folder on another disk',
  ENOTDIR: 'set MALIPO_HOME to a folder: a part of its path is a file',
  EEXIST: 'set MALIPO_HOME to a folder: a file has its name',
};

/**
 * What the system said of a folder or file that a start makes, as a failure that says what to do;
 * anything else as it is.
 */
export function explainFileError(error: unknown): unknown {
  if (!types.isNativeError(error) || error instanceof StartFailure) return error;
  const { code, path, syscall } = error as NodeJS.ErrnoException;
  if (path === undefined || code === undefined || syscall?.startsWith('spawn')) return error;
  const remedy =
    code === 'ENOENT' && syscall === 'mkdir' ? FILE_REMEDIES.EROFS : FILE_REMEDIES[code];
  if (remedy === undefined) return error;
  return new StartFailure('The sandbox', error.message, remedy);
}
