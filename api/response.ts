import { z } from 'zod';
import { ID_PREFIXES, type IdKind, isId } from '../domain/id.ts';
import { CURRENCIES } from '../domain/money.ts';
import type { ReviewGuide } from '../domain/review.ts';
import { faulty } from './errors.ts';
import type { pageQuery } from './schema.ts';

/** A time of examples. */
export const TIME = '2026-11-24T09:00:00.123Z';

/** Pieces that many answers share. */
export const time = z.iso.datetime({ offset: true }).meta({ example: TIME });
export const textOrNull = z.string().nullable();
export const stringOf = (description: string, example: string) =>
  z.string().meta({ description, example });
export const stringOrNullOf = (description: string, example: string) =>
  textOrNull.meta({ description, example });
/** Shown in place of what is kept sealed and does not open. No provider's id looks like it. */
export const UNREADABLE = '(unreadable)';
export const ID_MAY_BE_UNREADABLE = `\`${UNREADABLE}\` where it is kept and cannot be opened: its bytes are damaged, or their key is gone. The log names the row`;
export const timeOrNull = time.nullable();
/** With a time as its example; without, the example is null. */
export const timeOrNullOf = (description: string) =>
  timeOrNull.meta({ description, example: TIME });
export const createdAt = time.describe('When it was created, in UTC');
export const updatedAt = time.describe('When it last changed, in UTC');
export const completedAt = timeOrNullOf('When it ended, in UTC; null while it is open');

/** What each object of ours says about its own kind. */
export function objectOf<K extends string>(kind: K) {
  return z.literal(kind).describe(`What this object is: always \`${kind}\``);
}

/** An id that looks like one of ours and is nobody's. */
export function exampleId(kind: IdKind): string {
  return `${ID_PREFIXES[kind]}_0193e0d5a1c27d3f8c1e2b3a4d5e6f70`;
}

export const EXAMPLE_HASH = '4f9c1e2b3a4d5e6f708192a3b4c5d6e7';
export const EXAMPLE_WORKFLOW = `payment-${EXAMPLE_HASH}`;

/** @param what whose id it is, where it is not the object's own. */
export function idOf(kind: IdKind, what = 'Its id') {
  const description = `${what}: \`${ID_PREFIXES[kind]}_\` and 32 hexadecimal digits`;
  return z.string().meta({ description, example: exampleId(kind) });
}

export function textsOf<K extends string>(table: Readonly<Record<K, { readonly text: string }>>) {
  return mapValues(table, ({ text }) => text);
}

export function reasonsOf<K extends string>(table: Readonly<Record<K, ReviewGuide>>) {
  return mapValues(table, ({ why }) => why);
}

function mapValues<V>(table: Readonly<Record<string, V>>, toWords: (value: V) => string) {
  return Object.fromEntries(Object.entries(table).map(([name, it]) => [name, toWords(it)]));
}

/** A description that says what each name of a table means. */
export function explain(what: string, table: Readonly<Record<string, string>>): string {
  const rows = Object.entries(table).map(([name, words]) => `- \`${name}\`: ${words}`);
  return [`${what}:`, '', ...rows].join('\n');
}
/** An amount of money. @param what what it is the amount of, as the begin of a sentence. */
export const minorOf = (what: string, example = 15_000) =>
  z
    .int()
    .nonnegative()
    .meta({ description: `${what}, in integer minor units: KES 150 is 15000`, example });
/** Money as a person reads it, so that a wrong factor of 100 is seen at once. */
export const amountText = stringOf(
  '`amount` and `currency` as a person reads them, to show and to check',
  'KES 150.00',
);
export const currencyName = z
  .enum(CURRENCIES)
  .describe('The currency of its amounts, by ISO 4217, in capitals');
export const textMap = z.record(z.string(), z.string());
export const metadataMap = textMap.describe('What you sent with it, as it was: texts by name');
export const workflowResponse = z
  .strictObject({
    id: stringOf('The id of the workflow in Temporal', EXAMPLE_WORKFLOW),
    url: stringOrNullOf(
      'For operators: its page in the Temporal Web UI. Null for merchants',
      `http://127.0.0.1:8233/namespaces/default/workflows/${EXAMPLE_WORKFLOW}`,
    ),
  })
  .meta({ id: 'Workflow' })
  .describe('The Temporal workflow, and its page in the Web UI');

/** The names of a table, as an enumeration. */
export function namesOf<K extends string>(table: Readonly<Record<K, unknown>>) {
  const isName = (name: string): name is K => Object.hasOwn(table, name);
  return z.enum(Object.keys(table).filter(isName));
}

/** A list that is whole; described like a page, so that one loop reads both. */
export function wholeListOf<T extends z.ZodType>(item: T) {
  return z.strictObject({
    object: objectOf('list'),
    data: z.array(item).describe('All of them'),
    has_more: z.boolean().describe('Always false: the list is whole'),
    next_cursor: textOrNull.describe('Always null: there is no next page'),
  });
}

/** One page of a list. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.strictObject({
    object: objectOf('list'),
    data: z.array(item).describe('Those of this page'),
    has_more: z.boolean().describe('Whether there is a next page'),
    next_cursor: textOrNull.meta({ description: 'Send it as `cursor` for the next page' }),
  });
}

export function presentWholeList<T>(data: readonly T[]) {
  return { object: 'list' as const, data: [...data], has_more: false as const, next_cursor: null };
}

/**
 * @param found up to `limit + 1` items: one more than the page tells that there is another.
 * @param cursorOf names the last item shown.
 */
export function presentPage<T, P>(
  found: readonly T[],
  limit: number,
  present: (item: T) => P,
  cursorOf: (item: T) => string,
) {
  const page = found.slice(0, limit);
  const last = page.at(-1);
  const hasMore = found.length > limit;
  return {
    object: 'list' as const,
    data: page.map(present),
    has_more: hasMore,
    next_cursor: hasMore && last !== undefined ? cursorOf(last) : null,
  };
}

/**
 * One page of a list that goes by ids.
 * @param kind whose ids the cursors are of.
 * @param list up to `limit` items, from the one behind this id on; null: from the first.
 * @throws ApiError invalid_request for a cursor that no earlier page gave.
 */
export async function findPage<T extends { readonly id: string }, P>(
  kind: IdKind,
  { limit, cursor }: z.output<typeof pageQuery>,
  list: (limit: number, fromId: string | null) => Promise<readonly T[]>,
  present: (item: T) => P | Promise<P>,
) {
  const found = await list(limit + 1, readCursor(kind, cursor));
  const page = presentPage(found, limit, present, ({ id }) => makeCursor(id));
  return { ...page, data: await Promise.all(page.data) };
}

/** Opaque to the caller: the id of the last item shown. */
function makeCursor(id: string): string {
  return Buffer.from(id).toString('base64url');
}

function readCursor(kind: IdKind, cursor: string | undefined): string | null {
  if (cursor === undefined) return null;
  const id = Buffer.from(cursor, 'base64url').toString();
  if (isId(kind, id)) return id;
  const detail = 'must be a next_cursor of an earlier page';
  throw faulty('invalid_request', [{ pointer: '/cursor', detail }]);
}
