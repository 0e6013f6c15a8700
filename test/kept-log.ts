import { Writable } from 'node:stream';
import { createLog, type Log } from '../config/log.ts';

type Line = Readonly<Record<string, unknown>>;

/** A log that a test reads. */
export function keepLog(
  level: 'info' | 'warn',
  service = 'api',
): {
  readonly log: Log;
  /** As it was written. */
  readonly read: () => string;
  readonly lines: () => readonly Line[];
  readonly forget: () => void;
} {
  let written = '';
  const kept = new Writable({
    write(chunk, _encoding, done) {
      written += String(chunk);
      done();
    },
  });
  return {
    log: createLog(service, level, kept),
    read: () => written,
    lines: () =>
      written
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line)),
    forget() {
      written = '';
    },
  };
}
