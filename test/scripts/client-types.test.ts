import { z } from 'zod';
import { makeComment, renderType, type Side } from '../../scripts/render-type.ts';
import { rollUp } from '../../scripts/roll-up.ts';

/** How the client's types are written out, and made one file. */
const whole = z.object({ id: z.string().describe('Its id'), note: z.string().nullable() });

// biome-ignore format: table, one row per line
const TYPES: readonly (readonly [z.ZodType, Side, string])[] = [
  [whole, 'answer', '{\n  /** Its id */\n  id: string;\n  note: string | null;\n}'],
  [whole.nullable(), 'answer', '{\n  /** Its id */\n  id: string;\n  note: string | null;\n} | null'],
  [whole, 'query', '{\n  /** Its id */\n  id?: string | undefined;\n  note?: string | null | undefined;\n}'],
  [z.object({ limit: z.coerce.number().default(20) }), 'answer', '{\n  limit: number;\n}'],
  [z.object({ limit: z.coerce.number().default(20) }), 'body', '{\n  limit?: number | undefined;\n}'],
  [z.enum(['a', 'b']), 'answer', "'a' | 'b'"],
  [z.array(z.enum(['a', 'b'])), 'answer', "('a' | 'b')[]"],
  [z.array(z.enum(['a'.repeat(40), 'b'.repeat(40)])), 'answer', `(\n  | '${'a'.repeat(40)}'\n  | '${'b'.repeat(40)}'\n)[]`],
  [z.record(z.string(), z.unknown()), 'answer', 'Record<string, unknown>'],
  [z.iso.datetime().transform((it) => new Date(it)), 'body', 'string'],
];

test.each(TYPES)('type %# is written', (schema, side, text) => {
  expect(renderType(schema, { side, depth: 0 })).toBe(text);
});

test('what a transform answers with is not guessed', () => {
  const schema = z.string().transform((it) => it.length);
  expect(() => renderType(schema, { side: 'answer', depth: 0 })).toThrow('no TypeScript is known');
});

test('a description that would end its comment is refused', () => {
  expect(() => makeComment('all of */*', 0)).toThrow('would end its comment');
});

const MODULES = {
  index: "export { Shop } from './shop.ts';\nexport type { Page } from './page.ts';\n",
  shop: "import type { Page } from './page.ts';\nimport { type Send } from './send.ts';\n/** A shop. */\nexport declare class Shop {\n    constructor(send: Send);\n    list(): Page<string>;\n}\n",
  page: 'export type Page<T> = {\n    /** As in Other. */\n    data: T[];\n};\nexport type Other = string;\n',
  send: 'type Call = {\n    of: string;\n};\nexport type Send = (call: Call) => void;\nexport {};\n',
};
const roll = (changes: Readonly<Record<string, string>> = {}) =>
  rollUp(new Map(Object.entries({ ...MODULES, ...changes })), 'index');

test('one file holds what is exported, and what that stands on', () => {
  expect(roll().split('\n')).toEqual([
    '/** A shop. */',
    'declare class Shop {',
    '    constructor(send: Send);',
    '    list(): Page<string>;',
    '}',
    'type Page<T> = {',
    '    /** As in Other. */',
    '    data: T[];',
    '};',
    'type Call = {',
    '    of: string;',
    '};',
    'type Send = (call: Call) => void;',
    'export { Shop };',
    'export type { Page };',
    '',
  ]);
});

test.each([
  ['a type of another package', { page: "import type { z } from 'zod';\nexport type Page = z;\n" }],
  [
    'a type of the server',
    { page: "import type { A } from '../api/a.ts';\nexport type Page = A;\n" },
  ],
  ['one name for two things', { send: 'export type Send = 1;\nexport type Page = 2;\n' }],
  ['what nothing declares', { page: 'export type Pages = 2;\n' }],
  ['what does not end', { page: 'export type Page = {\n    data: 1;\n' }],
])('%s is refused', (_, changes) => {
  expect(() => roll(changes)).toThrow();
});
