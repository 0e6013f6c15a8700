/** What a schema found wrong, as far as our sentences need it; zod's own issues fit. */
type Issue = { readonly code?: string | undefined; readonly [part: string]: unknown };

/**
 * How to correct a value that a schema refused, to follow the name of its field in a sentence. The
 * library's own words ("Invalid input: expected string, received number") are for programmers of
 * that library. A schema's own message goes before this one.
 */
export function describeIssue(issue: Issue): string {
  const { code = '' } = issue;
  return isCode(code) ? WORDS[code](issue) : 'is not taken';
}

function isCode(code: string): code is keyof typeof WORDS {
  return Object.hasOwn(WORDS, code);
}

const WORDS = {
  invalid_type: ({ input, expected }) =>
    input === undefined ? 'is required' : `must be ${nameType(expected)}`,
  too_big: (issue) => sayLimit(issue, 'maximum'),
  too_small: (issue) => sayLimit(issue, 'minimum'),
  not_multiple_of: ({ divisor }) => `must be a multiple of ${String(divisor)}`,
  invalid_format: ({ format }) => `must be ${nameFormat(format)}`,
  invalid_value: ({ input, values }) => {
    const names = Array.isArray(values) ? values.map(String) : [];
    const needed =
      names.length === 1 ? `must be ${names[0]}` : `must be one of ${names.join(', ')}`;
    return input === undefined ? `is required, and ${needed}` : needed;
  },
  unrecognized_keys: () => 'is unknown',
  invalid_key: () => 'has a name that is not taken',
  invalid_element: () => 'has an entry that is not taken',
  invalid_union: () => 'has none of the forms that are taken',
  custom: () => 'is not taken',
} as const satisfies Record<string, (issue: Issue) => string>;

const TYPES = {
  string: 'a text in quotes',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list in brackets, such as ["one", "two"]',
  object: 'an object in braces, such as {"name": "value"}',
  record: 'an object in braces, such as {"name": "value"}',
  null: 'null',
} as const;
const nameType = (expected: unknown) => nameIn(TYPES, expected) ?? 'of another type';

const FORMATS = {
  email: 'an e-mail address, such as you@example.com',
  url: 'an address with http:// or https://, such as https://shop.example.com/thanks',
  datetime: 'a time, such as 2026-11-24T09:00:00Z',
} as const;
const nameFormat = (format: unknown) => nameIn(FORMATS, format) ?? 'of another form';

function nameIn(table: Readonly<Record<string, string>>, name: unknown): string | undefined {
  return typeof name === 'string' && Object.hasOwn(table, name) ? table[name] : undefined;
}

const COUNTED = { string: 'characters', array: 'entries', record: 'names' } as const;

/** `takes at most 5 characters`, `must be 1 or more`. */
function sayLimit(issue: Issue, end: 'minimum' | 'maximum'): string {
  const limit = String(issue[end]);
  const counted = nameIn(COUNTED, issue.origin);
  if (counted !== undefined) {
    return `takes ${end === 'maximum' ? 'at most' : 'at least'} ${limit} ${counted}`;
  }
  if (issue.inclusive === false) {
    return `must be ${end === 'maximum' ? 'less' : 'more'} than ${limit}`;
  }
  return end === 'maximum' ? `must be at most ${limit}` : `must be ${limit} or more`;
}
