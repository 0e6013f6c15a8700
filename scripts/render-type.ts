import { z } from 'zod';

/**
 * Which face of a schema is shown: what an answer holds, what a body may hold, or what a query may
 * hold before the client writes it into an address.
 */
export type Side = 'answer' | 'body' | 'query';

type Place = {
  readonly side: Side;
  /** How far in the line begins, in steps of two blanks. */
  readonly depth: number;
  readonly given?: Readonly<Record<string, string>>;
};

const COLUMNS_MAX = 100;
const indent = (depth: number) => '  '.repeat(depth);

/**
 * A schema as TypeScript.
 * @throws Error for a kind of schema that no type of the client has used so far.
 */
export function renderType(schema: z.core.$ZodType, place: Place): string {
  if (schema instanceof z.ZodObject) return renderObject(schema, place);
  const members = listMembers(schema, place);
  const line = members.join(' | ');
  const isShort = indent(place.depth).length + line.length <= LINE_MAX;
  if (members.length === 1 || isShort || line.includes('\n')) return line;
  const before = `\n${indent(place.depth + 1)}| `;
  return `${before}${members.join(before)}`;
}
/** Leaves room for the name of the field. */
const LINE_MAX = COLUMNS_MAX - 40;

/** What it may be, one by one: `null` stands beside the rest. */
function listMembers(schema: z.core.$ZodType, place: Place): readonly string[] {
  if (schema instanceof z.ZodNullable) return [...listMembers(schema.unwrap(), place), 'null'];
  if (schema instanceof z.ZodOptional) return [...listMembers(schema.unwrap(), place), 'undefined'];
  if (schema instanceof z.ZodDefault) {
    const members = listMembers(schema.unwrap(), place);
    return place.side === 'answer' ? members : [...members, 'undefined'];
  }
  if (schema instanceof z.ZodEnum) return schema.options.map((it) => quote(it));
  if (schema instanceof z.ZodLiteral) return [...schema.values].map((it) => quote(it));
  return [renderOne(schema, place)];
}

function renderOne(schema: z.core.$ZodType, place: Place): string {
  if (schema instanceof z.ZodObject) return renderObject(schema, place);
  if (schema instanceof z.ZodString || schema instanceof z.ZodStringFormat) return 'string';
  if (schema instanceof z.ZodNumber) return 'number';
  if (schema instanceof z.ZodBoolean) return 'boolean';
  if (schema instanceof z.ZodUnknown) return 'unknown';
  if (schema instanceof z.ZodRecord) {
    return `Record<string, ${renderType(schema.valueType, place)}>`;
  }
  if (schema instanceof z.ZodArray) {
    const item = renderType(schema.element, place);
    if (item.startsWith('\n')) return `(${item}\n${indent(place.depth)})[]`;
    return item.includes(' | ') && !item.startsWith('{') ? `(${item})[]` : `${item}[]`;
  }
  // What is sent is what goes in, whatever the API makes of it.
  if (schema instanceof z.ZodPipe && place.side !== 'answer') return renderType(schema.in, place);
  throw new Error(`no TypeScript is known for ${schema._zod.def.type} as ${place.side}`);
}

function renderObject(schema: z.ZodObject, place: Place): string {
  const { side, depth, given = {} } = place;
  const fields = Object.entries(schema.shape).map(([name, field]) => {
    const type = given[name] ?? renderType(field, { side, depth: depth + 1 });
    const may = isOptional(field, side);
    const whole = may && !type.endsWith('undefined') ? `${type} | undefined` : type;
    const comment = makeComment(z.globalRegistry.get(field)?.description, depth + 1);
    const gap = whole.startsWith('\n') ? '' : ' ';
    return `${comment}${indent(depth + 1)}${name}${may ? '?' : ''}:${gap}${whole};\n`;
  });
  return `{\n${fields.join('')}${indent(depth)}}`;
}

function isOptional(schema: z.core.$ZodType, side: Side): boolean {
  if (side === 'query' || schema instanceof z.ZodOptional) return true;
  return side === 'body' && schema instanceof z.ZodDefault;
}

function quote(value: unknown): string {
  return typeof value === 'string' ? `'${value}'` : String(value);
}

/** A comment for editors, broken into lines that fit; nothing for no text. */
export function makeComment(text: string | undefined, depth: number): string {
  if (text === undefined) return '';
  if (text.includes('*/')) throw new Error(`this would end its comment: ${text}`);
  const margin = indent(depth);
  const short = `${margin}/** ${text} */`;
  if (short.length <= COLUMNS_MAX && !text.includes('\n')) return `${short}\n`;
  const lines = text.split('\n').flatMap((line) => wrap(line, COLUMNS_MAX - margin.length - 3));
  const rows = lines.map((line) => `${margin} * ${line}`.trimEnd());
  return [`${margin}/**`, ...rows, `${margin} */`, ''].join('\n');
}

function wrap(text: string, columns: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
