import { types } from 'node:util';

/** A part of the world that did not come up: what, why, and what the reader can do about it. */
export class StartFailure extends Error {
  readonly part: string;
  readonly reason: string;
  readonly mend: string;

  constructor(part: string, reason: string, mend: string) {
    super(`${part} did not start: ${reason}\n  To mend it: ${mend}`);
    this.name = 'StartFailure';
    this.part = part;
    this.reason = reason;
    this.mend = mend;
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
