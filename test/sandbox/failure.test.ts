import * as fs from 'node:fs';
import { join } from 'node:path';
import { explainFileError, StartFailure } from '../../sandbox/failure.ts';
import { findRemedy } from '../../sandbox/remedies.ts';
import { makeFolder, removeFolder } from './folder.ts';

/** What a failed start advises. `--reset` loses data, so it is named only where it would help. */
const LOGS = [
  ['no answer in 60 s (Failed to connect before the deadline)', 'read the log'],
  ['FATAL:  could not write: No space left on device', 'make room'],
  ['could not bind IPv4 address "127.0.0.1": Address already in use', 'end the program'],
  ["can't set frontend port 7233: bind: address already in use", 'end the program'],
  ['initdb: error: could not access directory "/x": Permission denied', 'set MALIPO_HOME'],
  ['FATAL:  could not map anonymous shared memory: Cannot allocate memory', 'memory'],
  ['the server does not support SSL connections', 'read the log'],
  ['FATAL:  database files are incompatible with server', '--reset'],
  ['PANIC:  could not locate a valid checkpoint record', '--reset'],
  ['Error: file is not a database (26)', '--reset'],
] as const;

test.each(LOGS)('after %j', (log, advice) => {
  const remedy = findRemedy(log, 'read the log');
  expect(remedy).toContain(advice);
  expect(remedy).toContain('read the log');
  expect(remedy.includes('--reset')).toBe(advice === '--reset');
  if (advice === '--reset') expect(remedy).toMatch(/MALIPO_HOME.*loses all sandbox data.*--reset/);
});

const fileError = (code: string, syscall = 'mkdir') =>
  Object.assign(new Error(`${code}: what the system says, ${syscall} '/x'`), {
    code,
    syscall,
    path: '/x',
  });

test.each(['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'ENOTDIR', 'EEXIST'])(
  'a folder refused by %s is a failure that names MALIPO_HOME',
  (code) => {
    const explained = explainFileError(fileError(code));
    expect(explained).toBeInstanceOf(StartFailure);
    expect(explained).toMatchObject({
      reason: expect.stringContaining(code),
      remedy: expect.stringContaining('MALIPO_HOME'),
    });
  },
);

test.each([
  ['a program that cannot be run', fileError('EACCES', 'spawn postgres')],
  ['a file of ours that is not there', fileError('ENOENT', 'open')],
  ['what says already what to do', new StartFailure('A part', 'EACCES', 'do this')],
  ['a fault of ours', new TypeError('undefined is not a function')],
])('%s stays as it is', (_, error) => {
  expect(explainFileError(error)).toBe(error);
});

test('the system’s own error is understood', () => {
  const folder = makeFolder();
  fs.writeFileSync(join(folder, 'file'), '');
  let caught: unknown = null;
  try {
    fs.mkdirSync(join(folder, 'file', 'home'), { recursive: true });
  } catch (error) {
    caught = explainFileError(error);
  }
  removeFolder(folder);
  expect(caught).toMatchObject({ remedy: expect.stringContaining('a part of its path is a file') });
});
