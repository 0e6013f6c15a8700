import { z } from 'zod';

/**
 * How every provider's messages are read (ADR 0005): what decides must be there and right, all else
 * is read if it can be and skipped if not. Relays rewrite what they pass on, and most callbacks
 * come once, so an odd part that nobody needs must not cost the result.
 */

/**
 * A message's JSON; undefined when it is none. White space and a byte order mark around it are
 * skipped (RFC 8259 §8.1): JavaScript's `trim` counts the mark as white space.
 */
export function parseJson(body: Uint8Array | string): unknown {
  const text = typeof body === 'string' ? body : Buffer.from(body).toString('utf8');
  try {
    return JSON.parse(text.trim());
  } catch {
    return undefined;
  }
}

/** A number is as good as a text, and comes as text. */
export const numberOrText = z.union([z.string(), z.number()]).transform(String);

/** A text that is needed: a text or number that says something, without the blanks around it. */
export const neededText = numberOrText.transform((text) => text.trim()).pipe(z.string().min(1));

/** A text that nobody depends on; null where it is absent, empty or of another type. */
export const textOrNull = neededText.nullable().catch(null);

/** The same where it is quoted only: empty text in place of null. */
export const textOrEmpty = numberOrText.catch('');

/** What nobody depends on: null where it cannot be read. */
export function orNull<T extends z.ZodType>(schema: T) {
  return schema.nullable().catch(null);
}

/**
 * A list, of which each item that can be read is read. One object is a list of one, and whatever is
 * neither is an empty list: null, "", {} as some relays write an empty one.
 */
export function listOf<T extends z.ZodType>(item: T) {
  return z.unknown().transform((value): z.output<T>[] => {
    const items: readonly unknown[] = Array.isArray(value) ? value : [value];
    return items.flatMap((one) => {
      const parsed = item.safeParse(one);
      return parsed.success ? [parsed.data] : [];
    });
  });
}

/** The texts of an object by their names; what is no text is left out. */
export const textMap = z
  .record(z.string(), z.unknown())
  .catch({})
  .transform((map) => {
    const entries = Object.entries(map);
    return Object.fromEntries(
      entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    );
  });
