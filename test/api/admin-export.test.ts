import { Readable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { exportRows } from '../../api/admin/export.ts';
import { createLog } from '../../config/log.ts';

type Cell = { readonly id: string; readonly cell: unknown };

/** What an export of these pages sends. */
async function openExport(readPage: (limit: number) => readonly Cell[]) {
  const { body } = await exportRows(
    { log: createLog('test', 'silent') },
    {
      name: 'cells',
      format: 'csv',
      columns: ['id', 'cell'],
      readPage: (_afterId, limit) => Promise.resolve(readPage(limit)),
    },
  );
  if (!(body instanceof Readable)) throw new Error('it is no stream');
  return body;
}

test.each([
  ['plain', 'plain'],
  ['with, comma', '"with, comma"'],
  ['"quoted"', '"""quoted"""'],
  ['two\nlines', '"two\nlines"'],
  ['two\r\nlines', '"two\r\nlines"'],
  [' =1', ' =1'],
  ['=1', "'=1"],
  ['=1,"2"', '"\'=1,""2"""'],
  ['-1', "'-1"],
  ['\t=1', "'\t=1"],
  ['\r=1', '"\'\r=1"'],
  ['@x', "'@x"],
  ['+254712345678', "'+254712345678"],
  [null, ''],
  [{ a: 1 }, '"{""a"":1}"'],
])('%j stands in CSV as %s', async (cell, written) => {
  const parts = await (await openExport(() => [{ id: '1', cell }])).toArray();
  expect(parts.join('')).toBe(`id,cell\r\n1,${written}\r\n`);
});

test('no more is read than the caller takes', async () => {
  let pages = 0;
  const stream = await openExport((limit) => {
    pages += 1;
    return Array.from({ length: limit }, (_, index) => ({ id: `${index}`, cell: 'x' }));
  });
  let taken = 0;
  for await (const part of stream) {
    expect(part.length).toBeLessThan(10_000);
    taken += 1;
    // Whoever reads ahead without being asked does it now.
    for (let turns = 0; turns < 10; turns += 1) await turn();
    if (taken === 10) break;
  }
  expect(pages).toBeLessThanOrEqual(taken + 2);
});
