/** What a field takes, in words, and whether a value is it. */
export type Field<T> = {
  readonly takes: string;
  readonly accepts: (value: unknown) => value is T;
};
export type Fields = Readonly<Record<string, Field<unknown>>>;
export type Values<F extends Fields> = {
  readonly [Name in keyof F]?: F[Name] extends Field<infer T> ? T : never;
};

/**
 * The given fields, each of them checked; any may be missing.
 * @throws RangeError naming the field that is unknown or wrong, and what is allowed.
 */
export function readFields<F extends Fields>(
  fields: F,
  given: Readonly<Record<string, unknown>>,
): Values<F> {
  assertFields(fields, given);
  return given;
}

function assertFields<F extends Fields>(
  fields: F,
  given: Readonly<Record<string, unknown>>,
): asserts given is Readonly<Record<string, unknown>> & Values<F> {
  for (const [name, value] of Object.entries(given)) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field === undefined) {
      throw new RangeError(`there is no ${name}; there are ${Object.keys(fields).join(', ')}`);
    }
    if (!field.accepts(value)) {
      throw new RangeError(`${name} takes ${field.takes}, not ${JSON.stringify(value)}`);
    }
  }
}

export function oneOf<const Word extends string>(...words: readonly Word[]): Field<Word> {
  return {
    takes: words.join(', '),
    accepts: (value): value is Word => words.some((word) => word === value),
  };
}

export function orNull<T>({ takes, accepts }: Field<T>): Field<T | null> {
  return {
    takes: `${takes} or null`,
    accepts: (value): value is T | null => value === null || accepts(value),
  };
}

export function countFrom(least: number): Field<number> {
  return {
    takes: `a whole number from ${least}`,
    accepts: (value): value is number => Number.isSafeInteger(value) && Number(value) >= least,
  };
}

export const count = countFrom(0);

export const flag: Field<boolean> = {
  takes: 'true or false',
  accepts: (value) => typeof value === 'boolean',
};

export const text: Field<string> = {
  takes: 'a text',
  accepts: (value): value is string => typeof value === 'string' && value !== '',
};

export const amount: Field<number> = {
  takes: 'a number',
  accepts: (value) => typeof value === 'number',
};

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
