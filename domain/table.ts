/**
 * The entry of a table by a key that came over a wire; undefined where the table has none. Such a
 * key may be a name that every object of JavaScript has.
 */
export function entryOf<Value>(
  table: Readonly<Record<string, Value>> | undefined,
  key: string,
): Value | undefined {
  return table !== undefined && Object.hasOwn(table, key) ? table[key] : undefined;
}
