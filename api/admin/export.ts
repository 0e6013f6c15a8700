import { Readable } from 'node:stream';
import type { ApiDeps } from '../deps.ts';
import type { Answer, Reply } from '../operation.ts';

type Row = { readonly id: string } & Readonly<Record<string, unknown>>;

type Format = {
  readonly contentType: string;
  readonly head: (columns: readonly string[]) => string;
  readonly line: (row: Row, columns: readonly string[]) => string;
};

const FORMATS = {
  // RFC 4180.
  csv: {
    contentType: 'text/csv; charset=utf-8; header=present',
    head: (columns) => toCsvLine(columns),
    line: (row, columns) => toCsvLine(columns.map((name) => toCsvText(row[name]))),
  },
  jsonl: {
    contentType: 'application/jsonl; charset=utf-8',
    head: () => '',
    line: (row) => `${JSON.stringify(row)}\n`,
  },
} as const satisfies Record<string, Format>;

export const EXPORT_FORMATS = ['csv', 'jsonl'] as const satisfies readonly (keyof typeof FORMATS)[];

/** How an operation that exports describes its answer. */
export const exportAnswer: Answer = {
  description: 'A file, newest first. A connection that breaks says that it is not whole',
  contentType: ['text/csv', 'application/jsonl'],
};

const PAGE_SIZE = 500;

/**
 * Answers with a file that is read page by page as the caller takes it, so its size costs no
 * memory. The first page is read before the answer begins: a fault until then is a proper problem,
 * later the connection is cut, since half a file must not look like a whole one.
 */
export async function exportRows<T extends Row>(
  { log }: Pick<ApiDeps, 'log'>,
  file: {
    readonly name: string;
    readonly format: (typeof EXPORT_FORMATS)[number];
    /** Of CSV, in order; lines of JSON have all that a row has. */
    readonly columns: readonly (keyof T & string)[];
    /** The rows after this one, or the first; fewer than asked for are the last. */
    readonly readPage: (afterId: string | null, limit: number) => Promise<readonly T[]>;
  },
): Promise<Reply> {
  const { name, format, columns, readPage } = file;
  const { contentType, head, line }: Format = FORMATS[format];
  const toLines = (page: readonly T[]) => page.map((row) => line(row, columns)).join('');
  let page = await readPage(null, PAGE_SIZE);
  async function* writePages() {
    yield head(columns) + toLines(page);
    try {
      for (let last = page.at(-1); last !== undefined && page.length === PAGE_SIZE; ) {
        page = await readPage(last.id, PAGE_SIZE);
        yield toLines(page);
        last = page.at(-1);
      }
    } catch (err) {
      log.error({ err, file: name }, 'an export broke off');
      throw err;
    }
  }
  return {
    status: 200,
    body: Readable.from(writePages()),
    headers: {
      'Content-Type': contentType,
      'Content-Disposition': `attachment; filename="${name}.${format}"`,
    },
  };
}

function toCsvText(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** What spreadsheets would take for a formula gets an apostrophe in front, so that it is text. */
function toCsvLine(cells: readonly string[]): string {
  const quoted = cells.map((cell) => {
    const text = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${quoted.join(',')}\r\n`;
}
