import * as fs from 'node:fs';
import { join } from 'node:path';
import { takeLock } from '../../sandbox/lock.ts';
import { makeFolder, removeFolder } from './folder.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = makeFolder();
  path = join(folder, 'lock');
});

afterEach(() => removeFolder(folder));

test('a held lock names its holder and is free after its release', async () => {
  const first = await takeLock(path);
  expect(await takeLock(path)).toEqual({ ok: false, holderPid: process.pid });
  if (first.ok) first.release();
  expect(await takeLock(path)).toMatchObject({ ok: true });
});

const STALE = [
  { what: 'a process that is gone', content: '4194304\nnode sandbox/start.ts' },
  { what: 'a pid that is another program by now', content: `${process.pid}\nnode other.ts` },
  { what: 'nobody', content: '' },
] as const;

test.each(STALE)('a lock of $what is taken over', async ({ content }) => {
  fs.writeFileSync(path, content);
  expect(await takeLock(path)).toMatchObject({ ok: true });
  expect(fs.readdirSync(folder)).toEqual(['lock']);
});
