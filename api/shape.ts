import { z } from 'zod';
import { type IdKind, isId } from '../domain/id.ts';
import { ApiError } from './errors.ts';
import type { pageQuery } from './schema.ts';

/** A time of examples. */
export const TIME = '2026-11-24T09:00:00.123Z';

/** Pieces that many answers share. */
export const time = z.iso.datetime({ offset: true }).meta({ example: TIME });
export const textOrNull = z.string().nullable();
/** Shown in place of what is kept sealed and does not open. No provider's id looks like it. */
export const UNREADABLE = '(unreadable)';
export const ID_MAY_BE_UNREADABLE = `\`${UNREADABLE}\` where it is kept and cannot be opened: its bytes are damaged, or their key is gone. The log names the row`;
export const timeOrNull = time.nullable();
export const minor = z
  .int()
  .nonnegative()
  .meta({ description: 'In minor units: KES 100.50 is 10050', example: 10_050 });
export const textMap = z.record(z.string(), z.string());
export const workflowShape = z
  .strictObject({ id: z.string(), url: textOrNull })
  .meta({ description: 'The Temporal workflow, and its page in the Web UI' });

/** The names of a table, as an enumeration. */
export function namesOf<K extends string>(table: Readonly<Record<K, unknown>>) {
  const isName = (name: string): name is K => Object.hasOwn(table, name);
  return z.enum(Object.keys(table).filter(isName));
}

/** A list that is whole. */
export function wholeListOf<T extends z.ZodType>(item: T) {
  return z.strictObject({
    object: z.literal('list'),
    data: z.array(item),
    has_more: z.literal(false),
    next_cursor: z.null(),
  });
}

/** One page of a list. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.strictObject({
    object: z.literal('list'),
    data: z.array(item),
    has_more: z.boolean(),
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
  throw new ApiError('invalid_request', `cursor ${detail}`, [{ pointer: '/cursor', detail }]);
}
