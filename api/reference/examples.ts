import { z } from 'zod';
import { TIME } from '../response.ts';

const BY_FORMAT: Readonly<Record<string, string>> = {
  'date-time': TIME,
  email: 'you@example.com',
  uri: 'https://shop.example.com/',
};
/** What a text is shown as that nobody gave an example; a test finds it. */
export const UNNAMED = 'no example';

type Schema = z.core.JSONSchema.JSONSchema;
type Defs = NonNullable<Schema['$defs']>;

/** An answer made of the examples of its fields. What may be null is null without an example. */
export function makeExample(shape: z.ZodType): unknown {
  const root: Schema = z.toJSONSchema(shape, { unrepresentable: 'any' });
  return exampleOf(root, root.$defs ?? {});
}

function exampleOf(given: Schema, defs: Defs): unknown {
  const schema = { ...resolve(given, defs), ...given };
  if (schema.example !== undefined) return schema.example;
  if (schema.anyOf !== undefined || Array.isArray(schema.type)) return null;
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return schema.enum[0];
  if (schema.type === 'array') return [exampleOf(toSchema(schema.items), defs)];
  if (schema.type !== 'object') return exampleOfScalar(schema);
  const fields = Object.entries(schema.properties ?? {});
  return Object.fromEntries(fields.map(([name, it]) => [name, exampleOf(toSchema(it), defs)]));
}

function exampleOfScalar({ type, format = '', minimum = 0 }: Schema): unknown {
  if (type === 'string') return BY_FORMAT[format] ?? UNNAMED;
  if (type === 'integer' || type === 'number') return Math.max(minimum, 1);
  return type === 'boolean' ? false : null;
}

function resolve(schema: Schema, defs: Defs): Schema {
  const name = schema.$ref?.split('/').at(-1);
  return name === undefined ? schema : toSchema(defs[name] ?? {});
}

function toSchema(schema: Schema['items']): Schema {
  return typeof schema === 'object' && !Array.isArray(schema) ? schema : {};
}
